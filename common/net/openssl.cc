#include "common/net/openssl.h"

#include "absl/strings/str_cat.h"

namespace mailstead::net {

std::string TakeOpenSslError() {
  // The first error is the cause; later ones say which callers passed it on.
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (const char* reason = ERR_reason_error_string(code); reason != nullptr) return reason;
  return absl::StrCat("error ", absl::Hex(code));
}

}  // namespace mailstead::net
