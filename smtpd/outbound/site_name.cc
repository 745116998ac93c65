#include "smtpd/outbound/site_name.h"

#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/store/limits.h"

namespace mailstead::smtp::outbound {
namespace {

// Of the digest, in hex.
constexpr size_t kDigestBytes = 16;

std::string Digest(const std::string& names) {
  unsigned char sum[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(names.data()), names.size(), sum);
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(sum), kDigestBytes));
}

// What is not, by a host's name or an address, is written by its digest alone.
bool IsPlain(const std::string& host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '@' && c != '#' && c != ',';
  });
}

}  // namespace

std::string SiteName(std::vector<std::string> hosts) {
  for (std::string& host : hosts) absl::AsciiStrToLower(&host);
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  const std::string names = absl::StrJoin(hosts, ",");
  const bool plain = std::all_of(hosts.begin(), hosts.end(), IsPlain);
  if (plain && names.size() <= store::kMaxSiteBytes) return names;
  const std::string digest = absl::StrCat("#", Digest(absl::StrJoin(hosts, "\n")));
  if (!plain) return digest;
  const size_t room = store::kMaxSiteBytes - digest.size() - 1;
  // Up to the last whole name that fits.
  const size_t end = names.rfind(',', room);
  return end == std::string::npos ? digest : absl::StrCat(names.substr(0, end), ",", digest);
}

}  // namespace mailstead::smtp::outbound
