#include "common/obs/line_writer.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace mailstead::obs {

LineWriter::LineWriter(int descriptor, size_t max_waiting_bytes, Tell tell)
    : descriptor_(descriptor), max_waiting_bytes_(max_waiting_bytes), tell_(std::move(tell)) {
  // Signals are for the threads that wait for them.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread([this] { Run(); }).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LineWriter::Write(absl::string_view line) {
  absl::MutexLock lock(&mutex_);
  if (waiting_.size() + line.size() + 1 > max_waiting_bytes_) {
    ++dropped_count_;
    return;
  }
  absl::StrAppend(&waiting_, line, "\n");
  given_bytes_ += static_cast<int64_t>(line.size()) + 1;
  if (std::exchange(idle_, false)) more_.Signal();
}

bool LineWriter::Flush(absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  const int64_t end = given_bytes_;
  absl::Time until = absl::Now() + patience;
  ++flushing_;
  more_.Signal();
  while (gone_bytes_ < end) {
    const int64_t before = gone_bytes_;
    const bool late = gone_.WaitWithDeadline(&mutex_, until);
    if (gone_bytes_ > before) {
      until = absl::Now() + patience;
    } else if (late) {
      break;
    }
  }
  --flushing_;
  return gone_bytes_ >= end;
}

int64_t LineWriter::dropped_count() const {
  absl::MutexLock lock(&mutex_);
  return dropped_count_;
}

void LineWriter::Run() {
  bool wrote = false;
  while (true) {
    const Batch batch = Take(wrote);
    wrote = true;
    const size_t left = WriteAll(batch);
    if (left == 0) continue;
    // A broken pipe, a full disk: the next line tries again.
    const auto first = batch.bytes.end() - static_cast<std::ptrdiff_t>(left);
    const int64_t lines = std::count(first, batch.bytes.end(), '\n');
    absl::MutexLock lock(&mutex_);
    dropped_count_ += batch.told > 0 ? lines - 1 : lines;
    told_count_ -= batch.told;
  }
}

LineWriter::Batch LineWriter::Take(bool wrote) {
  absl::MutexLock lock(&mutex_);
  if (wrote && flushing_ == 0) more_.WaitWithTimeout(&mutex_, kLogGatherTime);
  while (waiting_.empty()) {
    idle_ = true;
    more_.Wait(&mutex_);
  }
  idle_ = false;
  Batch batch;
  batch.bytes.swap(waiting_);
  batch.own_bytes = batch.bytes.size();
  batch.told = dropped_count_ - told_count_;
  told_count_ = dropped_count_;
  // Behind the lines that were there before those that were dropped.
  if (batch.told > 0) absl::StrAppend(&batch.bytes, tell_(batch.told), "\n");
  return batch;
}

size_t LineWriter::WriteAll(const Batch& batch) {
  size_t written = 0;
  size_t counted = 0;
  while (counted < batch.own_bytes || written < batch.bytes.size()) {
    const ssize_t size = write(descriptor_, batch.bytes.data() + written, batch.bytes.size() - written);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      // Another process has made it so.
      pollfd wait{descriptor_, POLLOUT, 0};
      poll(&wait, 1, -1);
      continue;
    }
    const bool failed = size < 0;
    if (!failed) written += static_cast<size_t>(size);
    // What cannot be written is given up, and not waited for.
    const size_t gone = failed ? batch.own_bytes : std::min(written, batch.own_bytes);
    absl::MutexLock lock(&mutex_);
    gone_bytes_ += static_cast<int64_t>(gone - counted);
    counted = gone;
    gone_.SignalAll();
    if (failed) return batch.bytes.size() - written;
  }
  return 0;
}

}  // namespace mailstead::obs
