#include "stored/api/backup.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "stored/api/convert/admin.h"
#include "stored/api/convert/backup.h"
#include "stored/core/paging.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

constexpr absl::Duration kProgressPeriod = absl::Seconds(1);
constexpr absl::string_view kListing = "backups";

// What the engine says, in words of those who run the program.
absl::Status Explain(const absl::Status& status) {
  if (ReasonOf(status) == kReasonNoBackupDir) {
    return WithReason(
        absl::FailedPreconditionError("stored makes no backups: it was started without --backup_dir"),
        kReasonNoBackupDir);
  }
  // Nobody has cancelled the call: the engine ends.
  if (absl::IsCancelled(status)) return absl::UnavailableError("the store is being stopped");
  return status;
}

size_t SizeOf(const engine::Backup& backup) {
  size_t size = sizeof(backup) + backup.name.size() + backup.incarnation.size();
  for (const std::string& file : backup.secret_files) size += sizeof(file) + file.size();
  return size;
}

// One step after another until the last. Stops between two of them when the caller has gone.
template <typename Response>
Task<absl::Status> DoSteps(Environment& environment, rpc::Call& call, const std::string& name,
                           std::unique_ptr<engine::BackupWork> work, rpc::Writer<Response>& events) {
  absl::Time next_progress = environment.core.clock.Now() + kProgressPeriod;
  while (true) {
    CO_RETURN_IF_ERROR(call.StillWanted());
    const absl::StatusOr<engine::BackupStep> step = co_await work->Step();
    if (!step.ok()) co_return Explain(step.status());
    for (const engine::VerifyStep::Damage& damage : step->damaged) {
      obs::LogError("message_damaged", {{"backup", name},
                                        {"mailbox", damage.account.value},
                                        {"message", damage.message.value},
                                        {"error", damage.error.ToString()}});
      Response response;
      ToProto(damage, *response.mutable_damage());
      CO_RETURN_IF_ERROR(co_await events.Write(response));
    }
    if (step->done.has_value()) {
      Response last;
      ToProto(*step->done, *last.mutable_backup());
      co_return co_await events.WriteLast(last);
    }
    if (environment.core.clock.Now() < next_progress) continue;
    next_progress = environment.core.clock.Now() + kProgressPeriod;
    Response response;
    ToProto(*step, *response.mutable_progress());
    CO_RETURN_IF_ERROR(co_await events.Write(response));
  }
}

// How the making or verifying of a backup has ended.
void LogEnd(absl::string_view event, const rpc::Call& call, const std::string& name, absl::Duration took,
            const absl::Status& status) {
  if (status.ok()) {
    obs::LogInfo(event, {{"backup", name}, {"duration_ms", obs::Milliseconds(took)}});
  } else {
    obs::LogWarning("backup_failed",
                    {{"backup", name}, {"caller", call.caller().name}, {"error", status.ToString()}});
  }
}

}  // namespace

Task<absl::Status> CreateBackup(Environment& environment, rpc::Call& call,
                                const v1::CreateBackupRequest& request,
                                rpc::Writer<v1::CreateBackupResponse>& events) {
  call.SetTarget(absl::StrCat("backup ", request.name()));
  engine::NewBackup backup{request.name(), environment.secret_files};
  absl::StatusOr<std::unique_ptr<engine::BackupWork>> work =
      co_await environment.core.engine.backups().Create(std::move(backup));
  if (!work.ok()) co_return Explain(work.status());
  const absl::Status status = co_await DoSteps(environment, call, request.name(), *std::move(work), events);
  LogEnd("backup_made", call, request.name(), environment.core.clock.Now() - call.began(), status);
  co_return status;
}

Task<absl::Status> ListBackups(Environment& environment, rpc::Call&, const v1::ListBackupsRequest& request,
                               v1::ListBackupsResponse& response) {
  CO_ASSIGN_OR_RETURN(PageStart start, ReadPage(kListing, request.page_size(), request.page_token()));
  const auto list = [&environment](std::string behind, size_t limit) {
    return environment.core.engine.backups().List(std::move(behind), limit);
  };
  const auto key = [](const engine::Backup& backup) { return backup.name; };
  const absl::StatusOr<Gathered<engine::Backup>> page =
      co_await Gather<engine::Backup>(start.after, start.size, list, key, SizeOf);
  if (!page.ok()) co_return Explain(page.status());
  if (page->more) response.set_next_page_token(MakePageToken(kListing, page->items.back().name));
  for (const engine::Backup& backup : page->items) ToProto(backup, *response.add_backups());
  co_return absl::OkStatus();
}

Task<absl::Status> VerifyBackup(Environment& environment, rpc::Call& call,
                                const v1::VerifyBackupRequest& request,
                                rpc::Writer<v1::VerifyBackupResponse>& events) {
  absl::StatusOr<std::unique_ptr<engine::BackupWork>> work =
      co_await environment.core.engine.backups().Verify(request.name());
  if (!work.ok()) co_return Explain(work.status());
  const absl::Status status = co_await DoSteps(environment, call, request.name(), *std::move(work), events);
  LogEnd("backup_verified", call, request.name(), environment.core.clock.Now() - call.began(), status);
  co_return status;
}

Task<absl::Status> DeleteBackup(Environment& environment, rpc::Call& call,
                                const v1::DeleteBackupRequest& request, v1::DeleteBackupResponse&) {
  call.SetTarget(absl::StrCat("backup ", request.name()));
  co_return Explain(co_await environment.core.engine.backups().Delete(request.name()));
}

}  // namespace mailstead::stored
