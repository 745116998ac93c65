// MTA-STS policies that relays share (mailstead.frontend.v1.StsService), in plain C++ types. Role relay. Errors are those of
// StoreApi.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/store/store_api.h"

namespace mailstead::store {

// What is known of a domain, as of when it was asked for (proto: StsPolicyState).
struct StsState {
  // Both empty: there is no policy that holds.
  std::string policy_id;
  std::string policy;
  absl::Duration valid_for;
  absl::Duration fresh_for;
  // Zero: it may be fetched.
  absl::Duration retry_after;
};

// Thread-safe.
class StsStore {
 public:
  virtual ~StsStore() = default;
  virtual asio::awaitable<absl::StatusOr<StsState>> Get(std::string domain, CallContext context) = 0;
  // Without policy_id and policy: it could not be fetched.
  virtual asio::awaitable<absl::StatusOr<StsState>> Keep(std::string domain, std::string policy_id,
                                                         std::string policy, CallContext context) = 0;
};

class StsApi final : public StsStore {
 public:
  // `store` outlives it.
  explicit StsApi(StoreApi& store) : store_(store) {}

  asio::awaitable<absl::StatusOr<StsState>> Get(std::string domain, CallContext context) override;
  asio::awaitable<absl::StatusOr<StsState>> Keep(std::string domain, std::string policy_id,
                                                 std::string policy, CallContext context) override;

 private:
  StoreApi& store_;
};

}  // namespace mailstead::store
