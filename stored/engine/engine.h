// The store's engine, cut at domain verbs, not at key/value, so that an embedded engine and an SQL engine keep their
// strengths. tests/conformance holds for every engine; stored/engine/memory is the reference.
//
// Every verb is atomic: it happens whole or not at all, and not at all when it reports an error. A verb that changes
// something is durable (synced) when it reports OK, except where it says otherwise.
//
// What a verb does while all other changes wait for it has a bound that does not depend on how much a mailbox, or the
// store, holds: what is more is done before it, unseen, or afterwards, in steps with other changes in between.
//
// Concurrency: every verb is a Task and never blocks the thread that awaits it. The engine owns the threads or
// connections that its work needs, and puts what waits at one moment into one commit. A Task that had to wait goes on, on
// the Executor that the engine was opened with, those of one commit together. Verbs may be called from any thread. What
// a verb is given stays with the caller only where it is taken by value.
//
// Errors of all verbs: ResourceExhausted with kReasonDiskFull (nothing was changed; temporary), or because too much waits
// already; Unavailable (the engine cannot write or read now, or is being closed); DataLoss (stored bytes are damaged).
//
// Rules that do not depend on how something is kept (locks, leases, quotas, receipts, references) are pure functions in
// stored/rules: an engine reads records, asks them, and writes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/task.h"
#include "stored/engine/dkim.h"
#include "stored/engine/search.h"
#include "stored/engine/sts.h"
#include "stored/engine/tls_report.h"
#include "stored/engine/types.h"

namespace mailstead::engine {

// Addresses and names are keys in the form that common/mail/address.h calls normalized.
//
// All updates and deletions: NotFound; Aborted with kReasonEtagMismatch when the expected version is another one.
class DirectoryEngine {
 public:
  virtual ~DirectoryEngine() = default;

  // All that the addresses find, in their order, in one round trip: "user@domain" finds the domain and what has exactly
  // this address; "@domain" the domain and its catch-all. May be stale by a second at most where several processes share
  // a database; never stale after a change that this process made.
  virtual Task<absl::StatusOr<std::vector<Place>>> LookUp(std::vector<std::string> addresses) = 0;
  // NotFound. Not stale.
  virtual Task<absl::StatusOr<Account>> FindAccount(AccountId id) = 0;

  // Sorted by name, those after `after`, at most `limit`.
  virtual Task<absl::StatusOr<std::vector<Domain>>> ListDomains(std::string after, size_t limit) = 0;
  // Sorted by (domain, local part), those after the address `after`; only of `domain` unless it is empty.
  virtual Task<absl::StatusOr<std::vector<Account>>> ListAccounts(std::string domain, std::string after,
                                                                  size_t limit) = 0;
  virtual Task<absl::StatusOr<std::vector<Alias>>> ListAliases(std::string domain, std::string after,
                                                               size_t limit) = 0;

  // One commit; a result for each, in their order: as it is kept, or NotFound (its domain), AlreadyExists (something has
  // the name, the address or the given id), or Unavailable (the messages of a deleted account with the given id are still
  // being removed). Each sees those before it.
  virtual Task<std::vector<absl::StatusOr<DirectoryEntry>>> Create(std::vector<DirectoryEntry> entries) = 0;
  // As it is kept then. AlreadyExists and NotFound (domain) for a new address.
  virtual Task<absl::StatusOr<DirectoryEntry>> Update(DirectoryChange change) = 0;
  // A domain: FailedPrecondition with kReasonDomainNotEmpty while it has accounts or aliases. An account: its messages
  // too; Aborted with kReasonMaildropInUse while its maildrop is locked.
  virtual Task<absl::Status> Delete(DirectoryKey key, int64_t expected_version) = 0;

  // The shortest retention that a domain or an account has; 0: none has one.
  virtual Task<absl::StatusOr<absl::Duration>> LeastRetention() = 0;

  // Grows with every change of the directory, before the change is reported: what LookUp found since it had its present
  // value is still true. 0: not known, nothing may be concluded. Never waits.
  virtual int64_t Version() const = 0;
};

// The content of a message on its way in. Bytes go to the engine as they come; memory stays bounded by one chunk. One
// Append at a time. Destroyed before MessageEngine::Append took it: the bytes are swept.
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  // Not synced: the commit that names the body syncs all of it.
  virtual Task<absl::Status> Append(std::string bytes) = 0;
  virtual int64_t size_bytes() const = 0;
};

