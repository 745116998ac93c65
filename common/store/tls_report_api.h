// Reports on TLS to other domains, for a relay (mailstead.frontend.v1.TlsReportService), in plain C++ types. Role relay. Errors
// are those of StoreApi.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/store/store_api.h"

namespace mailstead::store {

// Sessions of one kind (proto: TlsSessions). ASCII, within the bounds that are told there.
struct TlsSessions {
  std::string policy_type;
  std::string policy_domain;
  std::vector<std::string> policy_strings;
  std::string mx_host;
  std::string address;
  std::string result_type;
  std::string reason_code;
  int64_t count = 0;

  // All but the count.
  bool IsLike(const TlsSessions& other) const;
};

// Of mail to one domain.
struct DomainTlsSessions {
  std::string domain;
  std::vector<TlsSessions> sessions;
};

// A report that is to be sent.
struct DueTlsReport {
  std::string domain;
  absl::Time start_time;
  int64_t lease = 0;
  // For https URIs.
  std::string content;
};

// Thread-safe.
class TlsReportApi {
 public:
  // `store` outlives it.
  explicit TlsReportApi(StoreApi& store) : store_(store) {}

  // At most kMaxCountedTlsDomains. Gives whether the store wants any.
  asio::awaitable<absl::StatusOr<bool>> Count(std::vector<DomainTlsSessions> counts, CallContext context);
  // At most `limit`, up to kMaxLeasedTlsReports.
  asio::awaitable<absl::StatusOr<std::vector<DueTlsReport>>> Lease(int limit, CallContext context);
  // The store sends it to these addresses as well.
  asio::awaitable<absl::Status> Finish(DueTlsReport report, std::vector<std::string> mail_to, CallContext context);

 private:
  StoreApi& store_;
};

}  // namespace mailstead::store
