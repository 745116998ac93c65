// The bytes of a message, looked into without making an object of it: what the store sends may be as large as a mail.
#pragma once

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

// Gives each field that has bytes, a text or a message: its number and these. False: `message` is none.
bool ForEachBytesField(absl::string_view message, absl::FunctionRef<void(int, absl::string_view)> each);

}  // namespace mailstead::web