// The content of a new message.
struct Content {
  // In memory: no bytes are staged. Not with `staged`.
  std::string whole;
  // With the engine already.
  std::unique_ptr<BodyWriter> staged;
};

// A message on its way out: prefix, trace, content. Stays readable for some minutes after the message's deletion, not for
// ever. One Read at a time.
class MessageReader {
 public:
  virtual ~MessageReader() = default;
  virtual int64_t size_bytes() const = 0;
  virtual const std::string& delivery_id() const = 0;
  // Up to `max_bytes` from `offset` (in one piece at most 64 KiB); shorter only at the end, empty at the end. DataLoss
  // when bytes are missing or damaged; NotFound when the message is gone for too long.
  virtual Task<absl::StatusOr<std::string>> Read(int64_t offset, size_t max_bytes) = 0;
};

// What Commit and Delete delete is in the trash from that commit on, where its domain has an undelete window
// (rules/trash.h): Search finds it there, and Restore brings it back. It counts for no quota, and no other verb sees it.
class MessageEngine {
 public:
  virtual ~MessageEngine() = default;

  virtual Task<absl::StatusOr<std::unique_ptr<BodyWriter>>> NewBody() = 0;
  // One message into all its mailboxes and the queue, stored once. A delivery id seen before in its scope gives its receipt,
  // already_stored; AlreadyExists with kReasonDeliveryIdReused when the fingerprint differs. The same for a
  // submission that is kept with this id, however old. Only then the message's refusal, if it has one. A copy that cannot go into its mailbox (rules::ObstacleOf: it had reached its quota before, or its
  // whole quota is smaller than the content, or it is gone) waits in the queue for QueueEngine::DeliverHere; rules::CheckWaiting
  // says when that is an error instead: ResourceExhausted with kReasonOverQuota or kReasonQuotaTooSmall, NotFound.
  // AlreadyExists: a given message id is not above all that its mailbox ever had (ids grow: messages are restored in their
  // order). InvalidArgument, with the field: see rules::Check.
  //
  // In the same commit the notices of it: each as a message of its own, but not with a receipt of an earlier delivery. One
  // that says of a copy that it is in its mailbox is left out where the copy waits; and so is one that nobody takes.
  virtual Task<absl::StatusOr<Receipt>> Append(NewMessage message, Content content,
                                               std::vector<NewNotice> notices) = 0;
  // Oldest first, those after `after`. NotFound (account).
  virtual Task<absl::StatusOr<std::vector<MessageSummary>>> List(AccountId account, MessageId after,
                                                                 size_t limit) = 0;
  // NotFound.
  virtual Task<absl::StatusOr<MessageSummary>> Find(AccountId account, MessageId message) = 0;
  // A bounded step of a search. NotFound (account).
  virtual Task<absl::StatusOr<FoundMessages>> Search(AccountId account, MessageSearch search) = 0;
  // NotFound.
  virtual Task<absl::StatusOr<std::unique_ptr<MessageReader>>> Open(AccountId account, MessageId message) = 0;
  // Those that exist, also of a maildrop that is locked: its session has lost them. NotFound (account).
  virtual Task<absl::StatusOr<DeletedMessages>> Delete(AccountId account,
                                                       std::vector<MessageId> messages) = 0;
  // Brings messages back from the trash, at most kMaxRestoredAtOnce, all that are there or none: each with its id, in its
  // place in the mailbox. What is in the mailbox already is passed over, so a repeat changes nothing. NotFound (account).
  // ResourceExhausted with kReasonOverQuota when the mailbox has reached its quota before the last of them is in it. Aborted
  // with kReasonMaildropInUse: what came back in the middle of a listing that a session numbers would change its numbers.
  virtual Task<absl::StatusOr<RestoredMessages>> Restore(AccountId account,
                                                         std::vector<MessageId> messages) = 0;
  // Deletes, in one bounded step of commits that are bounded too, messages that have been in their mailboxes for longer than
  // their retention (rules/retention.h), as Delete does, but with cause kRetention. Steps go through all of them in this
  // order: those of accounts with a retention of their own, by it and the account's id; those of domains with one, by it, the
  // domain and the address; and those with one of their own, by the time when it ends. Of a mailbox they are those that are
  // before the first one that stays: what comes in later is not older.
  virtual Task<absl::StatusOr<UpkeepStep>> Expire() = 0;
  // Frees, in one bounded step, messages in the trash that may not be restored any more.
  virtual Task<absl::StatusOr<UpkeepStep>> EmptyTrash() = 0;
  // The receipt of a delivery; without one the id is void from now on, for as long as receipts are kept: FailedPrecondition
  // with kReasonDeliveryVoided for an Append that comes later, or is under way and not yet committed.
  virtual Task<absl::StatusOr<Settlement>> Settle(std::string delivery_scope, std::string delivery_id) = 0;
};

