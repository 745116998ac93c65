#include "stored/api/submission.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "common/store/envelope_convert.h"
#include "stored/api/convert/submission.h"
#include "stored/api/receive.h"
#include "stored/api/visible.h"
#include "stored/core/limits.h"
#include "stored/core/paging.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// Of one submission in a list.
constexpr size_t kListedRecipients = 10;
// Submissions that a filter looks at for one page: what few fit must not hold up others.
constexpr size_t kLookedAt = 1000;

// What a request says beside the content.
struct SubmitHead {
  std::string account;
  SubmissionRequest request;
};
struct SubmitPiece {
  // With the envelope.
  std::optional<SubmitHead> envelope;
  std::string content;
  bool last = false;
};

// Of both requests.
template <typename Request>
absl::StatusOr<SubmitPiece> HeadOf(const Request& request) {
  SubmitPiece piece;
  if (!request.has_envelope()) return piece;
  SubmitHead& head = piece.envelope.emplace();
  head.account = request.account();
  head.request.request_id = request.request_id();
  ASSIGN_OR_RETURN(head.request.envelope, store::FromProto(request.envelope()));
  if (request.has_send_time()) {
    ASSIGN_OR_RETURN(head.request.send_time, TimeFromProto("send_time", request.send_time()));
  }
  head.request.all_or_nothing = request.all_or_nothing();
  return piece;
}

absl::StatusOr<SubmitPiece> PieceOf(v1::SubmitMessageStreamRequest& request) {
  ASSIGN_OR_RETURN(SubmitPiece piece, HeadOf(request));
  piece.content = std::move(*request.mutable_content());
  piece.last = request.last();
  return piece;
}

// The address of a peer as gRPC writes it: "ipv4:192.0.2.1:5000", "ipv6:%5B2001:db8::1%5D:5000". Empty: it has none.
std::string AddressOfPeer(absl::string_view peer) {
  const size_t port = peer.rfind(':');
  if (port == absl::string_view::npos) return "";
  absl::string_view address = peer.substr(0, port);
  if (absl::ConsumePrefix(&address, "ipv4:")) return std::string(address);
  if (!absl::ConsumePrefix(&address, "ipv6:")) return "";
  if (!absl::ConsumePrefix(&address, "%5B")) (void)absl::ConsumePrefix(&address, "[");
  if (!absl::ConsumeSuffix(&address, "%5D")) (void)absl::ConsumeSuffix(&address, "]");
  // Behind '%' is the zone of a link-local one, which means nothing elsewhere.
  return std::string(address.substr(0, address.find('%')));
}

// `intake` is made with the first piece.
template <typename Pieces>
Task<absl::StatusOr<Submitted>> SubmitPieces(Environment& environment, rpc::Call& call, Pieces& pieces,
                                             int64_t size_bytes, std::optional<SubmissionIntake>& intake) {
  for (;;) {
    CO_ASSIGN_OR_RETURN(SubmitPiece piece, co_await pieces.Next());
    if (!intake.has_value()) {
      SubmitHead head = *std::move(piece.envelope);
      CO_ASSIGN_OR_RETURN(head.request.account, co_await FindAccount(environment, call, head.account));
      head.request.scope = DeliveryScope(call);
      head.request.retention = RetentionOf(call.caller());
      head.request.client_address = AddressOfPeer(call.caller().peer);
      head.request.size_bytes = size_bytes;
      intake.emplace(environment.core.submissions, std::move(head.request));
      call.SetTarget(absl::StrCat("submission ", intake->id()));
      CO_RETURN_IF_ERROR(co_await intake->Begin());
    }
    CO_RETURN_IF_ERROR(co_await intake->Append(std::move(piece.content)));
    if (piece.last) co_return co_await intake->Finish();
  }
}

