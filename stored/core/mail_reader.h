// Reads stored messages as programs for mail do (common/mail/mime): their fields, parts and texts. What takes long runs on
// threads of its own, in bounded pieces; what is held by all that read at a time is counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/byte_budget.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "common/charset/iconv_charsets.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/message.h"
#include "stored/core/offload.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// The text of a part, as UTF-8.
struct PartText {
  std::string text;
  // There is more of it.
  bool truncated = false;
};

class MailReader {
 public:
  // `budget_bytes`: what is held for all answers at a time.
  MailReader(size_t threads, Executor& executor, size_t budget_bytes);

  const mime::Charsets& charsets() const { return charsets_; }

  // Room for an answer: ResourceExhausted with kReasonBusy.
  absl::StatusOr<ByteHold> Hold(size_t bytes);

  enum class Extent {
    // Of the message its fields and where the body of its first part begins are known, and nothing else.
    kHeader,
    kWhole,
  };
  // DataLoss, and the other errors of MessageReader::Read; Busy(). `reader` outlives the Task.
  Task<absl::StatusOr<mime::Message>> Parse(engine::MessageReader& reader, Extent extent);

  // The texts of the parts, by their index: of text parts that hold no others, in their order, and at most `limit_bytes` in
  // all. Both references outlive the Task.
  Task<absl::StatusOr<std::vector<PartText>>> ReadTexts(engine::MessageReader& reader,
                                                        const mime::Message& message, size_t limit_bytes);

  // What `work` gives, which looks at so many bytes: here when they are few, else on a thread of its own.
  template <typename Work>
  Task<absl::StatusOr<std::invoke_result_t<Work&>>> Run(size_t bytes, Work work) {
    if (bytes <= kFewBytes) co_return work();
    co_return co_await Offload(pool_, executor_, std::move(work));
  }

 private:
  // As fast to read as to give to another thread.
  static constexpr size_t kFewBytes = 16 << 10;

  Executor& executor_;
  WorkerPool pool_;
  ByteBudget budget_;
  const IconvCharsets foreign_;
  const mime::Charsets charsets_{&foreign_};
};

}  // namespace mailstead::stored