// The lock of a mailbox under a front-end's lease (RFC 1939 section 4), and what a POP3 session does under it.
class MaildropEngine {
 public:
  virtual ~MaildropEngine() = default;

  // FailedPrecondition with kReasonNoLease; Aborted with kReasonMaildropInUse, kReasonLoginDelay; NotFound (account). The
  // lock is kept over a restart of the engine; not synced: after a power cut it may be forgotten, and its token is then
  // refused. A lock whose lease has ended or is overdue is taken over with a greater token. The session that holds the
  // lock already gets it again, with the same token.
  virtual Task<absl::StatusOr<OpenedMaildrop>> Open(OpenRequest request) = 0;
  // A further page: entries after `after` up to `last`, oldest first. Aborted with kReasonFenced when the session does not
  // hold the maildrop.
  virtual Task<absl::StatusOr<std::vector<MaildropEntry>>> List(AccountId account, std::string session_id,
                                                                MessageId after, MessageId last,
                                                                size_t limit) = 0;
  // Deletes all of the deletions or none, and unlocks. Unknown ids are passed over, and so is what others have deleted
  // meanwhile. OK again for a token that has committed before, with nothing deleted. Aborted with kReasonFenced when the token
  // is not that of the maildrop's lock, or the session another. A lock whose lease is overdue but which nobody took over still
  // commits.
  virtual Task<absl::StatusOr<CommittedMaildrop>> Commit(CommitRequest request) = 0;
  // Not synced. OK when the session does not hold the maildrop (any more).
  virtual Task<absl::Status> Release(AccountId account, std::string session_id) = 0;
  // Who holds it, under a live lease. NotFound: nobody.
  virtual Task<absl::StatusOr<LockInfo>> FindLock(AccountId account) = 0;
  // What is held under live leases: sorted by account, those after `after`, at most `limit`.
  virtual Task<absl::StatusOr<std::vector<LockInfo>>> ListLocks(AccountId after, size_t limit) = 0;
  // Takes the lock from the session that holds it, or could still commit under it: from this one, unless it is empty. Gives
  // what it was. NotFound with kReasonSessionNotFound: there is none.
  virtual Task<absl::StatusOr<LockInfo>> End(AccountId account, std::string session_id) = 0;
};

// Heartbeats of front-ends. Never delayed by what other verbs wait for.
class LeaseEngine {
 public:
  virtual ~LeaseEngine() = default;

  // Makes or prolongs. Making it is kept over a restart of the engine, as are the locks; not synced. After a restart
  // every lease has its whole ttl again.
  virtual Task<absl::Status> Renew(std::string lease_id, std::string holder, absl::Duration ttl) = 0;
  // Its locks are void then.
  virtual Task<absl::Status> End(std::string lease_id) = 0;
  // Whether it lives. Never waits.
  virtual bool IsLive(absl::string_view lease_id) const = 0;
  // Empty for one that does not live. Never waits.
  virtual std::string HolderOf(absl::string_view lease_id) const = 0;
};

