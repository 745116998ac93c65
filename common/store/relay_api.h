// The queue, for a front-end that brings mail to other hosts (mailstead.frontend.v1.RelayService), in plain C++ types. Role
// relay. Errors are those of StoreApi.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/mail/envelope.h"
#include "common/store/ids.h"
#include "common/store/store_api.h"

namespace mailstead::store {

// A way that an operator has chosen (proto: Route).
struct Route {
  enum class Tls : uint8_t { kMay, kNone, kRequire, kVerify };
  struct Host {
    std::string host;
    uint16_t port = 25;
  };
  // In the order in which they are tried. Empty: as the DNS says.
  std::vector<Host> hosts;
  Tls tls = Tls::kMay;
  // Empty: no AUTH.
  std::string user;
  std::string password;
  std::string source_address;
  std::string ehlo_name;
};

// Recipients of one message at one destination, for one transaction.
struct QueueAttempt {
  QueueId message;
  // Names it.
  int64_t grant = 0;
  std::string destination;
  // The destination's hosts did not answer last time.
  bool probe = false;
  // TLS broke with them lately: where nothing asks for it, it is not tried.
  bool tls_broken = false;
  // With these recipients.
  Envelope envelope;
  // One for each of them.
  std::vector<int32_t> recipient_numbers;
  int64_t size_bytes = 0;
  absl::Time queue_time;
  absl::Time expire_time;
  // Before this one.
  int32_t attempt_count = 0;
  std::optional<Route> route;
  // What is sent; empty: it is to be fetched.
  std::string content;
  // It is signed before it is sent (Sign).
  bool to_be_signed = false;
};

struct QueueOutcome {
  enum class Kind : uint8_t { kDelivered, kFailed, kDeferred };
  // Of QueueAttempt::recipient_numbers.
  int32_t number = 0;
  Kind kind = Kind::kDeferred;
  // 0: there was no reply.
  int32_t code = 0;
  // RFC 3463.
  std::string status;
  // At most kMaxReplyTextBytes of UTF-8 without control characters.
  std::string text;
  std::string host;
  // Deferred: as the host asked; zero: by the schedule.
  absl::Duration retry_after;
  // Delivered: the host tells of the delivery.
  bool dsn_relayed = false;
};

struct QueueReport {
  enum class Sign : uint8_t { kNone, kAnswered, kUnreachable };
  // kUsed: mail went under it, or is not taken without it. kBroken: it broke, and mail was taken in the clear.
  enum class Tls : uint8_t { kNone, kUsed, kBroken };
  QueueId message;
  int64_t grant = 0;
  std::vector<QueueOutcome> outcomes;
  Sign sign = Sign::kNone;
  // The hosts that take the destination's mail, by a name of at most kMaxSiteBytes that is the same for all destinations with
  // these; empty: they could not be found out, or with kNone: were not looked for.
  std::string site;
  Tls tls = Tls::kNone;
};

// Names a key of DKIM that is not seen in the DNS yet.
struct PendingKey {
  std::string domain;
  std::string selector;
  // Of its TXT record.
  std::string record_name;
};

// What stands in the DNS for a key.
struct KeyRecords {
  std::string domain;
  std::string selector;
  // The DNS did not answer.
  bool failed = false;
  // At most kMaxKeyRecords, of at most kMaxKeyRecordBytes.
  std::vector<std::string> records;
};
inline constexpr size_t kMaxKeyRecords = 10;
inline constexpr size_t kMaxKeyRecordBytes = 16'384;

// What of a message is to be signed (proto: SignMessageRequest).
struct SigningRequest {
  QueueId message;
  // Of one of the attempt's recipients.
  int32_t recipient_number = 0;
  std::vector<std::string> names;
  std::string canonical_header;
  std::string body_sha256;
};

// Thread-safe.
class RelayApi {
 public:
  // `store` outlives it.
  explicit RelayApi(StoreApi& store) : store_(store) {}

  // Waits up to `wait` for the first; `context.timeout` is beyond that.
  asio::awaitable<absl::StatusOr<std::vector<QueueAttempt>>> LeaseAttempts(std::string lease_id, int limit,
                                                                           absl::Duration wait, CallContext context);
  // What is sent of a message, whole: at most kWholeMessageBytes.
  asio::awaitable<absl::StatusOr<std::string>> FetchWhole(QueueId message, CallContext context);
  // Piece by piece; `context.timeout` is for the whole message. Destroyed early: cancelled.
  class Body {
   public:
    virtual ~Body() = default;
    // Not empty, at most 64 KiB; empty: the end.
    virtual asio::awaitable<absl::StatusOr<std::string>> Read() = 0;
  };
  std::unique_ptr<Body> Fetch(QueueId message, CallContext context);
  // At most kMaxReportedAttempts; whether each is kept, in their order. A repeat changes nothing, so the call is tried again
  // for `context.patience`.
  asio::awaitable<absl::StatusOr<std::vector<absl::Status>>> Report(std::vector<QueueReport> reports,
                                                                    CallContext context);

  // DKIM-Signature fields for the front of a message; empty: it is to go without. Tried again for `context.patience`.
  asio::awaitable<absl::StatusOr<std::string>> Sign(SigningRequest request, CallContext context);
  // Those that it is time to look for.
  asio::awaitable<absl::StatusOr<std::vector<PendingKey>>> ListPendingKeys(CallContext context);
  asio::awaitable<absl::Status> ReportKeyRecords(std::vector<KeyRecords> seen, CallContext context);

 private:
  StoreApi& store_;
};

}  // namespace mailstead::store
