// The store, for every front-end: one awaitable for each method, in plain C++ types. Small calls share a stream inside;
// what is worth trying again is tried again inside, by one rule (retry.h); nothing else in a front-end asks whether an
// error is temporary but to choose its words.
//
// Errors: those of the API (proto/mailstead) with ReasonOf. Unavailable or DeadlineExceeded when the store was away for
// `patience`, and then the call may have happened or not.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "asio/any_io_executor.hpp"
#include "asio/awaitable.hpp"
#include "common/base/timers.h"
#include "common/mail/envelope.h"
#include "common/rpc/transport.h"
#include "common/sasl/step.h"
#include "common/store/ids.h"
#include "common/store/login_end.h"
#include "common/store/resolution.h"

namespace mailstead::store {

// For whom a call is made, and how long it may take.
struct CallContext {
  // Of the client's session.
  std::string session_id;
  // One try.
  absl::Duration timeout = absl::Seconds(10);
  // How long a call that failed for the store's being away is tried again, from its beginning. 0: one try.
  absl::Duration patience = absl::ZeroDuration();
  // Of calls that change something and say that they take it: how long it is asked what the call has come to, once it was
  // perhaps sent. 0: as long as above.
  absl::Duration outcome_patience = absl::ZeroDuration();
  // CheckSender, Deliver and StartUpload: the login of a submission. They fail with PermissionDenied and
  // kReasonGrantExpired when it has ended. Empty: none.
  std::string grant = "";
};

// What a login asks to be opened when it succeeds.
struct MaildropRequest {
  std::string lease_id;
  // RFC 2449 section 6.5; zero for none.
  absl::Duration min_interval;
  // Of a listing that is remembered; empty: none.
  std::string known_version;
  // For operators. Where a login brings the request it is that of the login.
  std::string client_address = "";
};

struct MaildropEntry {
  MessageId id;
  absl::string_view unique_id;
  int64_t size_bytes = 0;
};

// A page of a listing, packed: 16 bytes and the unique-id for each entry.
class MaildropEntries {
 public:
  MaildropEntries() = default;
  // One size for each id; `unique_ids` one behind the other, each with a LF behind it, as many as there are ids.
  MaildropEntries(std::vector<int64_t> ids, std::vector<int64_t> sizes_bytes, std::string unique_ids)
      : ids_(std::move(ids)), sizes_bytes_(std::move(sizes_bytes)), unique_ids_(std::move(unique_ids)) {}

  size_t size() const { return ids_.size(); }
  bool empty() const { return ids_.empty(); }
  // Of all of them together.
  size_t unique_id_bytes() const { return unique_ids_.size() - ids_.size(); }

  // Calls `visit` with each entry, in order. What it points to lives as long as this.
  template <typename Visit>
  void ForEach(Visit visit) const {
    absl::string_view rest = unique_ids_;
    for (size_t i = 0; i < ids_.size(); ++i) {
      const size_t end = rest.find('\n');
      visit(MaildropEntry{MessageId{ids_[i]}, rest.substr(0, end), sizes_bytes_[i]});
      rest.remove_prefix(end + 1);
    }
  }

