#include "pop3d/protocol/login_name.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace mailstead::pop3 {
namespace {

// message = [authzid] NUL authcid NUL passwd
std::string NameInPlain(absl::string_view message) {
  const std::vector<absl::string_view> parts = absl::StrSplit(message, '\0');
  return parts.size() == 3 ? std::string(parts[1]) : std::string();
}

// client-first-message = gs2-cbind-flag "," [authzid] "," ["m=" ... ","] "n=" saslname "," "r=" ...
std::string NameInScram(absl::string_view message) {
  const std::vector<absl::string_view> parts = absl::StrSplit(message, absl::MaxSplits(',', 3));
  if (parts.size() < 3 || !absl::StartsWith(parts[2], "n=")) return "";
  return absl::StrReplaceAll(parts[2].substr(2), {{"=2C", ","}, {"=3D", "="}});
}

}  // namespace

std::string LoginName(absl::string_view mechanism, const std::optional<std::string>& initial_response) {
  if (!initial_response.has_value()) return "";
  if (mechanism == "PLAIN") return NameInPlain(*initial_response);
  if (mechanism == "LOGIN") return *initial_response;
  return NameInScram(*initial_response);
}

}  // namespace mailstead::pop3
