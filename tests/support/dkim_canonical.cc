// dkim_canonical simple|relaxed simple|relaxed: reads a message on standard input, and writes its fields and its body in these
// canonical forms, with an empty line between, for tests/integration/test_dkim.py.
#include <cstring>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mailauth/canonical.h"

namespace {

using mailstead::mailauth::Canonicalization;

Canonicalization FormOf(const char* name) {
  return std::strcmp(name, "simple") == 0 ? Canonicalization::kSimple : Canonicalization::kRelaxed;
}

// As far as the first line that does not go on with it.
absl::string_view TakeField(absl::string_view& header) {
  size_t end = header.find("\r\n");
  while (end != absl::string_view::npos && end + 2 < header.size() &&
         (header[end + 2] == ' ' || header[end + 2] == '\t')) {
    end = header.find("\r\n", end + 2);
  }
  const absl::string_view field = header.substr(0, end == absl::string_view::npos ? header.size() : end + 2);
  header.remove_prefix(field.size());
  return field;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string message(std::istreambuf_iterator<char>(std::cin), {});
  const size_t end = message.find("\r\n\r\n");
  if (end == std::string::npos) return 2;
  absl::string_view header = absl::string_view(message).substr(0, end + 2);
  while (!header.empty())
    std::cout << mailstead::mailauth::CanonicalField(TakeField(header), FormOf(argv[1]));
  std::cout << "\r\n";
  mailstead::mailauth::BodyCanonicalizer body(FormOf(argv[2]));
  const auto write = [](absl::string_view bytes) {
    std::cout.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  body.Feed(absl::string_view(message).substr(end + 4), write);
  body.Finish(write);
  return 0;
}
