// Lines on their way to a file descriptor, written by a thread of their own: nobody who logs waits for who reads. The
// descriptor stays as it is, since others may share it: who sets O_NONBLOCK sets it for a whole terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace mailstead::obs {

// What waits while nobody reads: about a thousand lines. Beyond it lines are dropped, and counted.
inline constexpr size_t kMaxWaitingLogBytes = size_t{256} << 10;
// Lines that come together go together: after a write the thread rests so long, so that those that follow need not wake it. A
// line that comes later goes at once.
inline constexpr absl::Duration kLogGatherTime = absl::Milliseconds(5);

// Thread-safe. It lives to the end of the process: threads may log until then.
class LineWriter {
 public:
  // Gives the line that tells of so many dropped lines, without its end.
  using Tell = std::function<std::string(int64_t count)>;

  LineWriter(int descriptor, size_t max_waiting_bytes, Tell tell);
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // `line` is without its end. Never waits for the descriptor.
  void Write(absl::string_view line);
  // Waits until all has gone that was given before; but no longer than `patience` while nothing goes. False: something
  // is left.
  bool Flush(absl::Duration patience);
  // How many lines were dropped because too much waited, or could not be written.
  int64_t dropped_count() const;

 private:
  // What goes next.
  struct Batch {
    std::string bytes;
    // Without the line that tells of dropped ones.
    size_t own_bytes = 0;
    // Of how many dropped lines it tells, with its last one.
    int64_t told = 0;
  };

  void Run();
  // Waits until there is something to write; before that, while others may gather, when it `wrote` just now.
  Batch Take(bool wrote);
  // What is left of the bytes when no more can be written.
  size_t WriteAll(const Batch& batch);

  const int descriptor_;
  const size_t max_waiting_bytes_;
  const Tell tell_;

  mutable absl::Mutex mutex_;
  // Signalled when there is something to write and the thread is idle, and when somebody flushes.
  absl::CondVar more_;
  // Signalled when something has gone.
  absl::CondVar gone_;
  std::string waiting_ ABSL_GUARDED_BY(mutex_);
  // Set while the thread waits for something to write.
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;
  // Who flushes: for them lines do not gather.
  int flushing_ ABSL_GUARDED_BY(mutex_) = 0;
  // Bytes of all lines that were taken to be written, and of those that have gone or were given up.
  int64_t given_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t gone_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t dropped_count_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the dropped lines, those that a line has told of.
  int64_t told_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mailstead::obs
