// Tells of the messages whose files are named, one line of JSON each: what the MIME parser makes of them.
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_replace.h"
#include "tests/support/mime_json.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::stringstream message;
    message << std::ifstream(argv[i], std::ios::binary).rdbuf();
    const std::string json = mailstead::MimeJson(message.str(), {.with_bytes = true});
    std::cout << absl::StrReplaceAll(json, {{"\n", ""}}) << "\n";
  }
}
