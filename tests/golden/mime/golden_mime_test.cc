// What the MIME parser makes of the messages in this folder: NAME.eml, byte for byte, and NAME.json. UPDATE_GOLDEN=1
// rewrites the latter; test_mime.py has other implementations read the same messages.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "tests/support/mime_json.h"

namespace mailstead {
namespace {

constexpr char kFolder[] = "tests/golden/mime";

std::vector<std::filesystem::path> Messages() {
  std::vector<std::filesystem::path> messages;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".eml") messages.push_back(entry.path());
  }
  std::sort(messages.begin(), messages.end());
  return messages;
}

std::string Content(const std::filesystem::path& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

TEST(GoldenMime, TellsOfEachMessage) {
  const char* update = std::getenv("UPDATE_GOLDEN");
  const std::vector<std::filesystem::path> messages = Messages();
  ASSERT_GT(messages.size(), 50u);
  for (const std::filesystem::path& path : messages) {
    const std::string json = MimeJson(Content(path));
    std::filesystem::path golden = path;
    golden.replace_extension(".json");
    if (update != nullptr && absl::string_view(update) == "1") {
      std::ofstream(golden, std::ios::binary) << json;
    } else {
      EXPECT_EQ(json, Content(golden)) << path;
    }
  }
}

TEST(GoldenMime, AnySplitTellsTheSame) {
  for (const std::filesystem::path& path : Messages()) {
    const std::string message = Content(path);
    const std::string whole = MimeJson(message);
    for (const size_t piece_bytes : {1, 2, 3, 7, 64}) {
      EXPECT_EQ(MimeJson(message, {.piece_bytes = piece_bytes}), whole) << path << " in " << piece_bytes;
    }
  }
}

}  // namespace
}  // namespace mailstead
