// The store's engine, cut at domain verbs, not at key/value, so that an embedded and an SQL engine keep their
// strengths.
//
// Every verb is atomic: it happens whole or not at all, and not at all when it reports an error. A verb that
// changes something is durable (synced) when it reports OK, except where it says otherwise. Verbs that many
// sessions call at once take a callback, so that an engine can put all waiting calls into one commit; the
// callback runs on a thread of the engine, exactly once, and must not block. All others block: call them from
// a worker pool. Thread-safe.
//
// Errors of all verbs: ResourceExhausted with kReasonDiskFull (nothing was changed; temporary), Unavailable
// (the engine cannot write or read now), DataLoss (stored bytes are damaged). tests/conformance holds for
// every engine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "stored/engine/types.h"

namespace mailstead::store {

template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>) &&>;
using DoneStatus = absl::AnyInvocable<void(absl::Status) &&>;

// The content of a message on its way in. Bytes go to the engine as they come; memory stays bounded by one
// chunk. Used by one thread at a time. Destroyed without AppendDelivery: the bytes are swept.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // Not synced: the commit that names the body syncs all of it.
  virtual absl::Status Append(absl::string_view bytes) = 0;
  virtual uint64_t size_bytes() const = 0;
};

// A message on its way out: a stable view, even when the message is deleted meanwhile.
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  // Prefix and content.
  virtual uint64_t size_bytes() const = 0;
  virtual const std::string& delivery_id() const = 0;
  // Up to `max_bytes` from `offset` (in one piece at most 64 KiB); shorter only at the end, empty at the end.
  // DataLoss when bytes are missing or damaged.
  virtual absl::StatusOr<std::string> Read(uint64_t offset, size_t max_bytes) = 0;
};

struct AccountChange {
  std::string address;
  // Null pointers mean: leave as it is.
  const bool* disabled = nullptr;
  const uint64_t* quota_bytes = nullptr;
  const uint64_t* quota_messages = nullptr;
  // The engine sets its version to the old one's successor.
  const Credential* credential = nullptr;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // --- Directory. Addresses and names are keys in the form that common/text/address.h calls normalized.

  // AlreadyExists.
  virtual absl::Status CreateDomain(const Domain& domain) = 0;
  // NotFound.
  virtual absl::StatusOr<Domain> GetDomain(absl::string_view name) = 0;
  // Sorted by name, those after `after`, at most `limit`.
  virtual absl::StatusOr<std::vector<Domain>> ListDomains(absl::string_view after, size_t limit) = 0;
  virtual absl::Status UpdateDomain(const Domain& domain) = 0;
  // FailedPrecondition while it has accounts or aliases.
  virtual absl::Status DeleteDomain(absl::string_view name) = 0;

  // One commit; a result for each: NotFound (its domain), AlreadyExists (an account or alias has the
  // address). The mailbox id is chosen by the engine; `account.mailbox` is not read.
  virtual std::vector<absl::StatusOr<Account>> CreateAccounts(const std::vector<Account>& accounts) = 0;
  virtual absl::StatusOr<Account> GetAccount(absl::string_view address) = 0;
  virtual absl::StatusOr<Account> GetAccountByMailbox(MailboxId mailbox) = 0;
  // Sorted by (domain, local part), those after the address `after`; only of `domain` unless it is empty.
  virtual absl::StatusOr<std::vector<Account>> ListAccounts(absl::string_view domain, absl::string_view after,
                                                            size_t limit) = 0;
  virtual absl::StatusOr<Account> UpdateAccount(const AccountChange& change) = 0;
  // Deletes the messages too. Aborted with kReasonMaildropInUse while its maildrop is locked.
  virtual absl::Status DeleteAccount(absl::string_view address) = 0;

  virtual absl::Status CreateAlias(const Alias& alias) = 0;
  virtual absl::StatusOr<Alias> GetAlias(absl::string_view address) = 0;
  virtual absl::StatusOr<std::vector<Alias>> ListAliases(absl::string_view domain, absl::string_view after,
                                                         size_t limit) = 0;
  virtual absl::Status UpdateAlias(const Alias& alias) = 0;
  virtual absl::Status DeleteAlias(absl::string_view address) = 0;

