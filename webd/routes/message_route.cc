#include "webd/routes/message_route.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "asio/this_coro.hpp"
#include "common/base/reason.h"
#include "common/rpc/grpc_transport.h"
#include "common/store/limits.h"
#include "webd/http/conditions.h"
#include "webd/http/disposition.h"
#include "webd/limits.h"
#include "webd/translate/wire.h"

namespace mailstead::web {
namespace {

namespace v1 = store::v1;

constexpr char kGetMessage[] = "mailstead.store.v1.MessageService/GetMessage";
constexpr char kFetchMessage[] = "mailstead.store.v1.MessageService/FetchMessage";

// What a browser shows as a picture and as nothing else.
constexpr absl::string_view kPictures[] = {"image/gif", "image/jpeg", "image/png", "image/webp"};

std::string TypeOf(const v1::Part& part) {
  const bool is_picture =
      std::find(std::begin(kPictures), std::end(kPictures), part.media_type()) != std::end(kPictures);
  return is_picture ? part.media_type() : "application/octet-stream";
}

// Strong, and never another one: what is in a mailbox does not change. An id that was used is not used again there, but a store
// that is restored from a backup gives the ids behind it anew; so the rest says which message it is.
std::string TagOf(const v1::MessageSummary& summary, const std::string& part_id) {
  const int64_t time = summary.deliver_time().seconds() * 1'000'000'000 + summary.deliver_time().nanos();
  return absl::StrCat("\"", summary.message_id(), ".", absl::Hex(time), ".",
                      absl::WebSafeBase64Escape(summary.unique_id()), ".",
                      absl::BytesToHexString(summary.sha256().substr(0, 16)), part_id.empty() ? "" : "/",
                      absl::WebSafeBase64Escape(part_id), "\"");
}

std::string ContentRange(const std::optional<ByteRange>& range, uint64_t size) {
  if (!range.has_value()) return absl::StrCat("bytes */", size);
  return absl::StrCat("bytes ", range->begin, "-", range->end - 1, "/", size);
}

absl::Status NotSuchAnAnswer() { return absl::InternalError("the store sent what is no such message"); }

}  // namespace

MessageRoute::MessageRoute(Answerer& answerer, Exchange& exchange, const Route& route)
    : answerer_(answerer),
      context_(answerer.context()),
      exchange_(exchange),
      route_(route),
      held_(answerer.context().memory) {}

asio::awaitable<void> MessageRoute::Run() {
  const RequestHead& head = exchange_.head();
  absl::StatusOr<std::string> authorization = AuthorizationOf(head);
  if (!authorization.ok()) co_return co_await Fail(authorization.status());
  authorization_ = *std::move(authorization);
  if (!held_.TryTake(2 * store::kPieceBytes)) co_return co_await Fail(NoMemory());
  const absl::StatusOr<v1::MessageSummary> summary = co_await Summary();
  if (!summary.ok()) co_return co_await Fail(summary.status());
  etag_ = TagOf(*summary, route_.part_id);
  // The part is not asked for: a tag of one that is not there nobody was given.
  switch (Judge(head, etag_)) {
    case Condition::kNotModified:
      co_return co_await AnswerNotModified();
    case Condition::kFailed:
      co_return co_await AnswerFailedCondition();
    case Condition::kHolds:
      break;
  }
  // RFC 9110 section 14.2: of a GET only.
  if (head.method == "GET" && head.Count("range") == 1 && RangeCounts(head, etag_)) {
    range_ = ParseRange(head.Value("range"));
  }
  const absl::Status described = co_await Describe(*summary);
  if (!described.ok()) co_return co_await Fail(described);
  if (!range_.has_value()) co_return co_await Send(std::nullopt);
  const std::optional<ByteRange> range = Resolve(*range_, size_);
  if (!range.has_value()) co_return co_await AnswerUnsatisfiable();
  co_await Send(range);
}

asio::awaitable<absl::StatusOr<v1::MessageSummary>> MessageRoute::Summary() {
  v1::GetMessageRequest request;
  request.set_account(route_.account);
  request.set_message_id(route_.message_id);
  request.set_view(v1::MESSAGE_VIEW_SUMMARY);
  const absl::StatusOr<std::string> answer = co_await context_.transport.CallBytes(
      kGetMessage, request.SerializeAsString(),
      answerer_.OptionsFor(authorization_, context_.timeouts.store_call));
  if (!answer.ok()) co_return answer.status();
  v1::Message message;
  if (!message.ParseFromString(*answer)) co_return NotSuchAnAnswer();
  co_return std::move(*message.mutable_summary());
}

// How large a part is only the store's parser knows: where not all of it is wanted, its first byte is asked for before.
asio::awaitable<absl::Status> MessageRoute::Describe(const v1::MessageSummary& summary) {
  if (!of_part()) {
    size_ = static_cast<uint64_t>(summary.size_bytes());
    co_return absl::OkStatus();
  }
  const bool whole = !is_head() && !range_.has_value();
  absl::Status opened = co_await Open(0, whole ? 0 : 1);
  if (!opened.ok()) co_return opened;
  size_ = static_cast<uint64_t>(part_.decoded_size_bytes());
  if (!whole) co_await CloseStream();
  co_return absl::OkStatus();
}

asio::awaitable<absl::Status> MessageRoute::Open(uint64_t offset, uint64_t limit) {
  v1::FetchMessageRequest request;
  request.set_account(route_.account);
  request.set_message_id(route_.message_id);
  request.set_part_id(route_.part_id);
  request.set_read_offset(static_cast<int64_t>(offset));
  request.set_read_limit(static_cast<int64_t>(limit));
  std::unique_ptr<rpc::ByteStream> opened = context_.transport.OpenBytes(
      kFetchMessage, answerer_.OptionsFor(authorization_, context_.timeouts.stream));
  stream_ = std::make_unique<StoreStream>(std::move(opened), exchange_, co_await asio::this_coro::executor);
  // How that ends, Next says.
  co_await stream_->Write(request.SerializeAsString(), /*last=*/true);
  const absl::StatusOr<bool> any = co_await Next();
  if (any.ok() && *any) co_return absl::OkStatus();
  co_await CloseStream();
  co_return any.ok() ? NotSuchAnAnswer() : any.status();
}

asio::awaitable<void> MessageRoute::CloseStream() {
  if (stream_ == nullptr) co_return;
  co_await stream_->End();
  stream_ = nullptr;
}

asio::awaitable<absl::StatusOr<bool>> MessageRoute::Next() {
  stream_->Ask();
  const bool has_next = co_await stream_->AwaitNextOrClient();
  if (!has_next) co_return absl::CancelledError("the client has gone");
  const StoreStream::Next next = stream_->Take();
  if (!next.ok()) co_return next.status();
  if (!next->has_value()) co_return false;
  piece_.clear();
  bool readable = true;
  const bool whole = ForEachBytesField(**next, [&](int number, absl::string_view bytes) {
    if (number == v1::FetchMessageResponse::kContentFieldNumber) piece_ = std::string(bytes);
    if (number == v1::FetchMessageResponse::kPartFieldNumber) {
      readable = part_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    }
  });
  if (!whole || !readable) co_return NotSuchAnAnswer();
  co_return true;
}

asio::awaitable<void> MessageRoute::Send(std::optional<ByteRange> range) {
  const ByteRange wanted = range.value_or(ByteRange{0, size_});
  if (!is_head() && stream_ == nullptr) {
    const absl::Status opened = co_await Open(wanted.begin, wanted.size());
    if (!opened.ok()) co_return co_await Fail(opened);
  }
  const std::string otherwise = absl::StrCat("part-", part_.part_id(), ".bin");
  const std::string name = of_part() ? SafeFileName(part_.file_name(), otherwise)
                                     : absl::StrCat("message-", route_.message_id, ".eml");
  ResponseHead head{.status = range.has_value() ? 206 : 200,
                    .fields = {{"Content-Type", of_part() ? TypeOf(part_) : "message/rfc822"},
                               {"Content-Disposition", AttachmentNamed(name)},
                               {"Accept-Ranges", "bytes"},
                               {"ETag", etag_},
                               {"Cross-Origin-Resource-Policy", "same-origin"}},
                    .content_length = wanted.size()};
  head.policy = "sandbox; default-src 'none'; frame-ancestors 'none'";
  if (range.has_value()) head.fields.push_back({"Content-Range", ContentRange(range, size_)});
  co_await exchange_.Begin(std::move(head));
  absl::StatusOr<bool> more = !is_head();
  while (more.ok() && *more) {
    co_await exchange_.Write(std::exchange(piece_, std::string()));
    more = co_await Next();
  }
  co_await CloseStream();
  // With less than was said, where the store has failed in the midst of it.
  co_await exchange_.Finish();
  answerer_.Answered(exchange_, PathOf(route_.kind), more.status());
}

asio::awaitable<void> MessageRoute::AnswerNotModified() {
  ResponseHead head{.status = 304, .fields = {{"ETag", etag_}}};
  co_await exchange_.Respond(std::move(head), "");
  answerer_.Answered(exchange_, PathOf(route_.kind), absl::OkStatus());
}

asio::awaitable<void> MessageRoute::AnswerFailedCondition() {
  Refusal refusal{.http_status = 412, .error = absl::FailedPreconditionError("If-Match names another one")};
  co_await answerer_.Refuse(exchange_, std::move(refusal), PathOf(route_.kind));
}

asio::awaitable<void> MessageRoute::AnswerUnsatisfiable() {
  Refusal refusal{
      .http_status = 416,
      .error = absl::OutOfRangeError("the range begins behind the end"),
      .fields = {{"Content-Range", ContentRange(std::nullopt, size_)}, {"Accept-Ranges", "bytes"}}};
  co_await answerer_.Refuse(exchange_, std::move(refusal), PathOf(route_.kind));
}

asio::awaitable<void> MessageRoute::Fail(absl::Status error) {
  co_await CloseStream();
  co_await answerer_.Refuse(exchange_, RefusalFor(std::move(error)), PathOf(route_.kind));
}

}  // namespace mailstead::web
