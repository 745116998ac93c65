#include "smtpd/outbound/tls_policy.h"

#include <tuple>

namespace mailstead::smtp::outbound {

absl::string_view LevelName(TlsPolicy::Level level) {
  switch (level) {
    case TlsPolicy::Level::kNone:
      return "none";
    case TlsPolicy::Level::kMay:
      return "may";
    case TlsPolicy::Level::kRequire:
      return "require";
    case TlsPolicy::Level::kVerify:
      return "verify";
    case TlsPolicy::Level::kDane:
      return "dane";
  }
  return "";
}

absl::string_view SourceName(TlsPolicy::Source source) {
  switch (source) {
    case TlsPolicy::Source::kOpportunistic:
      return "opportunistic";
    case TlsPolicy::Source::kRoute:
      return "route";
    case TlsPolicy::Source::kRequireTls:
      return "requiretls";
    case TlsPolicy::Source::kSts:
      return "sts";
    case TlsPolicy::Source::kDaneUnusable:
      return "dane_unusable";
    case TlsPolicy::Source::kDane:
      return "dane";
  }
  return "";
}

bool TlsaLess(const dns::Tlsa& a, const dns::Tlsa& b) {
  return std::tie(a.usage, a.selector, a.matching_type, a.data) <
         std::tie(b.usage, b.selector, b.matching_type, b.data);
}

}  // namespace mailstead::smtp::outbound