template <typename Pieces>
Task<absl::Status> Submit(Environment& environment, rpc::Call& call, Pieces& pieces, int64_t size_bytes,
                          v1::SubmitMessageResponse& response) {
  std::optional<SubmissionIntake> intake;
  const absl::StatusOr<Submitted> submitted =
      co_await SubmitPieces(environment, call, pieces, size_bytes, intake);
  if (!submitted.ok()) {
    if (intake.has_value()) LogNotTaken(call, intake->intake(), submitted.status());
    co_return submitted.status();
  }
  if (submitted->taken.has_value()) {
    const std::string no_client;
    LogTaken(environment, call, intake->intake(), no_client, *submitted->taken);
  }
  ToProto(*submitted, response);
  co_return absl::OkStatus();
}

// Of an account that the caller sees. NotFound with kReasonSubmissionNotFound.
Task<absl::StatusOr<engine::Submission>> FindVisible(Environment& environment, const rpc::Call& call,
                                                     std::string id) {
  CO_ASSIGN_OR_RETURN(engine::Submission submission,
                      co_await environment.core.submissions.Find(std::move(id)));
  if (SeesAll(call)) co_return submission;
  const absl::StatusOr<engine::Account> account =
      co_await FindAccount(environment, call, absl::StrCat(submission.account.value));
  if (account.ok()) co_return submission;
  if (!absl::IsNotFound(account.status())) co_return account.status();
  co_return WithReason(absl::NotFoundError("there is no such submission"), kReasonSubmissionNotFound);
}

// Which submissions, and a name for their listing.
struct Filter {
  AccountId account;
  v1::RecipientState state = v1::RECIPIENT_STATE_UNSPECIFIED;
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();

  std::string Name() const {
    return absl::StrCat("submissions/", account.value, "/", static_cast<int>(state), "/",
                        from == absl::InfinitePast() ? 0 : absl::ToUnixMicros(from), "/",
                        until == absl::InfiniteFuture() ? 0 : absl::ToUnixMicros(until));
  }
  bool Takes(const engine::Submission& submission) const {
    return state == v1::RECIPIENT_STATE_UNSPECIFIED || HasState(submission, state);
  }
};

std::string PositionOf(const engine::SubmissionPlace& place) {
  return absl::StrCat(absl::ToUnixMicros(place.submit_time), " ", place.id);
}

absl::StatusOr<engine::SubmissionPlace> ReadPosition(const Filter& filter, const std::string& page_token) {
  ASSIGN_OR_RETURN(const std::string token, ReadPageToken(filter.Name(), page_token));
  engine::SubmissionPlace place;
  if (token.empty()) {
    if (filter.until != absl::InfiniteFuture()) place.submit_time = filter.until;
    return place;
  }
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(token, absl::MaxSplits(' ', 1));
  int64_t micros = 0;
  if (!absl::SimpleAtoi(parts.first, &micros)) {
    return FieldError("page_token", "must be the next_page_token of the page before");
  }
  place.submit_time = absl::FromUnixMicros(micros);
  place.id = std::string(parts.second);
  return place;
}

// In a list.
size_t SizeOf(const engine::Submission& submission) {
  size_t size = 512 + submission.message_id.size();
  for (const EnvelopeRecipient& recipient : submission.envelope.recipients) {
    size += recipient.address.size() + recipient.original_recipient.size() + 16;
  }
  for (size_t i = 0; i < std::min(kListedRecipients, submission.targets.size()); ++i) {
    const engine::SubmissionTarget& target = submission.targets[i];
    size += 128 + target.address.size() + target.reply.text.size() + target.reply.host.size() +
            (target.bounce.has_value() ? engine::kMaxBounceTextBytes : 0);
  }
  return size;
}

}  // namespace

Task<absl::Status> SubmitMessage(Environment& environment, rpc::Call& call,
                                 const v1::SubmitMessageRequest& request,
                                 v1::SubmitMessageResponse& response) {
  CO_ASSIGN_OR_RETURN(SubmitPiece piece, HeadOf(request));
  piece.content = request.content();
  WholePiece<SubmitPiece> whole(std::move(piece));
  co_return co_await Submit(environment, call, whole, static_cast<int64_t>(request.content().size()),
                            response);
}