// Mail on its way to other hosts, and what waits for mailboxes here. A message comes in by MessageEngine::Append, in one
// commit with its mailboxes' copies; its content is kept once for both, until its last recipient has ended.
//
// Recipients wait under their destinations (stored/rules/destination.h), and these hang under sites, which have the limits
// (stored/rules/site.h). An attempt is begun for a front-end's lease, and is in flight until it is reported or the lease has
// ended. Only delivered and failed end a recipient: silence does not.
class QueueEngine {
 public:
  virtual ~QueueEngine() = default;

  // What is due, of the destinations that have waited longest first, within what the hosts of each take. Of one destination
  // lanes take turns; within a lane the next hundred of a message with many recipients wait behind the first of the others.
  // Before it is reported OK it is kept that the attempts have begun, and when each recipient is due next if nothing is
  // ever heard of them. Nothing of what waits for mailboxes here. FailedPrecondition with kReasonNoLease.
  virtual Task<absl::StatusOr<std::vector<QueueAttempt>>> Lease(QueueLeaseRequest request) = 0;
  // Outcomes of one attempt, in one commit with the notices to its sender, which are messages of the store's own (each as
  // for MessageEngine::Append). A repeat changes nothing and stores no notice again: a notice's delivery id is made of the
  // grant. Delivered counts, whatever became of the grant; failed and deferred only of the recipient's last attempt, once.
  // What notices say must be so: where a failed outcome does not count, no other failed one does, and no notice is stored;
  // nor is one where no outcome counts. Recipients of the attempt without an outcome are put back. InvalidArgument, with the
  // field: see rules::Check.
  virtual Task<absl::StatusOr<QueueChange>> Report(QueueReport report, std::vector<NewNotice> notices) = 0;
  // One decision, in one commit with its notices. Recipients that are in flight are passed over, and those of which it is so
  // already; but with notices, which must be true, nothing is changed then, and none is stored: so a repeat changes nothing.
  // `deferred` are those that it holds. NotFound: no such message (any more). InvalidArgument, with the field: see
  // rules::Check.
  virtual Task<absl::StatusOr<QueueChange>> Decide(QueueDecision decision,
                                                   std::vector<NewNotice> notices) = 0;
  // Of attempts whose lease has ended, or is overdue: puts at most `limit` recipients back, due when their attempt said.
  // How many there were; fewer than `limit`: that was all. Also drops some of the destinations that are kept for their hosts
  // alone, when it is time.
  virtual Task<absl::StatusOr<size_t>> TakeBack(size_t limit) = 0;

  // Tries, in one commit, at most `limit` recipients that wait for mailboxes here: the due ones, then of the next those with room
  // (rules/room.h), by their times. What has room is in its mailbox then, not in the queue; the rest waits by the schedule.
  virtual Task<absl::StatusOr<std::vector<DeliveredHere>>> DeliverHere(size_t limit) = 0;

  // Messages that are to be returned, or whose senders are to be told that they wait, because it is time: the first by that
  // time first; with recipients that are neither in flight nor held, at least one and at most `recipient_limit` of each.
  virtual Task<absl::StatusOr<std::vector<QueuedMessage>>> Due(size_t limit, size_t recipient_limit) = 0;
  // NotFound. Recipients with numbers from `first` on.
  virtual Task<absl::StatusOr<QueuedMessage>> Find(QueueId message, int32_t first,
                                                   size_t recipient_limit) = 0;
  // In the order of their ids, those after `after`, with up to `recipient_limit` recipients each.
  virtual Task<absl::StatusOr<std::vector<QueuedMessage>>> List(QueueId after, size_t limit,
                                                                size_t recipient_limit) = 0;
  // Sorted by name, those after `after`.
  virtual Task<absl::StatusOr<std::vector<QueueDestination>>> ListDestinations(std::string after,
                                                                               size_t limit) = 0;
  // Trace and content of a message in the queue. NotFound.
  virtual Task<absl::StatusOr<std::unique_ptr<MessageReader>>> Open(QueueId message) = 0;
  virtual Task<absl::StatusOr<QueueStatus>> Status() = 0;
  // Resumes a wait for work: grows whenever something may have become due that was not, other than by time. Never waits.
  virtual int64_t Version() const = 0;
};

// Ways for mail to other hosts: few, and read whole. DirectoryEngine::Version grows with each change of them.
class RouteEngine {
 public:
  virtual ~RouteEngine() = default;

