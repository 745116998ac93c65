// Takes a message in, whoever brings it: DeliverMessage, DeliverMessageStream and Deliver differ in their messages only. For
// .cc files of this folder.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/base/task.h"
#include "common/rpc/server/method.h"
#include "common/store/limits.h"
#include "stored/api/auth.h"
#include "stored/api/environment.h"
#include "stored/api/key_record.h"
#include "stored/api/visible.h"
#include "stored/core/counted_intake.h"
#include "stored/core/intake.h"
#include "stored/core/limits.h"
#include "stored/rules/lane.h"

namespace mailstead::stored {

// What one request brings.
struct Piece {
  std::optional<Envelope> envelope;
  // For the log.
  std::string client_address;
  // Of a submission's login; empty: none. With the envelope.
  std::string grant;
  std::string content;
  bool last = false;
  std::string trace;
};

// `delivered` and `delivery_refused` in the log, and the metrics.
void LogTaken(Environment& environment, const rpc::Call& call, const Intake& intake,
              const std::string& client_address, const Taken& taken);
void LogNotTaken(const rpc::Call& call, const Intake& intake, const absl::Status& status);

// The pieces of a stream of requests. `take` makes a piece of a request, whose content it moves out; FieldError.
template <typename Request, typename PieceType>
class PieceStream {
 public:
  using Take = absl::StatusOr<PieceType> (*)(Request& request);
  PieceStream(rpc::Call& call, rpc::Reader<Request>& requests, Take take)
      : call_(call), requests_(requests), take_(take) {}

  // InvalidArgument with kReasonIncompleteStream: there is none.
  Task<absl::StatusOr<PieceType>> Next() {
    Request request;
    CO_ASSIGN_OR_RETURN(const bool more, co_await requests_.Read(request));
    if (!more) {
      co_return WithReason(
          absl::InvalidArgumentError("the stream ended before its last message; nothing is stored"),
          kReasonIncompleteStream);
    }
    CO_RETURN_IF_ERROR(call_.StillWanted());
    CO_ASSIGN_OR_RETURN(PieceType piece, take_(request));
    if (piece.content.size() > store::kMaxPieceBytes)
      co_return FieldError("content", "must have at most 1 MiB");
    if (piece.envelope.has_value() != is_first_) {
      co_return FieldError("envelope",
                           is_first_ ? "must be in the first message" : "must be in the first message only");
    }
    is_first_ = false;
    co_return piece;
  }

 private:
  rpc::Call& call_;
  rpc::Reader<Request>& requests_;
  const Take take_;
  bool is_first_ = true;
};

// The pieces of a message that came in one: so that no step takes long.
template <typename PieceType>
class WholePiece {
 public:
  // `piece` has all of the content.
  explicit WholePiece(PieceType piece) : content_(std::move(piece.content)), piece_(std::move(piece)) {}

  Task<absl::StatusOr<PieceType>> Next() {
    if (!piece_.envelope.has_value() && offset_ == 0) co_return FieldError("envelope", "must be set");
    if (content_.size() > kMaxUnaryContentBytes) {
      co_return WithReason(absl::ResourceExhaustedError(
                               "a message in one request may have 4 MiB; a larger one comes as a stream"),
                           kReasonTooLarge);
    }
    PieceType piece = std::exchange(piece_, PieceType());
    piece.content = content_.substr(offset_, store::kMaxPieceBytes);
    offset_ += piece.content.size();
    piece.last = offset_ == content_.size();
    co_return piece;
  }

 private:
  const std::string content_;
  PieceType piece_;
  size_t offset_ = 0;
};

// Begins with the first piece, and appends each: at most one is in memory, and a slow disk slows the sender
// down. `pieces`: one of the two above.
template <typename Pieces>
Task<absl::StatusOr<Taken>> TakePieces(Environment& environment, rpc::Call& call, Pieces& pieces,
                                       Intake& intake, std::string& client_address) {
  std::string grant;
  // That submits it; 0: none.
  AccountId account;
  for (bool first = true;; first = false) {
    CO_ASSIGN_OR_RETURN(Piece piece, co_await pieces.Next());
    if (first) {
      client_address = std::move(piece.client_address);
      grant = std::move(piece.grant);
      if (!grant.empty()) {
        CO_ASSIGN_OR_RETURN(const AccountId sender, co_await CheckSending(environment, call, grant));
        intake.AllowRelay();
        intake.LimitLines();
        intake.SetLane(rules::AccountLane(sender));
        // Before its bytes come: it will not be taken.
        CO_RETURN_IF_ERROR(co_await environment.core.sending.Check(sender));
        account = sender;
      }
      CO_RETURN_IF_ERROR(co_await CheckRecipients(environment, call, *piece.envelope));
      CO_RETURN_IF_ERROR(co_await intake.Begin(*std::move(piece.envelope)));
    }
    CO_RETURN_IF_ERROR(co_await intake.Append(std::move(piece.content)));
    if (!piece.last) continue;
    // The login may have ended while the message came.
    if (!first && !grant.empty()) {
      const absl::StatusOr<AccountId> still_good = co_await CheckSending(environment, call, grant);
      if (!still_good.ok()) co_return still_good.status();
    }
    if (account.value == 0) co_return co_await intake.Finish(std::move(piece.trace));
    co_return co_await FinishCounted(environment.core.sending, account, intake, std::move(piece.trace));
  }
}

// `scope`: delivery ids of different scopes never meet. `relay`: whoever calls may send to other hosts, also without a
// submission's login.
enum class Relay { kWithLogin, kAllowed };
template <typename Pieces>
Task<absl::StatusOr<Taken>> Receive(Environment& environment, rpc::Call& call, Pieces& pieces,
                                    std::string scope, Promise promise, Relay relay) {
  Intake intake(environment.core.intake, std::move(scope), promise);
  if (relay == Relay::kAllowed) {
    intake.SetOperatorLane();
    intake.AllowRelay();
    intake.LimitLines();
  }
  intake.SetRetention(RetentionOf(call.caller()));
  std::string client_address;
  absl::StatusOr<Taken> taken = co_await TakePieces(environment, call, pieces, intake, client_address);
  call.SetTarget(absl::StrCat("message ", intake.envelope().delivery_id));
  if (taken.ok()) {
    LogTaken(environment, call, intake, client_address, *taken);
  } else {
    LogNotTaken(call, intake, taken.status());
  }
  co_return taken;
}

}  // namespace mailstead::stored