  // Grows with every change of the directory, before the change is reported: what was read since it had its
  // present value is still true. 0: not known, nothing may be concluded. Never blocks.
  virtual uint64_t DirectoryVersion() const = 0;

  // --- Delivery

  virtual absl::StatusOr<std::unique_ptr<BodyWriter>> NewBody() = 0;
  // One message into all its mailboxes, stored once. A delivery_id seen before gives its receipt,
  // already_stored. `sha256` is that of the whole content. Content is what `body` holds. NotFound: a mailbox
  // is gone. ResourceExhausted with kReasonOverQuota: a mailbox had reached its quota before.
  virtual void AppendDelivery(Delivery delivery, std::unique_ptr<BodyWriter> body, std::string sha256,
                              Done<Receipt> done) = 0;
  // The same for content that is in memory already (small messages): no bytes are staged.
  virtual void AppendDelivery(Delivery delivery, std::string content, std::string sha256,
                              Done<Receipt> done) = 0;

  // --- Leases and maildrops

  // Makes or prolongs. Making it is kept over a restart of the engine, as are the locks; not synced: after a
  // power cut a lock may be forgotten, and its token is then refused. After a restart every lease has its
  // whole ttl again.
  virtual absl::Status RenewLease(absl::string_view lease_id, absl::string_view holder,
                                  absl::Duration ttl) = 0;
  virtual absl::Status EndLease(absl::string_view lease_id) = 0;

  // FailedPrecondition with kReasonNoLease; Aborted with kReasonMaildropInUse, kReasonLoginDelay; NotFound
  // (mailbox). The lock is kept over a restart of the engine; not synced (see RenewLease). A lock whose lease
  // has ended or is overdue is taken over with a greater token.
  virtual void OpenMaildrop(MailboxId mailbox, absl::string_view lease_id, absl::Duration min_interval,
                            Done<Maildrop> done) = 0;
  // Deletes all of `deletions` or none, and unlocks. Unknown ids are passed over. OK again for a token that
  // has committed before. Aborted with kReasonFenced when the token is not the maildrop's last one or has
  // been released. A lock whose lease is overdue but which nobody took over still commits.
  virtual void CommitMaildrop(MailboxId mailbox, LeaseToken token, std::vector<MessageId> deletions,
                              DoneStatus done) = 0;
  // Not synced. OK when the token holds nothing any more.
  virtual void ReleaseMaildrop(MailboxId mailbox, LeaseToken token, DoneStatus done) = 0;

  // --- Reading

  virtual absl::StatusOr<MailboxUsage> GetUsage(MailboxId mailbox) = 0;
  // Oldest first, those after `after`.
  virtual absl::StatusOr<std::vector<MessageSummary>> ListMessages(MailboxId mailbox, MessageId after,
                                                                   size_t limit) = 0;
  virtual absl::StatusOr<std::unique_ptr<MessageReader>> OpenMessage(MailboxId mailbox,
                                                                     MessageId message) = 0;
  // How many existed. Aborted with kReasonMaildropInUse.
  virtual absl::StatusOr<uint64_t> DeleteMessages(MailboxId mailbox,
                                                  const std::vector<MessageId>& messages) = 0;

  // --- Operation

  // OK when writes succeed. Else why not; the engine tries to recover by itself.
  virtual absl::Status Health() = 0;
  virtual absl::StatusOr<EngineStatus> Status() = 0;
  // Reads and compares with the SHA-256; calls `damaged` for each that differs. Only `mailbox` unless its
  // value is 0.
  virtual absl::StatusOr<uint64_t> Verify(
      MailboxId mailbox, absl::FunctionRef<void(MailboxId, MessageId, const absl::Status&)> damaged) = 0;
  // Forgets receipts older than `receipt_age`. Called now and then.
  virtual absl::Status Sweep(absl::Duration receipt_age) = 0;
};

}  // namespace mailstead::store
