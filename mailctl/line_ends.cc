#include "mailctl/line_ends.h"

#include "absl/strings/str_cat.h"

namespace mailstead::ctl {

absl::Status LineEnds::BareCr() const {
  return absl::InvalidArgumentError(absl::StrCat("line ", line_, " of the message has a CR without LF"));
}

absl::Status LineEnds::Convert(absl::string_view bytes, std::string* out) {
  out->reserve(out->size() + bytes.size() + bytes.size() / 32);
  for (const char byte : bytes) {
    if (after_cr_ && byte != '\n') return BareCr();
    if (byte == '\0')
      return absl::InvalidArgumentError(absl::StrCat("line ", line_, " of the message has a NUL"));
    if (byte == '\r') {
      // Written with its LF.
      after_cr_ = true;
      continue;
    }
    if (byte == '\n') {
      out->append("\r\n");
      after_cr_ = false;
      ++line_;
      continue;
    }
    out->push_back(byte);
  }
  return absl::OkStatus();
}

absl::Status LineEnds::Finish() { return after_cr_ ? BareCr() : absl::OkStatus(); }

}  // namespace mailstead::ctl