 private:
  std::vector<int64_t> ids_;
  std::vector<int64_t> sizes_bytes_;
  std::string unique_ids_;
};

// A maildrop that is locked.
struct OpenedMaildrop {
  // Opaque.
  std::string token;
  // Of the whole listing; opaque.
  std::string version;
  // The listing is that of the known version, without `removed` and with `entries` behind it; else `entries`.
  bool since_known_version = false;
  MaildropEntries entries;
  std::vector<MessageId> removed;
  // Of the mailbox: the whole listing has no more, with all its pages.
  size_t message_count = 0;
  // For ListMaildrop; empty: there are no more entries.
  std::string next_page_token;
  // The shortest time that a message may stay in the mailbox; 0: for ever.
  absl::Duration retention;
};

struct MaildropPage {
  MaildropEntries entries;
  std::string next_page_token;
};

struct CommittedMaildrop {
  int64_t deleted_count = 0;
  // Of the listing without what was deleted; empty: not known.
  std::string version;
};

// A heartbeat that was heard.
struct RenewedLease {
  // The shortest time that a message may stay in any mailbox; 0: for ever.
  absl::Duration least_retention;
};

// A login that has succeeded.
struct LoggedIn {
  std::string address;
  AccountId account;
  // The login, for the calls that are made for it. Opaque.
  std::string grant;
  // When one was asked for: the maildrop, or why it could not be opened. NotFound when none was asked for.
  absl::StatusOr<OpenedMaildrop> maildrop = absl::NotFoundError("no maildrop was asked for");
};

// Accounts that were disabled, removed or renamed, got another password, or had a session ended by an operator.
struct LoginChanges {
  // For the next question.
  std::string cursor;
  // It may be any account.
  bool any = false;
  std::vector<AccountId> accounts;
};

// The keys of session tickets that replicas share (mailstead.frontend.v1.TlsService).
struct TicketKeys {
  struct Key {
    std::string secret;
    absl::Duration open_for;
  };
  // The first one seals.
  std::vector<Key> keys;
  absl::Duration ask_again_after;
};

// A login that has ended, by its place among those that were asked about.
struct EndedLogin {
  size_t place = 0;
  LoginEnd why = LoginEnd::kAccountChanged;
  bool operator==(const EndedLogin&) const = default;
};

// What comes of a step of a SASL exchange: a challenge for the client, a login, or the end without one (never kOk).
struct Challenge {
  std::string bytes;
};
using LoginStep = std::variant<Challenge, LoggedIn, sasl::Verdict>;

// One SASL exchange: Begin once, then Respond to each challenge until another kind of step comes. Destroying it earlier
// (the client sent "*" or went away) ends the exchange at the store. Errors are of the store or the way to it, never of
// the credentials.
class Login {
 public:
  virtual ~Login() = default;
  virtual asio::awaitable<absl::StatusOr<LoginStep>> Begin(sasl::Start start,
                                                           std::optional<MaildropRequest> maildrop) = 0;
  virtual asio::awaitable<absl::StatusOr<LoginStep>> Respond(std::string response) = 0;
};

// A message too big for one call, on its way in. Destroying it before Finish has given an answer ends the call; the store
// keeps nothing of it.
class Upload {
 public:
  virtual ~Upload() = default;
  // Waits until the store takes more (back-pressure). After an error: no more Write, no Finish.
  virtual asio::awaitable<absl::Status> Write(std::string piece) = 0;
  // The last piece, and the fields that stand in front of the content. OK: it is on disk.
  virtual asio::awaitable<absl::Status> Finish(std::string piece, std::string trace) = 0;
};

struct FetchedMessage {
  std::string content;
  // Under which it came in: for the log.
  std::string delivery_id;
};

// A message on its way out, read piece by piece; the store sends no faster than it is read. Destroyed early: cancelled.
class Download {
 public:
  virtual ~Download() = default;
  // Known once a piece has been read.
  virtual const std::string& delivery_id() const = 0;
  // True: `piece` is the next one (not empty, at most 64 KiB). False: the end, `piece` is untouched.
  virtual asio::awaitable<absl::StatusOr<bool>> Read(std::string& piece) = 0;
};

// A method that has no function of its own here: the list is in methods.h.
template <typename Request, typename Response>
struct Method {
  // A literal, as in a path of gRPC without its first slash.
  absl::string_view name;
};

// One call of a method with several requests or responses. Errors and order as in rpc::CallStream. Destroyed before its
// end: cancelled.
template <typename Request, typename Response>
class TypedStream {
 public:
  explicit TypedStream(std::unique_ptr<rpc::CallStream> stream) : stream_(std::move(stream)) {}
  asio::awaitable<absl::Status> Write(const Request& request, bool last) {
    return stream_->Write(request, last);
  }
  asio::awaitable<absl::StatusOr<bool>> Read(Response& response) { return stream_->Read(response); }

 private:
  std::unique_ptr<rpc::CallStream> stream_;
};

class Retry;

// Told how calls end. Thread-safe.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // One try has failed because the store was away. `method` is its last name: "Deliver".
  virtual void TryFailed(absl::string_view method, const absl::Status& status) = 0;
  // The answer to a delivery was lost, and it was asked what became of it.
  struct Settled {
    absl::string_view session_id;
    absl::string_view delivery_id;
    // "stored" or "void", as the store has said since; "unknown" when it could not be asked for so long.
    absl::string_view outcome;
    // How the delivery ended; or why the store could not be asked.
    absl::Status error;
  };
  virtual void DeliverySettled(const Settled&) {}
};

// Thread-safe; a coroutine goes on where it awaited. Share one per process.
class StoreApi {
 public:
  // `transport` and `timers` outlive it, and so does `observer`, which may be null.
  explicit StoreApi(rpc::Transport& transport, CallObserver* observer = nullptr,
                    Timers& timers = Timers::Steady())
      : transport_(transport), observer_(observer), timers_(timers) {}

  // OK: the store can do its work, takes our credential and serves what this program speaks. FailedPrecondition says which
  // of the two programs is too old. For readiness.
  asio::awaitable<absl::Status> Probe(CallContext context);

  // ---- Role smtp

  asio::awaitable<absl::StatusOr<Resolution>> ResolveRecipient(std::string address, int64_t message_bytes,
                                                               CallContext context);
  // Several at once, of the same size; an answer for each, in their order. At least one.
  asio::awaitable<std::vector<absl::StatusOr<Resolution>>> ResolveRecipients(
      std::vector<std::string> addresses, int64_t message_bytes, CallContext context);
  asio::awaitable<absl::StatusOr<bool>> CheckSender(std::string account, std::string sender,
                                                    CallContext context);
  // A message of at most kMaxPieceBytes; beyond kWholeMessageBytes an Upload is kinder to the store. OK: it is on disk. A
  // repeat with the same delivery id stores nothing twice, so the call is tried again; should its answer be lost until the
  // end, the delivery is settled: what is not stored by then never will be. Only when the store cannot be reached for
  // `context.outcome_patience`, either, is an error no proof; the observer is told.
  // `envelope`, `content` and `trace` outlive the call.
  asio::awaitable<absl::Status> Deliver(const Envelope& envelope, const std::string& client_address,
                                        const std::string& content, const std::string& trace,
                                        CallContext context);
  // `context.timeout` is for the whole message; each piece, and each try to settle it, is waited for `piece_timeout`. There
  // is one try; its end is settled as that of Deliver is.
  std::unique_ptr<Upload> StartUpload(const Envelope& envelope, const std::string& client_address,
                                      absl::Duration piece_timeout, CallContext context);

