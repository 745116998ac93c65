// Fields of the form  value; name=value; name=value : Content-Type and Content-Disposition (RFC 2045 section 5.1,
// RFC 2183), with what RFC 2231 makes of parameters. Pure; never fails.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/defect.h"

namespace mailstead::mime {

struct Parameter {
  // In small letters, without the asterisks of RFC 2231.
  std::string name;
  // Decoded, as UTF-8 in one line.
  std::string value;
};

struct ContentField {
  // In small letters.
  std::string value;
  // Each name once, in the order in which they came first.
  std::vector<Parameter> parameters;
  // The parameter of that name as it is written, without its quotes: a delimiter is compared with it byte by byte.
  std::string boundary;
  DefectSet defects;

  // Empty when there is none.
  absl::string_view Find(absl::string_view name) const;
};

// Comments are left out. A value without quotes goes to the next semicolon, as in  name=my file.pdf .
ContentField ParseContentField(absl::string_view field_value, const Charsets& charsets);

// Whether it is  type/subtype , each a token (RFC 2045 section 5.1).
bool IsMediaType(absl::string_view text);

}  // namespace mailstead::mime
