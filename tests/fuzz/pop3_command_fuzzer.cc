#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/text/base64.h"
#include "common/text/utf8.h"
#include "pop3d/protocol/command.h"
#include "pop3d/protocol/login_name.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

void CheckWords(absl::string_view argument) {
  const std::optional<pop3::Words> words = pop3::SplitWords(argument);
  if (!words.has_value()) return;
  CHECK(words->count >= 0 && words->count <= 2);
  std::string joined;
  for (int i = 0; i < words->count; ++i) {
    CHECK(!words->word[i].empty() && words->word[i].find(' ') == absl::string_view::npos);
    absl::StrAppend(&joined, words->word[i]);
    if (const std::optional<uint64_t> number = pop3::ParseNumber(words->word[i]); number.has_value()) {
      CHECK(words->word[i].find_first_not_of("0123456789") == absl::string_view::npos);
      CHECK(pop3::ParseNumber(absl::StrCat(*number)) == number);
    }
  }
  std::string without_spaces;
  for (const char c : argument) {
    if (c != ' ') without_spaces.push_back(c);
  }
  CHECK(joined == without_spaces);
}

// What decodes encodes to the same again: there is one form only.
void CheckBase64(absl::string_view text) {
  const std::optional<std::string> bytes = DecodeBase64(text);
  if (bytes.has_value()) CHECK(absl::Base64Escape(*bytes) == text);
}

// A name is a part of the message; only SCRAM's is written in another way, and never longer.
void CheckLoginName(absl::string_view message) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    CHECK(pop3::LoginName(mechanism, std::string(message)).size() <= message.size());
  }
}

}  // namespace

void Run(absl::string_view input) {
  CheckLoginName(input);
  CheckWords(input);
  CheckBase64(input);
  const std::optional<pop3::Command> command = pop3::ParseCommand(input);
  if (!command.has_value()) return;
  CHECK(command->keyword.size() >= 3 && command->keyword.size() <= 16);
  for (const char c : command->keyword) CHECK((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
  for (const char c : input) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
  CHECK(command->has_argument || command->argument.empty());
  CHECK(input.size() == command->keyword.size() + (command->has_argument ? 1 : 0) + command->argument.size());
  CheckWords(command->argument);
  CheckBase64(command->argument);
}

}  // namespace mailstead::fuzz
