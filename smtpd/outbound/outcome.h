// What became of mail that was to go to another host. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/mailauth/tls_result.h"

namespace mailstead::smtp::outbound {

// How far a connection was. In the order in which they come.
enum class Stage : uint8_t {
  kConnect,
  kGreeting,
  kEhlo,
  kStartTls,
  kHandshake,
  kAuth,
  kIdle,
  kMail,
  kRcpt,
  // DATA's 354.
  kData,
  // The message's octets, and the chunks (RFC 3030) before the last.
  kBody,
  // From the end of the message, its dot or its last chunk, to the reply to it.
  kFinalDot,
  kReset,
  kQuit,
};
// "connect", "greeting", ...
absl::string_view StageName(Stage stage);

struct RecipientOutcome {
  // SECURITY: only the host's own words are proof. Everything else, silence and nonsense too, means: not yet.
  enum class Kind : uint8_t {
    // 2yz to the end of the message.
    kDelivered,
    // 5yz, or something in the message or its envelope that this host cannot take.
    kFailed,
    kDeferred,
  };
  Kind kind = Kind::kDeferred;
  // The host's reply; 0: these are our own words.
  int code = 0;
  // "5.1.1"; empty: the host gave none. Always set with our own words.
  std::string enhanced;
  // Safe to show; at most kMaxPeerTextBytes.
  std::string text;
  Stage stage = Stage::kConnect;

  bool operator==(const RecipientOutcome&) const = default;
};

struct TransactionOutcome {
  // In the order of the envelope.
  std::vector<RecipientOutcome> recipients;
  // The end of the message was sent, and what the host made of it is not known: the accepted recipients are kDeferred,
  // and a further attempt may deliver to them twice.
  bool unknown = false;
  // The host offers DSN (RFC 3461): notices of success are its to make.
  bool dsn_passed_on = false;

  bool operator==(const TransactionOutcome&) const = default;
};

struct ConnectionOutcome {
  enum class Kind : uint8_t {
    // A transaction may follow.
    kUsable,
    // The host said no, to the connection or to our login: 4yz or 5yz. Also: we did not log in where it would not be
    // safe.
    kRefused,
    // TLS was needed and not offered or refused, or it failed between STARTTLS and the reply to the EHLO after it.
    // Where the policy is kMay, a new connection in the clear may do better.
    kTlsBroken,
    // 421: the host closes.
    kClosing,
    // Lost, silent for too long, or saying what cannot be understood.
    kBroken,
    // We said QUIT.
    kEnded,
  };
  Kind kind = Kind::kUsable;
  // Where it was when it was over.
  Stage stage = Stage::kConnect;
  // As in RecipientOutcome.
  int code = 0;
  std::string enhanced;
  std::string text;
  // With kTlsBroken: what it is called in a report (RFC 8460 section 4.3).
  std::optional<mailauth::TlsFailure> tls_failure;

  bool usable() const { return kind == Kind::kUsable; }
  bool operator==(const ConnectionOutcome&) const = default;
};

// How a connection is protected, as its handshake has it.
struct Protection {
  // "TLSv1.3", "TLS_AES_256_GCM_SHA384"; empty: it is in the clear.
  std::string version;
  std::string cipher;
  // The certificate was good by TlsPolicy::names, or by TlsPolicy::tlsa; now, or when the session that was resumed began.
  bool verified = false;
  // By which TLSA record: "3 1 1". Empty: by none, or in a session that was resumed.
  std::string tlsa;
  // Where it was looked at and did not matter: what is wrong with the certificate.
  std::optional<mailauth::TlsFailure> flaw;
  bool resumed = false;

  bool encrypted() const { return !version.empty(); }
  bool operator==(const Protection&) const = default;
};

// What a connection that never came to a transaction means for the mail that was to go over it. A 5yz to the greeting
// or to EHLO is kFailed (RFC 5321 section 3.1, RFC 7504): whoever has further hosts to try tries them before believing
// it. One to AUTH is about us, not about the mail: kDeferred, as all else.
RecipientOutcome OutcomeWithoutTransaction(const ConnectionOutcome& connection);

}  // namespace mailstead::smtp::outbound