Task<absl::Status> SubmitMessageStream(Environment& environment, rpc::Call& call,
                                       rpc::Reader<v1::SubmitMessageStreamRequest>& pieces,
                                       v1::SubmitMessageResponse& response) {
  PieceStream<v1::SubmitMessageStreamRequest, SubmitPiece> stream(call, pieces, PieceOf);
  co_return co_await Submit(environment, call, stream, /*size_bytes=*/0, response);
}

Task<absl::Status> GetSubmission(Environment& environment, rpc::Call& call,
                                 const v1::GetSubmissionRequest& request, v1::Submission& response) {
  CO_ASSIGN_OR_RETURN(const engine::Submission submission,
                      co_await FindVisible(environment, call, request.submission_id()));
  ToProto(submission, submission.targets.size(), response);
  co_return absl::OkStatus();
}

Task<absl::Status> ListSubmissions(Environment& environment, rpc::Call& call,
                                   const v1::ListSubmissionsRequest& request,
                                   v1::ListSubmissionsResponse& response) {
  Filter filter;
  if (!request.account().empty()) {
    CO_ASSIGN_OR_RETURN(const engine::Account account,
                        co_await FindAccount(environment, call, request.account()));
    filter.account = account.id;
  } else if (!SeesAll(call)) {
    co_return FieldError("account", "must be set");
  }
  filter.state = request.state();
  if (request.has_submit_time_from()) {
    CO_ASSIGN_OR_RETURN(filter.from, TimeFromProto("submit_time_from", request.submit_time_from()));
  }
  if (request.has_submit_time_until()) {
    CO_ASSIGN_OR_RETURN(filter.until, TimeFromProto("submit_time_until", request.submit_time_until()));
  }
  CO_ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size()));
  CO_ASSIGN_OR_RETURN(engine::SubmissionPlace after, ReadPosition(filter, request.page_token()));
  size_t bytes = 0;
  for (size_t looked_at = 0; looked_at < kLookedAt;) {
    const size_t step = std::min(kPageStepItems, kLookedAt - looked_at);
    CO_ASSIGN_OR_RETURN(const std::vector<engine::Submission> next,
                        co_await environment.core.submissions.List(filter.account, after, step));
    for (const engine::Submission& submission : next) {
      // All that come are older.
      if (submission.submit_time < filter.from) co_return absl::OkStatus();
      const bool takes = filter.Takes(submission);
      const size_t count = static_cast<size_t>(response.submissions_size());
      if (takes && (count == page_size || (count > 0 && bytes + SizeOf(submission) > kMaxPageBytes))) {
        response.set_next_page_token(MakePageToken(filter.Name(), PositionOf(after)));
        co_return absl::OkStatus();
      }
      after = {submission.submit_time, submission.id};
      if (!takes) continue;
      bytes += SizeOf(submission);
      ToProto(submission, kListedRecipients, *response.add_submissions());
    }
    if (next.size() < step) co_return absl::OkStatus();
    looked_at += next.size();
  }
  response.set_next_page_token(MakePageToken(filter.Name(), PositionOf(after)));
  co_return absl::OkStatus();
}

Task<absl::Status> CancelSubmission(Environment& environment, rpc::Call& call,
                                    const v1::CancelSubmissionRequest& request,
                                    v1::CancelSubmissionResponse& response) {
  call.SetTarget(absl::StrCat("submission ", request.submission_id()));
  CO_ASSIGN_OR_RETURN(const engine::Submission submission,
                      co_await FindVisible(environment, call, request.submission_id()));
  CO_ASSIGN_OR_RETURN(const Submissions::Cancelled cancelled,
                      co_await environment.core.submissions.Cancel(submission.id));
  response.set_cancelled_count(cancelled.cancelled_count);
  response.set_in_flight_count(cancelled.in_flight_count);
  ToProto(cancelled.submission, cancelled.submission.targets.size(), *response.mutable_submission());
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
