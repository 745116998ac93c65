// Reports on TLS to other domains (RFC 8460): what relays have seen is added up here, and given to one of them when it is time to
// send it. By mail the store sends it itself, through the queue.
//
// Counts are about right, not exact: a relay that is killed takes with it what it has not told yet, and what it tells twice
// counts twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "common/mailauth/tls_report.h"
#include "stored/core/intake.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

struct TlsReportOptions {
  // Who sends reports, and an address that answers for them, which they come from. Empty contact: there are none.
  std::string organization;
  std::string contact;
  // What one report is about (RFC 8460 section 4.1: a day).
  absl::Duration period = absl::Hours(24);
};

// Used on the executor's thread.
class TlsReports {
 public:
  // All but the last two outlive it. `host_name`: our own.
  TlsReports(engine::TlsReportEngine& engine, const IntakeContext& intake, const Clock& clock, std::string host_name,
             TlsReportOptions options)
      : engine_(engine),
        intake_(intake),
        clock_(clock),
        host_name_(std::move(host_name)),
        options_(std::move(options)) {}

  bool wanted() const { return !options_.contact.empty(); }

  // Of mail to one domain.
  struct Sessions {
    std::string domain;
    std::vector<engine::TlsSessions> sessions;
  };
  // Nothing, where none are wanted.
  Task<absl::Status> Count(std::vector<Sessions> counts);

  struct Due {
    engine::TlsReportKey key;
    int64_t lease = 0;
    // Gzipped JSON.
    std::string content;
  };
  Task<absl::StatusOr<std::vector<Due>>> Lease(size_t limit);

  // Puts mail with the report into the queue, unless `mail_to` is empty, and ends the report. Mail that nobody can get is
  // passed over. A repeat sends no second one. Errors: those of engine::TlsReportEngine::Finish, and temporary ones.
  Task<absl::Status> Finish(engine::TlsReportKey key, int64_t lease, std::vector<std::string> mail_to);

 private:
  mailauth::TlsReport ReportOf(engine::TlsReport kept) const;
  Task<absl::Status> Mail(const mailauth::TlsReport& report, std::vector<std::string> mail_to);

  engine::TlsReportEngine& engine_;
  const IntakeContext& intake_;
  const Clock& clock_;
  const std::string host_name_;
  const TlsReportOptions options_;
};

}  // namespace mailstead::stored
