// The grammar of what is on disk is written where it is made, and in docs/storage-format.md, in the same words.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailstead {
namespace {

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

// The comment between "// Grammar of ..." and "// End of the grammar.", without its slashes.
std::string Grammar(const std::string& path) {
  std::string grammar;
  bool within = false;
  for (const absl::string_view line : absl::StrSplit(FileText(path), '\n')) {
    if (line == "// End of the grammar.") break;
    if (within) absl::StrAppend(&grammar, line.size() > 3 ? line.substr(3) : "", "\n");
    within = within || absl::StartsWith(line, "// Grammar of ");
  }
  const size_t first = grammar.find_first_not_of('\n');
  const size_t last = grammar.find_last_not_of('\n');
  EXPECT_NE(first, std::string::npos) << path;
  return first == std::string::npos ? "" : grammar.substr(first, last + 1 - first);
}

TEST(Grammar, StandsInTheDocsAsInTheSources) {
  const std::string docs = FileText("docs/storage-format.md");
  for (const char* file : {"keys.h", "records/coder.h", "records/directory.cc", "records/callers.cc",
                           "records/mailbox.cc", "records/changes.cc", "records/queue.cc"}) {
    const std::string path = absl::StrCat("stored/engine/rocksdb/", file);
    const std::string grammar = Grammar(path);
    EXPECT_GT(grammar.size(), 400u) << path;
    EXPECT_TRUE(absl::StrContains(docs, absl::StrCat("```\n", grammar, "\n```\n")))
        << "docs/storage-format.md has another grammar than " << path << ", which is:\n"
        << grammar;
  }
}

}  // namespace
}  // namespace mailstead
