#include "stored/api/message_view.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/byte_budget.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/mime/message.h"
#include "common/store/limits.h"
#include "stored/api/convert/message.h"
#include "stored/api/convert/parsed_message.h"
#include "stored/api/send_message.h"
#include "stored/core/mail_reader.h"
#include "stored/core/message_digest.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// What the header and parts of a message take while they are read and told, about: twice what the parser keeps, and the
// answer.
constexpr size_t kParsedBytes = 6 << 20;
// Beside a few times the message itself, where that is less.
constexpr size_t kSmallestHold = 64 << 10;

absl::Status TooLargeForView() {
  return WithReason(
      FieldError("view",
                 "the message is too large for RAW, which gives 4 MiB at most: FetchMessage gives it"),
      kReasonTooLarge);
}

Task<absl::Status> ReadRaw(engine::MessageReader& reader, v1::Message& told) {
  const int64_t size = reader.size_bytes();
  std::string& raw = *told.mutable_raw();
  raw.reserve(static_cast<size_t>(size));
  while (static_cast<int64_t>(raw.size()) < size) {
    const size_t wanted = std::min(static_cast<size_t>(size) - raw.size(), store::kPieceBytes);
    CO_ASSIGN_OR_RETURN(const std::string bytes,
                        co_await reader.Read(static_cast<int64_t>(raw.size()), wanted));
    if (bytes.empty()) co_return absl::DataLossError("the message is shorter than its index says");
    raw += bytes;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReadParsed(MailReader& mail, engine::MessageReader& reader, MessageViewOptions options,
                              v1::Message& told) {
  const bool with_parts = options.view == v1::MESSAGE_VIEW_PARSED;
  const MailReader::Extent extent = with_parts ? MailReader::Extent::kWhole : MailReader::Extent::kHeader;
  CO_ASSIGN_OR_RETURN(const mime::Message message, co_await mail.Parse(reader, extent));
  std::vector<PartText> texts;
  if (with_parts) {
    CO_ASSIGN_OR_RETURN(texts, co_await mail.ReadTexts(reader, message, options.text_limit_bytes));
  }
  const auto tell = [&] {
    ToProto(message, mail.charsets(), *told.mutable_header());
    if (with_parts) ToProto(message, texts, mail.charsets(), *told.mutable_parsed());
    return true;
  };
  // What is told are fields and parts; a large body costs nothing here.
  const size_t looked_at = message.parts.front().body_begin + 100 * message.parts.size();
  co_return (co_await mail.Run(looked_at, tell)).status();
}

size_t HoldFor(const engine::MessageSummary& summary, const MessageViewOptions& options) {
  const size_t size = static_cast<size_t>(summary.size_bytes);
  if (options.view == v1::MESSAGE_VIEW_RAW) return size + kSmallestHold;
  return std::min(8 * size + kSmallestHold, kParsedBytes + options.text_limit_bytes);
}

}  // namespace

absl::StatusOr<MessageViewOptions> CheckView(v1::MessageView view,
                                             const google::protobuf::Int64Value* text_limit_bytes) {
  MessageViewOptions options;
  if (!v1::MessageView_IsValid(view)) return FieldError("view", "must be SUMMARY, HEADERS, PARSED or RAW");
  if (view != v1::MESSAGE_VIEW_UNSPECIFIED) options.view = view;
  if (text_limit_bytes != nullptr) {
    const int64_t limit = text_limit_bytes->value();
    if (limit < 0 || limit > static_cast<int64_t>(kMaxTextBytes)) {
      return FieldError("text_limit_bytes", "must be 0 to 1048576");
    }
    options.text_limit_bytes = static_cast<size_t>(limit);
  }
  return options;
}

Task<absl::StatusOr<int64_t>> ReadSearchedFields(Environment& environment, AccountId account,
                                                 engine::MessageSummary& summary) {
  CO_ASSIGN_OR_RETURN(const auto reader, co_await OpenToRead(environment, account, summary.id));
  MessageDigest digest;
  int64_t read = 0;
  while (read < reader->size_bytes() && !digest.has_seen_enough()) {
    const absl::StatusOr<std::string> bytes = co_await reader->Read(read, store::kPieceBytes);
    if (absl::IsDataLoss(bytes.status()) || (bytes.ok() && bytes->empty())) {
      LogDamage(account, summary.id,
                absl::DataLossError(bytes.ok() ? "cut short" : bytes.status().message()));
      co_return read;
    }
    if (!bytes.ok()) co_return bytes.status();
    read += static_cast<int64_t>(bytes->size());
    const auto feed = [&digest, &bytes] {
      digest.Feed(*bytes);
      return true;
    };
    const absl::StatusOr<bool> fed = co_await environment.core.mail_reader.Run(bytes->size(), feed);
    if (!fed.ok()) co_return fed.status();
  }
  summary.searched = digest.Finish("");
  co_return read;
}

Task<absl::StatusOr<engine::MessageSummary>> FindSummary(Environment& environment, AccountId account,
                                                         MessageId message) {
  auto found = co_await environment.core.engine.messages().Find(account, message);
  if (absl::IsNotFound(found.status())) {
    co_return WithReason(absl::NotFoundError(absl::StrCat("there is no message ", message.value)),
                         kReasonMessageNotFound);
  }
  if (!found.ok() || found->searched.known) co_return found;
  CO_RETURN_IF_ERROR((co_await ReadSearchedFields(environment, account, *found)).status());
  co_return found;
}

Task<absl::StatusOr<v1::Message>> ReadListedView(Environment& environment, AccountId account,
                                                 engine::MessageSummary summary, MessageViewOptions options) {
  v1::Message told;
  ToProto(summary, *told.mutable_summary());
  if (summary.deletion.has_value()) ToProto(*summary.deletion, *told.mutable_deletion());
  if (options.view == v1::MESSAGE_VIEW_SUMMARY) co_return told;
  if (options.view == v1::MESSAGE_VIEW_RAW) {
    const size_t size = static_cast<size_t>(summary.size_bytes) + told.ByteSizeLong();
    if (size > kMaxAnswerBytes) {
      told.set_omitted_content(v1::OMITTED_CONTENT_TOO_LARGE);
      co_return told;
    }
  }
  MailReader& mail = environment.core.mail_reader;
  CO_ASSIGN_OR_RETURN(const ByteHold hold, mail.Hold(HoldFor(summary, options)));
  CO_ASSIGN_OR_RETURN(const auto reader, co_await OpenToRead(environment, account, summary.id));
  absl::Status read;
  if (options.view == v1::MESSAGE_VIEW_RAW) {
    read = co_await ReadRaw(*reader, told);
  } else {
    read = co_await ReadParsed(mail, *reader, options, told);
  }
  if (absl::IsDataLoss(read)) {
    LogDamage(account, summary.id, read);
    told.clear_header();
    told.clear_parsed();
    told.clear_raw();
    told.set_omitted_content(v1::OMITTED_CONTENT_DAMAGED);
    co_return told;
  }
  CO_RETURN_IF_ERROR(read);
  co_return told;
}

Task<absl::StatusOr<v1::Message>> ReadView(Environment& environment, AccountId account, MessageId message,
                                           MessageViewOptions options) {
  CO_ASSIGN_OR_RETURN(engine::MessageSummary summary, co_await FindSummary(environment, account, message));
  CO_ASSIGN_OR_RETURN(v1::Message told,
                      co_await ReadListedView(environment, account, std::move(summary), options));
  switch (told.omitted_content()) {
    case v1::OMITTED_CONTENT_TOO_LARGE:
      co_return TooLargeForView();
    case v1::OMITTED_CONTENT_DAMAGED:
      co_return absl::DataLossError(
          absl::StrCat("message ", message.value, " is damaged on the store's disk"));
    default:
      co_return told;
  }
}

}  // namespace mailstead::stored
