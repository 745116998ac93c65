// What a host offers in its reply to EHLO (RFC 5321 section 4.1.1.1). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "smtpd/protocol/reply_parser.h"

namespace mailstead::smtp {

struct Extensions {
  bool pipelining = false;             // RFC 2920
  bool eight_bit_mime = false;         // RFC 6152
  bool smtputf8 = false;               // RFC 6531
  bool chunking = false;               // RFC 3030
  bool dsn = false;                    // RFC 3461
  bool enhanced_status_codes = false;  // RFC 2034
  bool starttls = false;               // RFC 3207
  bool require_tls = false;            // RFC 8689
  bool size = false;                   // RFC 1870
  // The largest message, in octets; 0: no limit was told.
  uint64_t max_size_bytes = 0;
  // AUTH (RFC 4954): at most kMaxPeerMechanisms, in upper case. "AUTH=LOGIN" of old servers is read too.
  std::vector<std::string> auth_mechanisms;

  bool OffersMechanism(absl::string_view mechanism) const;
};

// `reply` is one of 2yz to EHLO. Its first line is the host's name and greeting. Keywords are read in any case; unknown
// ones, and known ones with parameters that do not fit, are overlooked.
Extensions ParseExtensions(const PeerReply& reply);

}  // namespace mailstead::smtp
