// Makes DKIM-Signature fields: for mail that was made here, whose author's domain is one here with a key that is active. The
// front-end that sends it has hashed the body and gathered the header (common/mailauth); what is signed names the author
// himself, so that the store need not believe anybody whose mail it is.
//
// A domain whose key cannot be opened sends nothing: its mail waits. Unsigned it would be refused for good, or taken for a
// forgery, where the domain's policy wants signatures; and who waits loses nothing once the operator has mended it.
//
// Signing takes a millisecond of CPU, so that it is done on a pool, and once for a message however many attempts ask for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/task.h"
#include "common/base/worker_pool.h"
#include "common/mailauth/signing_key.h"
#include "stored/core/dkim_keys.h"
#include "stored/core/lru_map.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// What is to be signed (proto: SignMessageRequest).
struct SigningRequest {
  QueueId message;
  int32_t recipient_number = 0;
  std::vector<std::string> names;
  std::string canonical_header;
  std::string body_sha256;
};

// Used on the executor's thread.
class DkimSigner {
 public:
  DkimSigner(DkimKeys& keys, engine::DkimEngine& engine, engine::DirectoryEngine& directory,
             engine::QueueEngine& queue, const Clock& clock, WorkerPool& pool, Executor& executor);
  void SetObserver(DkimObserver* observer) { observer_ = observer; }

  // Whether a message of this lane (stored/rules/lane.h) is to be signed: it was made here, and some domain has a key.
  Task<absl::StatusOr<bool>> IsWanted(std::string lane);
  // The fields, each with its CRLF; empty: the author's domain signs nothing. FieldError; PermissionDenied with
  // kReasonNotInFlight; what DkimKeys::Open says; ResourceExhausted with kReasonBusy.
  Task<absl::StatusOr<std::string>> Sign(SigningRequest request);

 private:
  // The active keys of a domain.
  struct Opened {
    std::vector<engine::DkimKey> records;
    std::vector<mailauth::SigningKey> keys;
    // Why they cannot be used.
    absl::Status error;
  };
  struct Remembered {
    // As of this version of the directory.
    int64_t version = 0;
    std::shared_ptr<const Opened> opened;
  };
  struct Made {
    // With these keys: others that are active since make it worth nothing.
    std::shared_ptr<const Opened> by;
    std::string fields;
  };
  // Whose key signs.
  struct Signing {
    std::string domain;
    std::shared_ptr<const Opened> by;
  };

  Task<absl::StatusOr<std::string>> SignChecked(SigningRequest request);
  // The lane of the message.
  Task<absl::StatusOr<std::string>> CheckInFlight(QueueId message, int32_t recipient_number);
  Task<absl::StatusOr<std::shared_ptr<const Opened>>> ActiveKeys(std::string domain);
  // No keys: the author's domain has none.
  Task<absl::StatusOr<Signing>> Choose(std::vector<std::string> author_domains, bool with_parents);
  Task<absl::StatusOr<std::string>> MakeOnce(SigningRequest request, Signing signing);
  void Tell(DkimObserver::Outcome outcome);

  DkimKeys& keys_;
  engine::DkimEngine& engine_;
  engine::DirectoryEngine& directory_;
  engine::QueueEngine& queue_;
  const Clock& clock_;
  WorkerPool& pool_;
  Executor& executor_;
  DkimObserver* observer_ = nullptr;
  // By domain.
  LruMap<Remembered> opened_;
  // By what is signed.
  LruMap<Made> made_;
  // What is being made, and who waits for it.
  absl::flat_hash_map<std::string, std::vector<Arrival<bool>*>> under_way_;
  // Whether any domain has a key, as of this version of the directory.
  bool any_key_ = false;
  int64_t any_key_version_ = 0;
};

}  // namespace mailstead::stored
