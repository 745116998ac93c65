// The one place that decides how a connection to another host is protected. Pure.
//
// Who is asked, and in which order (docs/sending.md, "TLS", has the same for people):
//   1. DANE (RFC 7672): what DNSSEC proves of the host. TLSA records that can be used decide alone, and MTA-STS is not looked
//      at (RFC 8461 section 2). Such that cannot be used mean TLS without authentication, unless one of the next asks for
//      more. Where it is not known whether there are records, the host is passed over: that is what somebody does who wants
//      the mail in the clear.
//   2. MTA-STS (RFC 8461): what the recipients' domain says. A policy in "testing" changes nothing; it is only told of.
//   3. The sender's REQUIRETLS (RFC 8689): DANE and MTA-STS are enough for it; else the certificate is checked.
//   4. A route's wish: it adds to what 2 and 3 ask for, and takes nothing from it.
//   5. TLS where the host offers it. Only this is weakened by a memory of TLS that broke.
// A report on TLS goes by 3 to 5 alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/dns/message.h"
#include "common/mailauth/tls_result.h"
#include "smtpd/outbound/tls_policy.h"

namespace mailstead::smtp::outbound {

// What DANE says of one host at one port. Those who do not tell these apart send mail in the clear, or send none.
struct DaneAnswer {
  enum class Kind : uint8_t {
    // It was not asked: DANE is off, the host is known by its address only, or DNSSEC does not prove the domain's hosts or
    // the host's address (RFC 7672 section 2.2).
    kNotAsked,
    // There are no records that DNSSEC proves: none at all, or in a zone that is not signed.
    kMissing,
    // There are records, one at least of which we can use.
    kUsable,
    // There are records, all of which we cannot use (RFC 7671 section 2.1, RFC 7672 section 3.1.3): not one is for the
    // usages DANE-EE and DANE-TA, with a selector and a matching type that we know, and whole.
    kUnusable,
    // The resolver says that it cannot answer: what it found is not validly signed, or the zone's servers do not answer it.
    kBogus,
    // The resolver does not answer.
    kUnreachable,
    // There are more records, or longer ones, than we take.
    kTooLarge,
  };
  Kind kind = Kind::kNotAsked;
  // Whose records they are: the TLSA base domain (RFC 7672 section 2.2.3), an A-label. With kBogus, kUnreachable and
  // kTooLarge: whose could not be had.
  std::string base_domain;
  // With kBogus and kUnreachable: what the resolver said ("servfail"); for people.
  std::string why;
  // With kUsable: by which a certificate under a DANE-TA record may name the host (RFC 7672 section 3.2.2), the TLSA base
  // domain first.
  std::vector<std::string> names;
  // With kUsable: those that can be used, in the order of TlsaLess.
  std::vector<dns::Tlsa> records;
};

// What MTA-STS says of one host, as a host for the recipients' domain.
struct StsAnswer {
  enum class Mode : uint8_t {
    // No policy is known, or one with the mode "none".
    kNone,
    kTesting,
    kEnforce,
  };
  Mode mode = Mode::kNone;
  // One of the policy's patterns is for the host's name (RFC 8461 section 4.1).
  bool host_matches = false;
  // Of the TXT record (RFC 8461 section 3.1); for people.
  std::string policy_id;
  // The lines of the policy, for reports.
  std::vector<std::string> policy_lines;
  // With kNone: the domain has a policy, and it could not be had, nor is an older one kept. Mail goes as without it
  // (RFC 8461 section 5.1), and the domain is told.
  std::optional<mailauth::TlsFailure> fetch_failure;
};

struct TlsQuestion {
  // As the MX record or the route has it: an A-label, or an address without brackets.
  std::string host;
  bool host_is_address = false;
  uint16_t port = 25;
  // The route's; absent: there is none. kNone, kMay, kRequire or kVerify.
  std::optional<TlsPolicy::Level> route;
  // The route's host speaks TLS from the first byte.
  bool implicit = false;
  // The sender asks for REQUIRETLS.
  bool require_tls = false;
  // TLS has broken with the domain's hosts lately, and mail was taken in the clear.
  bool tls_broken = false;
  // The mail is a report on TLS, which is above all for those whose TLS is broken: neither DANE nor MTA-STS is held to
  // (RFC 8460 section 3).
  bool is_tls_report = false;
  DaneAnswer dane;
  StsAnswer sts;
};

// What a TLS-RPT report is told of the connection, for one policy (RFC 8460 section 4.2).
struct TlsReported {
  mailauth::TlsPolicyType type = mailauth::TlsPolicyType::kNoPolicyFound;
  // Set: this is what came of it, whatever comes of the connection. Else the connection's handshake says it.
  std::optional<mailauth::TlsFailure> failure;
  // Which of several reasons it was: "mx-mismatch" (section 4.4, "failure-reason-code").
  std::string reason;
  // Of TLSA records: their TLSA base domain. Else empty: it is the recipients' domain.
  std::string policy_domain;
  // Section 4.4, "policy-string"; empty: there is none.
  std::vector<std::string> policy_strings;

  bool operator==(const TlsReported&) const = default;
};

struct TlsDecision {
  // Absent: this host gets nothing now. Another one may, or this one later.
  std::optional<TlsPolicy> policy;
  // Without a policy: why, for the sender. With one: what to do about a host that does not come up to it; empty where nobody
  // has asked for anything. ASCII.
  std::string text;
  // At least one, each of another type.
  std::vector<TlsReported> reported;
};

TlsDecision DecideTls(const TlsQuestion& question);

// As zone files have it; data that is longer than a digest is left out: "3 1 1 0123...".
std::string TlsaText(const dns::Tlsa& record);

// RFC 3463: of mail that waits because of a TlsDecision without a policy (7.5, cryptographic failure; temporary).
inline constexpr char kPassedOverStatus[] = "4.7.5";

}  // namespace mailstead::smtp::outbound
