// A message as the MIME parser tells of it: what is where, and what it is. Values; the octets stay where they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "common/mail/mime/content_field.h"
#include "common/mail/mime/defect.h"
#include "common/mail/mime/transfer_decoder.h"

namespace mailstead::mime {

// A field of the message's own header. DecodeText, ParseAddressList, ParseDate and ParseMessageIds read its value.
struct Field {
  // As it is written, without the blanks that may stand in front of the colon (RFC 5322 section 4.5).
  std::string name;
  // What stands behind the colon, as it came: with its folding, without the line end. Of a field that is longer than
  // kMaxHeaderFieldBytes its beginning.
  std::string value;
  // Where the field begins in the message, and where its last line has ended.
  uint64_t begin = 0;
  uint64_t end = 0;

  bool Is(absl::string_view other_name) const { return absl::EqualsIgnoreCase(name, other_name); }
};

inline constexpr size_t kNoParent = static_cast<size_t>(-1);

struct Part {
  // "1" is the message itself; the parts of a multipart, and the one message of a message/rfc822, have the id of that
  // part, a dot, and their number from 1 on: "1.2".
  std::string id;
  // Index of the part that holds this one; kNoParent of the first.
  size_t parent = kNoParent;
  // In small letters: "text/plain".
  std::string media_type;
  std::vector<Parameter> parameters;
  // In small letters: "attachment". Empty when there is none.
  std::string disposition;
  // From Content-Disposition, or else the parameter "name" of Content-Type. As the sender wrote it: it may hold a path,
  // or the name of a device.
  std::string file_name;
  // Without angle brackets.
  std::string content_id;
  std::string description;
  Encoding encoding = Encoding::k7Bit;
  // Where its header begins, where its body begins (behind the empty line), and where that ends, in the message.
  // The line end in front of a delimiter is the delimiter's (RFC 2046 section 5.1.1).
  uint64_t header_begin = 0;
  uint64_t body_begin = 0;
  uint64_t end = 0;
  // Of the body without its transfer encoding. Of a part that holds others it is the body as it is.
  uint64_t decoded_bytes = 0;
  // Set when its body is told as parts, be it none.
  bool has_parts = false;
  DefectSet defects;

  uint64_t encoded_bytes() const { return end - body_begin; }
  bool is_text() const { return absl::StartsWith(media_type, "text/"); }
  // The value of the parameter, or an empty one.
  absl::string_view Find(absl::string_view parameter) const;
};

// Whether people see it as a file that came with the message: its disposition says so, or it has a file name and is no
// image with a Content-ID, as texts show them in their midst. No multipart is one.
bool IsAttachment(const Part& part);

struct Message {
  std::vector<Field> fields;
  // Never empty; a part comes in front of those that it holds, and these in their order.
  std::vector<Part> parts;

  // Null when there is none.
  const Field* FindField(absl::string_view name) const;
  const Part* FindPart(absl::string_view id) const;
};

}  // namespace mailstead::mime
