// SASL by GNU SASL: SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616) and LOGIN.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "common/base/worker_pool.h"
#include "smtpd/outbound/sasl_client.h"

namespace mailstead::smtp::outbound {

// What a host may make us compute for one login: RFC 7677 section 4 asks for 4096 at least, and half a second of a core
// is more than any server uses for itself.
inline constexpr uint64_t kMaxScramIterations = 1'000'000;

class GsaslClient : public SaslClient {
 public:
  // Steps run on `pool`, which outlives this: SCRAM hashes the password thousands of times. The secret is wiped when
  // the last step is done and this is gone.
  GsaslClient(std::string user, std::string password, WorkerPool& pool);
  ~GsaslClient() override;
  GsaslClient(const GsaslClient&) = delete;
  GsaslClient& operator=(const GsaslClient&) = delete;

  // InvalidArgument: not one of the three, or the host's words are wrong, or not those of somebody who knows the
  // password; ResourceExhausted: the pool is full; DeadlineExceeded.
  asio::awaitable<absl::StatusOr<std::optional<std::string>>> Begin(std::string mechanism) override;
  asio::awaitable<absl::StatusOr<std::string>> Respond(std::string challenge) override;
  bool complete() const override;

 private:
  struct Exchange;
  WorkerPool& pool_;
  // Shared with the step on the pool, which may outlive the connection.
  std::shared_ptr<Exchange> exchange_;
};

}  // namespace mailstead::smtp::outbound
