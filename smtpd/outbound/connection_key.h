// What two connections to other hosts must have in common for mail of the one to go over the other. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "smtpd/outbound/tls_policy.h"

namespace mailstead::smtp::outbound {

// SECURITY: a connection that is used again was protected as its first user asked, and logged in as its first user.
// Every field is one by which two users could differ: a false match would send mail in the clear that must not be, or
// as somebody else.
struct ConnectionKey {
  // Of the host, as text, and the port.
  std::string address;
  uint16_t port = 0;
  // Our own address; empty: the system's choice.
  std::string source;
  // What we call ourselves in EHLO.
  std::string helo_name;
  TlsPolicy tls;
  // As whom we log in; empty: not at all.
  std::string identity;
  // The mail must be passed on under REQUIRETLS (RFC 8689).
  bool require_tls = false;

  bool operator==(const ConnectionKey&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const ConnectionKey& key) {
    return H::combine(std::move(hash), key.address, key.port, key.source, key.helo_name, key.tls,
                      key.identity, key.require_tls);
  }
};

// The key under which TLS session tickets of the host are kept. SECURITY: a session that is resumed shows no
// certificate: one that began without a check of names must never be resumed where names are checked, nor for other
// names, nor one that began by other TLSA records than there are now.
inline std::string TicketKey(const ConnectionKey& key) {
  std::string text =
      absl::StrCat(key.address, " ", key.port, " ", LevelName(key.tls.level), " ", SourceName(key.tls.source),
                   " ", key.tls.server_name, " ", absl::StrJoin(key.tls.names, ","));
  for (const dns::Tlsa& record : key.tls.tlsa) {
    // The length keeps two records apart from one that has the other in its data.
    absl::StrAppend(&text, " ", int{record.usage}, " ", int{record.selector}, " ", int{record.matching_type},
                    " ", record.data.size(), " ", record.data);
  }
  return text;
}

}  // namespace mailstead::smtp::outbound