  // Sorted by key.
  virtual Task<absl::StatusOr<std::vector<Route>>> List() = 0;
  // Makes it, or puts it in the place of the one with its key; as it is kept, with a later time than that one's.
  // ResourceExhausted with kReasonTooManyRoutes: there are kMaxRoutes others. NotFound only with an expected version.
  virtual Task<absl::StatusOr<Route>> Set(Route route, int64_t expected_version) = 0;
  // NotFound.
  virtual Task<absl::Status> Delete(RouteKey key, int64_t expected_version) = 0;
};

// What reports on TLS to other domains (RFC 8460) will say, for all relays. They are sent once each as long as no relay dies
// between the sending and Finish.
class TlsReportEngine {
 public:
  virtual ~TlsReportEngine() = default;

  // Adds the sessions of each to those of the report with its key, which is made if need be with its end and due time; all
  // within the bounds of rules/tls_report.h: what is beyond them is not counted, and that is no error.
  virtual Task<absl::Status> Count(std::vector<TlsReport> counts) = 0;
  // Those that are due, the first ones first, at most `limit`. Each is due again after rules::kTlsReportLease, unless it is
  // finished; and is dropped in the place of being given for the last time (rules::kMaxTlsReportLeases).
  virtual Task<absl::StatusOr<std::vector<TlsReport>>> Lease(absl::Time now, size_t limit) = 0;
  // One that was leased. `lease`: its lease_count then. NotFound; Aborted: it was leased again.
  virtual Task<absl::StatusOr<TlsReport>> Find(TlsReportKey key, int64_t lease) = 0;
  // It was sent, or nobody wants it. Errors as for Find.
  virtual Task<absl::Status> Finish(TlsReportKey key, int64_t lease) = 0;
};

// MTA-STS policies of the domains that mail goes to, for all relays. What is lost is fetched again.
class StsEngine {
 public:
  virtual ~StsEngine() = default;

  // NotFound.
  virtual Task<absl::StatusOr<StsPolicy>> Find(std::string domain) = 0;
  // Keeps what came of a fetch (rules::KeepStsFetch), and gives what is kept of the domain then. While more than `limit`
  // domains are known some are dropped, those first whose last fetch is the longest ago.
  virtual Task<absl::StatusOr<StsPolicy>> Keep(StsFetch fetch, int64_t limit) = 0;
};

// Keys that sign mail. They go with their domain: DirectoryEngine::Delete takes them away. DirectoryEngine::Version grows with
// each change of them.
class DkimEngine {
 public:
  virtual ~DkimEngine() = default;

  // Empty: it has none, or is no domain.
  virtual Task<absl::StatusOr<std::vector<DkimKey>>> Find(std::string domain) = 0;
  // Domains that have keys, or keys that are pending: sorted by name, those after `after`, at most `limit`, with all keys.
  virtual Task<absl::StatusOr<std::vector<DkimDomain>>> List(std::string after, size_t limit,
                                                             bool only_pending) = 0;
  // A new key, pending or active (rules::AddDkimKey). NotFound with kReasonDomainNotFound; AlreadyExists with
  // kReasonDkimKeyExists; ResourceExhausted with kReasonTooManyDkimKeys.
  virtual Task<absl::Status> Create(std::string domain, DkimKey key) = 0;
  // `expected_version`, here and below: of rules::VersionOf; 0: any. Aborted with kReasonEtagMismatch.
  // A pending key signs from now on, and those that it takes the place of are retired, in one commit
  // (rules::ActivateDkimKey). OK for one that is active. NotFound with kReasonDkimKeyNotFound; FailedPrecondition with
  // kReasonDkimKeyRetired.
  virtual Task<absl::Status> Activate(std::string domain, std::string selector, int64_t expected_version,
                                      absl::Time time) = 0;
  // NotFound with kReasonDkimKeyNotFound. FailedPrecondition with kReasonDkimKeyActive, unless `even_active`.
  virtual Task<absl::Status> Delete(std::string domain, std::string selector, int64_t expected_version,
                                    bool even_active) = 0;
};

class UpkeepEngine {
 public:
  virtual ~UpkeepEngine() = default;

