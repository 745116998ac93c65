#include "common/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/obs/log.h"

namespace mailstead::rpc {
namespace {

struct LastError {
  absl::Mutex mutex;
  std::string cause ABSL_GUARDED_BY(mutex);
};

LastError& TheLastError() {
  // Never destroyed: gRPC's threads may log until the very end.
  static LastError& last = *new LastError;
  return last;
}

// The path is the one of gRPC's build.
absl::string_view BaseName(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

void LogLine(gpr_log_func_args* args) {
  const bool is_error = args->severity == GPR_LOG_SEVERITY_ERROR;
  if (is_error) {
    LastError& last = TheLastError();
    absl::MutexLock lock(&last.mutex);
    last.cause = std::string(CauseIn(args->message));
  }
  // Not at level error: gRPC says it of what it goes on without, and whoever called says what failed for
  // good.
  const obs::LogLevel level = is_error ? obs::LogLevel::kWarning : obs::LogLevel::kDebug;
  if (!obs::LogEnabled(level)) return;
  obs::Log(level, "grpc",
           {{"source", absl::StrCat(BaseName(args->file), ":", args->line)}, {"message", args->message}});
}

}  // namespace

void TakeGrpcLog() { gpr_set_log_function(&LogLine); }

absl::string_view CauseIn(absl::string_view message) {
  // Errors are nested, each "UNKNOWN:<text> {<details, among them the errors that led to it>}": the last one
  // is the innermost.
  constexpr absl::string_view kMark = "UNKNOWN:";
  const size_t mark = message.rfind(kMark);
  if (mark == absl::string_view::npos) return "";
  const absl::string_view text = message.substr(mark + kMark.size());
  return text.substr(0, text.find(" {"));
}

std::string LastGrpcCause() {
  LastError& last = TheLastError();
  absl::MutexLock lock(&last.mutex);
  return last.cause;
}

}  // namespace mailstead::rpc
