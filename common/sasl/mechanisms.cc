#include "common/sasl/mechanisms.h"

#include <algorithm>
#include <iterator>

namespace mailstead::sasl {

std::vector<std::string> DefaultMechanisms() {
  return {std::string(kScramSha256), std::string(kPlain), std::string(kLogin)};
}

absl::Status CheckMechanism(const std::string& name) {
  constexpr absl::string_view kNames[] = {kPlain, kLogin, kScramSha256, kScramSha256Plus};
  if (std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames)) return absl::OkStatus();
  return absl::InvalidArgumentError("must be a list of SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN and LOGIN");
}

bool IsOffered(const std::vector<std::string>& enabled, absl::string_view mechanism, bool channel_binding) {
  if (mechanism == kScramSha256Plus && !channel_binding) return false;
  return std::find(enabled.begin(), enabled.end(), mechanism) != enabled.end();
}

}  // namespace mailstead::sasl
