// What a person calls a field of a request: the store's errors name fields of its API, which nobody has typed.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace mailstead::ctl {

// For "envelope.recipients[1].address" the address that is there; for an empty text, a number or a list the words of the
// path ("domain name", "alias targets"), a quota's as its option has it ("quota_bytes"); for what is in a Password
// "password", never the value. A path that `request` does not have stays as it is.
std::string WordsForField(const google::protobuf::Message& request, absl::string_view field);

// The store's answer to `request` with these words in front instead of the field. Code, reason and field stay.
absl::Status InTypedWords(const absl::Status& status, const google::protobuf::Message& request);

// The same code, reason and field with another text.
absl::Status Reworded(const absl::Status& status, absl::string_view message);

}  // namespace mailstead::ctl
