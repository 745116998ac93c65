// Which fields of a message DKIM signs, and their canonical form, found out as the message comes by. Pure; bounded; any split
// of the bytes gives the same.
//
// Signed are the fields that readers of mail see or act on (RFC 6376 section 5.4.1). Those that a message may have once are
// named once more than they are there, so that nobody can add one: what readers then showed would not be what was signed
// (section 8.15). Not so those that mailing lists and who sends on put in front. Fields of one name are signed from the bottom
// up (section 5.4.2).
//
//   SignedHeaderReader reader;
//   body = reader.Feed(bytes);            behind the header: what of the bytes is body
//   SignedHeader header = reader.Finish();
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::mailauth {

// Fields of one name that have more bytes, as they came, or of which there are more, are not signed, nor is any other of that
// name: a thousand recipients have 60 KB. With this of each name a header stays below what one call to the store carries.
inline constexpr size_t kMaxSignedFieldBytes = 64 << 10;
inline constexpr size_t kMaxSignedCopies = 10;

struct SignedHeader {
  // h=, in its order: "from" first, in lower case.
  std::vector<std::string> names;
  // What is hashed of them, in the same order, each in the relaxed form with its CRLF; fields that are not there are not here.
  std::string canonical;
  // How many From fields there are: a message with none, or with several, is signed by nobody.
  size_t from_count = 0;
  // Whether From is too large to be signed.
  bool from_too_large = false;
};

class SignedHeaderReader {
 public:
  // Bytes of the message, in order. Gives what of them is behind the empty line that ends the header.
  absl::string_view Feed(absl::string_view bytes);
  // The message has ended. Once.
  SignedHeader Finish();

  static constexpr size_t kNameCount = 29;

 private:
  struct Fields {
    // Canonical, from the top down.
    std::vector<std::string> canonical;
    size_t bytes = 0;
    size_t count = 0;
    bool too_large = false;
  };

  // A line is whole.
  void EndLine();
  void EndField();

  std::array<Fields, kNameCount> fields_;
  // The line that is coming, and the field that ends when the next line begins one: both as they came, as far as they are
  // kept.
  std::string line_;
  bool line_cut_ = false;
  std::string field_;
  bool field_cut_ = false;
  bool ended_ = false;
};

}  // namespace mailstead::mailauth