  // ---- Roles smtp and pop

  // `context.timeout` is for the whole exchange.
  std::unique_ptr<Login> StartLogin(CallContext context);
  // What has changed since the answer that had this cursor; empty: from now on.
  asio::awaitable<absl::StatusOr<LoginChanges>> ListLoginChanges(std::string cursor, CallContext context);
  // Which of at most kMaxCheckedLogins logins have ended.
  asio::awaitable<absl::StatusOr<std::vector<EndedLogin>>> CheckLogins(std::vector<std::string> grants,
                                                                       CallContext context);
  asio::awaitable<absl::StatusOr<TicketKeys>> ListTicketKeys(CallContext context);
  // It waits behind no other call, and is not tried again: the next heartbeat is.
  asio::awaitable<absl::StatusOr<RenewedLease>> RenewLease(std::string lease_id, std::string holder,
                                                           absl::Duration ttl, CallContext context);
  asio::awaitable<absl::Status> EndLease(std::string lease_id, CallContext context);

  // ---- Role pop

  asio::awaitable<absl::StatusOr<OpenedMaildrop>> OpenMaildrop(std::string grant, MaildropRequest request,
                                                               CallContext context);
  // At most `page_size` entries (kMaxMaildropPageEntries).
  asio::awaitable<absl::StatusOr<MaildropPage>> ListMaildrop(std::string grant, std::string page_token,
                                                             size_t page_size, CallContext context);
  // Whole messages of at most kWholeMessageBytes each; an answer for each, in their order. At least one.
  asio::awaitable<std::vector<absl::StatusOr<FetchedMessage>>> FetchMessages(std::string grant,
                                                                             std::vector<MessageId> messages,
                                                                             CallContext context);
  // `context.timeout` is for the whole message.
  std::unique_ptr<Download> FetchMessage(std::string grant, MessageId message, CallContext context);
  // The token makes a repeat harmless: `context.outcome_patience` counts. Temporary without a reason when it may have
  // happened.
  asio::awaitable<absl::StatusOr<CommittedMaildrop>> CommitMaildrop(std::string grant, std::string token,
                                                                    std::vector<MessageId> deletions,
                                                                    CallContext context);
  asio::awaitable<absl::Status> ReleaseMaildrop(std::string grant, CallContext context);
  // The same for who does not wait, as Transport::Start; one try, whatever the patience.
  void StartReleaseMaildrop(std::string grant, CallContext context, asio::any_io_executor executor,
                            absl::AnyInvocable<void(absl::Status)> done);

  // ---- Every other method (methods.h)

  template <typename Request, typename Response>
  asio::awaitable<absl::StatusOr<Response>> Call(Method<Request, Response> method, Request request,
                                                 CallContext context) {
    Response response;
    absl::Status status = co_await CallByName(method.name, request, response, std::move(context));
    if (!status.ok()) co_return status;
    co_return response;
  }
  // One try; `context.timeout` is for the whole call.
  template <typename Request, typename Response>
  TypedStream<Request, Response> Open(Method<Request, Response> method, CallContext context) {
    return TypedStream<Request, Response>(transport_.Open(method.name, OptionsOf(context)));
  }

 private:
  class Exchange;
  class StreamedUpload;

  static rpc::CallOptions OptionsOf(const CallContext& context) {
    return {.timeout = context.timeout, .session_id = context.session_id};
  }
  // One call with its further tries (retry.h): by `told`, which outlives it, or as long as `context` says. Gives what the
  // last try ended with.
  asio::awaitable<absl::Status> CallByName(absl::string_view method,
                                           const google::protobuf::MessageLite& request,
                                           google::protobuf::MessageLite& response, CallContext context,
                                           Retry* told = nullptr);
  // What a delivery has come to that ended with `end`: OK when it is stored; else `end`, and when that is possible the
  // delivery is void.
  asio::awaitable<absl::Status> Settle(std::string delivery_id, absl::Status end, CallContext context);
  // Several calls of a method, together; each has its further tries. How each ended, in their order.
  asio::awaitable<std::vector<absl::Status>> CallAllByName(absl::string_view method,
                                                           std::vector<rpc::OneOfMany> calls,
                                                           CallContext context);
  void NoteFailure(absl::string_view method, const absl::Status& status) const;

  rpc::Transport& transport_;
  CallObserver* const observer_;
  Timers& timers_;
};

}  // namespace mailstead::store