  // OK when writes succeed. Else why not; the engine tries to recover by itself. Never waits.
  virtual absl::Status Health() = 0;
  virtual Task<absl::StatusOr<EngineStatus>> Status() = 0;
  // Names the history of the store: random, chosen when it was made, and another one from when it was opened from a backup.
  // Whatever a caller remembers of another incarnation may never have been. Never waits.
  virtual std::string Incarnation() const = 0;
  // Reads messages behind `from` (only of `account`, unless its value is 0: then the queue's follow) and compares them with
  // their SHA-256: a bounded step; the next one begins at `next`.
  virtual Task<absl::StatusOr<VerifyStep>> Verify(AccountId account, VerifyCursor from) = 0;
  // Forgets receipts older than `receipt_age`, and frees what deletions left. Called now and then; takes long, in steps
  // that hold up no other verb. Cancelled: Stop came in between.
  virtual Task<absl::Status> Sweep(absl::Duration receipt_age) = 0;
  // For the rest of the engine's life: sweeps and work on backups that are under way, and what the engine does by itself to
  // free what deletions left, end after their present step, and none begins. All other verbs go on.
  virtual void Stop() = 0;
};

// A backup that is being made or verified, in bounded steps. One Step at a time, until one failed or was the last.
// Destroyed earlier: of a backup that was still being copied nothing is left; one that was being verified stays as it was.
class BackupWork {
 public:
  virtual ~BackupWork() = default;
  // Cancelled: Stop came in between.
  virtual Task<absl::StatusOr<BackupStep>> Step() = 0;
};

// Copies of the store, each in a folder of its own. Errors of all verbs: Unimplemented (this engine has none);
// FailedPrecondition with kReasonNoBackupDir; InvalidArgument, with the field, for a name that rules::CheckBackupName
// refuses; ResourceExhausted with kReasonBusy while another backup is made, verified or deleted.
class BackupEngine {
 public:
  virtual ~BackupEngine() = default;

  // Copies the store as it is at one moment, while everything else goes on, and then verifies the copy. Until its files are
  // all there, synced, and have been opened, nothing has the name. AlreadyExists; ResourceExhausted with kReasonDiskFull.
  virtual Task<absl::StatusOr<std::unique_ptr<BackupWork>>> Create(NewBackup backup) = 0;
  // Reads every message and compares it with its SHA-256. NotFound. FailedPrecondition: of another schema version.
  virtual Task<absl::StatusOr<std::unique_ptr<BackupWork>>> Verify(std::string name) = 0;
  // Sorted by name, those after `after`, at most `limit`. Of one whose note cannot be read only the name is known. Never
  // busy.
  virtual Task<absl::StatusOr<std::vector<Backup>>> List(std::string after, size_t limit) = 0;
  // NotFound.
  virtual Task<absl::Status> Delete(std::string name) = 0;
};

// Each in a header of its name.
class AuditEngine;
class ChangeEngine;
class KeyEngine;
class SendingEngine;
class SrsEngine;
class SubmissionEngine;
class WebhookEngine;

// The facets of one engine, which live as long as it. All Tasks have ended, and all that the engine gave out (body
// writers, message readers, work on backups) is destroyed, before the engine.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual DirectoryEngine& directory() = 0;
  virtual MessageEngine& messages() = 0;
  virtual MaildropEngine& maildrops() = 0;
  virtual LeaseEngine& leases() = 0;
  virtual QueueEngine& queue() = 0;
  virtual RouteEngine& routes() = 0;
  virtual TlsReportEngine& tls_reports() = 0;
  virtual StsEngine& sts() = 0;
  virtual DkimEngine& dkim() = 0;
  virtual SrsEngine& srs() = 0;
  virtual SendingEngine& sending() = 0;
  virtual ChangeEngine& changes() = 0;
  virtual SubmissionEngine& submissions() = 0;
  virtual WebhookEngine& webhooks() = 0;
  virtual KeyEngine& keys() = 0;
  virtual AuditEngine& audit() = 0;
  virtual UpkeepEngine& upkeep() = 0;
  virtual BackupEngine& backups() = 0;
};

}  // namespace mailstead::engine
