// One message's way in: from the client's bytes through the pipeline to the store's word, with every deadline
// of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "common/base/clock.h"
#include "common/mail/envelope.h"
#include "common/mail/trace.h"
#include "common/store/store_api.h"
#include "smtpd/inbound/input.h"
#include "smtpd/inbound/pipeline/message_intake.h"
#include "smtpd/limits.h"
#include "smtpd/session/action.h"

namespace mailstead::smtp {

class Metrics;

// How long a message may take: as a whole, however little by little it comes, and until its next bytes.
class MessageDeadline {
 public:
  // The message begins now. Both outlive it; only differences of `steady` mean something.
  MessageDeadline(const Limits& limits, const Clock& steady)
      : limits_(limits), steady_(steady), began_(steady.Now()) {}

  absl::Time began() const { return began_; }
  // How long its next bytes may be waited for.
  absl::Duration NextWait() const;

 private:
  const Limits& limits_;
  const Clock& steady_;
  const absl::Time began_;
};

// Reads so many octets and forgets them: a chunk that was refused.
asio::awaitable<absl::Status> SwallowChunk(Input& input, uint64_t size_bytes, MessageDeadline deadline);

class Reception {
 public:
  // What it works with; the references outlive it.
  struct Options {
    const Limits& limits;
    const Clock& steady;
    store::StoreApi& store;
    Metrics& metrics;
    // Of the client, in text.
    std::string client_address;
    // For a message that is one call; a greater one has the time of its client for its pieces besides, and
    // one try.
    store::CallContext call;
    // As in MessageIntake::Options.
    bool submitted = false;
    // Who is logged in, where From and Sender must be addresses that the account may send with; else empty.
    std::string from_account;
  };
  // `envelope` has its delivery id.
  Reception(Options options, Envelope envelope, TraceInfo trace);

  // Where a message stands after a Receive coroutine.
  struct Outcome {
    enum class Kind {
      kChunkTaken,  // the message goes on with the next chunk
      kStored,      // it is on disk
      kRefused,     // for its `defect`
      kNotStored,   // `status` is the store's word
      kCutShort     // `status` says why the client's bytes ended; nothing is stored
    };
    Kind kind = Kind::kChunkTaken;
    MessageDefect defect = MessageDefect::kNone;
    // With kLongLine: its number.
    uint64_t line = 0;
    absl::Status status;
    // With kStored: from the beginning of the message, and from its end, to the store's word.
    absl::Duration total;
    absl::Duration store_wait;
  };
  // Takes the message up to its dot. `input` outlives the call.
  asio::awaitable<Outcome> ReceiveData(Input& input);
  // Takes a chunk of it. A message that has a defect ends with the chunk in which it shows.
  asio::awaitable<Outcome> ReceiveChunk(Input& input, uint64_t size_bytes, bool last);

  const Envelope& envelope() const { return envelope_; }
  // The size of the content so far.
  uint64_t size_bytes() const { return intake_.size_bytes(); }

 private:
  // Hands a full piece to the store, or drops what a defect made unwanted.
  asio::awaitable<void> PassOn();
  // A piece that is not the last. A failure is kept for the end: the client's bytes must be read to it first.
  asio::awaitable<void> Upload(std::string piece);
  asio::awaitable<Outcome> Finish();
  // Whether the account may say that the message is from those that it names.
  asio::awaitable<absl::StatusOr<MessageDefect>> CheckOriginators();
  // Gives what is left to the store. OK: the message is on disk.
  asio::awaitable<absl::Status> Deliver();
  void NoteUpload(const absl::Status& status);

  const Options options_;
  const Envelope envelope_;
  const MessageDeadline deadline_;
  MessageIntake intake_;
  // Set by the first piece of a message too big for one call. Destroying it before its end leaves nothing at
  // the store.
  std::unique_ptr<store::Upload> upload_;
  // Why the store took no more of it.
  absl::Status upload_failure_;
};

}  // namespace mailstead::smtp
