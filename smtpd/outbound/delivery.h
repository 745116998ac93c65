// One attempt: a message for some recipients at one destination, from the hosts that take its mail to what is reported.
//
// Which host's word counts:
//   - The hosts are tried in their order, each at its addresses in their order, at most kMaxAddressesPerAttempt, and at most
//     kMaxTransactions of them as far as a transaction.
//   - A recipient that one host has taken, or refused in a transaction, is done with: 2yz delivered, 5yz failed, 4yz deferred.
//     What a host could not be offered (8BITMIME, SMTPUTF8, SIZE, REQUIRETLS) another one may take.
//   - A host that cannot be reached, closes, or refuses the connection itself is passed over. A 5yz to its greeting or EHLO
//     fails the mail only when no host said anything better (RFC 5321 section 3.1 lets a 554 greeting be about one host).
//   - When a connection is lost behind the end of the message it is not known whether the host has taken it: no other host
//     gets it now, and it is deferred. That is the one way in which a message is sent twice.
//   - A connection that had rested may have been closed meanwhile: the mail goes over a fresh one, at once.
//   - Where TLS is wanted and not required, and breaks, the same address is tried once more in the clear. That a host took
//     mail then is reported, so that the next attempts need not find it out. One that wants TLS after all (530, RFC 3207
//     section 4) defers the mail: its TLS may work later, and then that is reported.
//   - Where the sender asks for REQUIRETLS, and TLS is not there or breaks, the host is one that cannot be offered the mail.
//   - A host that does not come up to what DANE or MTA-STS asks of it, or of which that is not known now (tls_decision.h), is
//     passed over; when that is all there is, the mail is deferred until its lifetime is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/store/relay_api.h"
#include "smtpd/outbound/client_session.h"
#include "smtpd/outbound/connection_key.h"
#include "smtpd/outbound/content.h"
#include "smtpd/outbound/outcome.h"
#include "smtpd/outbound/tls_decision.h"
#include "smtpd/outbound/tls_session.h"

namespace mailstead::smtp::outbound {

inline constexpr int kMaxTransactions = 2;

// The octets of a message, which can be had more than once.
class Body {
 public:
  virtual ~Body() = default;
  virtual const Content& content() const = 0;
  // From the beginning.
  virtual asio::awaitable<absl::Status> Rewind() = 0;
  // Not empty; empty: the end.
  virtual asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) = 0;
};

// A connection to a host that is ready for a transaction.
class Host {
 public:
  virtual ~Host() = default;
  virtual asio::awaitable<TransactionOutcome> Send(Transaction transaction, Body& body) = 0;
  // Why it takes no further one.
  virtual const ConnectionOutcome& connection() const = 0;
  virtual const Protection& protection() const = 0;
};

// Connects, or finds a connection with this key that is there.
class Hosts {
 public:
  virtual ~Hosts() = default;
  enum class Age { kAny, kFresh };
  // The connection, or why there is none.
  struct Found {
    std::unique_ptr<Host> host;
    ConnectionOutcome outcome;
    // It was made for this.
    bool fresh = false;
    // Where there is a host, or a handshake was tried.
    Protection protection;
  };
  virtual asio::awaitable<Found> Connect(const ConnectionKey& key, const std::string& password, Age age) = 0;
  // For others, when it is usable still.
  virtual void GiveBack(const ConnectionKey& key, std::unique_ptr<Host> host) = 0;
};

// One address to try.
struct Way {
  // What it is called: for people.
  std::string host;
  // Whose policy is the key's; without a policy nothing is sent there, and the key is not looked at.
  TlsDecision decision;
  ConnectionKey key;
  std::string password;
};

// What an attempt is given, beside its ways. Everything outlives the Task.
struct Delivery {
  const store::QueueAttempt& attempt;
  // In the order in which they are tried.
  std::vector<Way> ways;
  // Hosts that may take the mail could not be found out now: nothing is failed for want of another one.
  bool some_unresolved = false;
  Body& body;
  Hosts& hosts;
};

struct DeliveryResult {
  store::QueueReport report;
  // Of the last connection that came to a transaction: its host, and how it was protected. Empty: none did.
  std::string host;
  Protection protection;
  // Of each connection that was made for it, or was not.
  std::vector<TlsSession> tls_sessions;
};

// The report of an attempt that has ways. Never an error: what goes wrong is in the outcomes.
asio::awaitable<DeliveryResult> Deliver(Delivery delivery);

// The report of one that has none. `status` as of RFC 3463, of class 4 or 5.
store::QueueReport ReportWithoutWay(const store::QueueAttempt& attempt, std::string status, std::string text,
                                    store::QueueReport::Sign sign);

}  // namespace mailstead::smtp::outbound
