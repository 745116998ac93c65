// Bytes of a message: of the whole, of a section, or of a part.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/byte_budget.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/mime/message.h"
#include "common/mail/mime/part_decoder.h"
#include "common/store/limits.h"
#include "stored/api/convert/parsed_message.h"
#include "stored/api/message.h"
#include "stored/api/send_message.h"
#include "stored/api/visible.h"
#include "stored/core/mail_reader.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

using Pieces = rpc::Writer<v1::FetchMessageResponse>;

absl::Status PastTheEnd() { return absl::OutOfRangeError("read_offset is past the end"); }

// What is asked for of what lies from `begin` to `end`.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};
absl::StatusOr<Range> Narrow(Range range, const v1::FetchMessageRequest& request) {
  const int64_t left = range.end - range.begin - request.read_offset();
  if (left < 0) return PastTheEnd();
  range.begin += request.read_offset();
  const int64_t wanted = request.read_limit() == 0 ? left : std::min(left, request.read_limit());
  range.end = range.begin + wanted;
  return range;
}

// Sends a part as it comes out of a decoder: holds one piece of it at a time, whatever its size.
class DecodedPart {
 public:
  DecodedPart(Environment& environment, rpc::Call& call, engine::MessageReader& reader,
              const mime::Part& part, mime::PartDecoder::TextAs text_as,
              const v1::FetchMessageRequest& request, v1::FetchMessageResponse first, Pieces& pieces)
      : environment_(environment),
        call_(call),
        reader_(reader),
        part_(part),
        skip_(request.read_offset()),
        is_limited_(request.read_limit() != 0),
        left_(request.read_limit()),
        decoder_(part, environment.core.mail_reader.charsets(), text_as),
        response_(std::move(first)),
        pieces_(pieces) {}

  Task<absl::Status> Send() {
    const int64_t end = static_cast<int64_t>(part_.end);
    int64_t offset = static_cast<int64_t>(part_.body_begin);
    bool finished = false;
    while (!finished && !(is_limited_ && left_ == 0)) {
      CO_RETURN_IF_ERROR(call_.StillWanted());
      std::string bytes;
      if (offset < end) {
        const auto wanted = static_cast<size_t>(std::min<int64_t>(end - offset, store::kPieceBytes));
        CO_ASSIGN_OR_RETURN(bytes, co_await reader_.Read(offset, wanted));
        if (bytes.empty()) co_return absl::DataLossError("the message is shorter than its index says");
        offset += static_cast<int64_t>(bytes.size());
      }
      finished = offset == end;
      std::string decoded;
      const auto decode = [&] {
        decoder_.Feed(bytes, decoded);
        if (finished) decoder_.Finish(decoded);
        return true;
      };
      const absl::StatusOr<bool> ran = co_await environment_.core.mail_reader.Run(bytes.size(), decode);
      if (!ran.ok()) co_return ran.status();
      CO_RETURN_IF_ERROR(co_await Give(std::move(decoded)));
    }
    // The part was shorter than what was to be passed over.
    if (skip_ > 0 && !(is_limited_ && left_ == 0)) co_return PastTheEnd();
    co_return co_await Write(/*last=*/true);
  }

 private:
  Task<absl::Status> Give(std::string decoded) {
    const auto skipped = static_cast<size_t>(std::min<int64_t>(skip_, static_cast<int64_t>(decoded.size())));
    skip_ -= static_cast<int64_t>(skipped);
    decoded.erase(0, skipped);
    if (is_limited_) {
      decoded.resize(static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(decoded.size()), left_)));
      left_ -= static_cast<int64_t>(decoded.size());
    }
    for (size_t at = 0; at < decoded.size(); at += store::kPieceBytes) {
      // The last one waits, to go out with the end.
      if (!held_.empty()) CO_RETURN_IF_ERROR(co_await Write(/*last=*/false));
      held_ = decoded.substr(at, store::kPieceBytes);
    }
    co_return absl::OkStatus();
  }

  Task<absl::Status> Write(bool last) {
    environment_.counter.CountFetchedBytes(static_cast<int64_t>(held_.size()));
    response_.set_content(std::move(held_));
    held_.clear();
    if (last) co_return co_await pieces_.WriteLast(response_);
    CO_RETURN_IF_ERROR(co_await pieces_.Write(response_));
    response_.Clear();
    co_return absl::OkStatus();
  }

  Environment& environment_;
  rpc::Call& call_;
  engine::MessageReader& reader_;
  const mime::Part& part_;
  int64_t skip_;
  const bool is_limited_;
  int64_t left_;
  mime::PartDecoder decoder_;
  std::string held_;
  v1::FetchMessageResponse response_;
  Pieces& pieces_;
};

// A part, and what is told of it: `told`. The others are not held while it goes out.
Task<absl::StatusOr<mime::Part>> FindPart(MailReader& mail, engine::MessageReader& reader, std::string id,
                                          v1::Part& told) {
  // As much as Parse may take, beside a few times a small message.
  constexpr int64_t kMostParsed = 3 << 20;
  const int64_t taken = std::min(8 * reader.size_bytes() + (64 << 10), kMostParsed);
  CO_ASSIGN_OR_RETURN(const ByteHold hold, mail.Hold(static_cast<size_t>(taken)));
  CO_ASSIGN_OR_RETURN(const mime::Message message, co_await mail.Parse(reader, MailReader::Extent::kWhole));
  const mime::Part* const part = message.FindPart(id);
  if (part == nullptr) {
    co_return WithReason(absl::NotFoundError("the message has no such part"), kReasonPartNotFound);
  }
  ToProto(message, *part, mail.charsets(), told);
  co_return *part;
}

Task<absl::Status> SendPart(Environment& environment, rpc::Call& call, engine::MessageReader& reader,
                            const v1::FetchMessageRequest& request, Pieces& pieces) {
  v1::FetchMessageResponse first;
  CO_ASSIGN_OR_RETURN(const mime::Part part, co_await FindPart(environment.core.mail_reader, reader,
                                                               request.part_id(), *first.mutable_part()));
  const bool is_encoded =
      part.encoding == mime::Encoding::kBase64 || part.encoding == mime::Encoding::kQuotedPrintable;
  const bool as_text = request.part_form() == v1::PART_FORM_TEXT && part.is_text();
  const bool as_it_is = request.part_form() == v1::PART_FORM_ENCODED || part.has_parts;
  if (as_it_is || (!is_encoded && !as_text)) {
    const Range body{static_cast<int64_t>(part.body_begin), static_cast<int64_t>(part.end)};
    CO_ASSIGN_OR_RETURN(const Range range, Narrow(body, request));
    co_return co_await SendPieces(environment, call, reader, range.begin, range.end, std::move(first),
                                  pieces);
  }
  // What a text has as UTF-8 only its decoder knows.
  if (!as_text && request.read_offset() > static_cast<int64_t>(part.decoded_bytes)) co_return PastTheEnd();
  DecodedPart decoded(environment, call, reader, part,
                      as_text ? mime::PartDecoder::TextAs::kUtf8 : mime::PartDecoder::TextAs::kBytes, request,
                      std::move(first), pieces);
  co_return co_await decoded.Send();
}

Task<absl::Status> SendSection(Environment& environment, rpc::Call& call, AccountId account,
                               engine::MessageReader& reader, const v1::FetchMessageRequest& request,
                               Pieces& pieces) {
  Range section{0, reader.size_bytes()};
  if (request.section() == v1::MESSAGE_SECTION_HEADER) {
    CO_ASSIGN_OR_RETURN(const mime::Message message,
                        co_await environment.core.mail_reader.Parse(reader, MailReader::Extent::kHeader));
    section.end = static_cast<int64_t>(message.parts.front().body_begin);
  } else if (request.section() == v1::MESSAGE_SECTION_CONTENT) {
    CO_ASSIGN_OR_RETURN(
        const engine::MessageSummary summary,
        co_await environment.core.engine.messages().Find(account, MessageId{request.message_id()}));
    section.begin = section.end - summary.content_bytes;
  }
  CO_ASSIGN_OR_RETURN(const Range range, Narrow(section, request));
  v1::FetchMessageResponse first;
  co_return co_await SendPieces(environment, call, reader, range.begin, range.end, std::move(first), pieces);
}

absl::Status Check(const v1::FetchMessageRequest& request) {
  if (request.message_id() < 1) return FieldError("message_id", "must be set");
  if (request.read_offset() < 0) return FieldError("read_offset", "must not be negative");
  if (request.read_limit() < 0) return FieldError("read_limit", "must not be negative");
  if (!v1::MessageSection_IsValid(request.section())) {
    return FieldError("section", "must be WHOLE, HEADER or CONTENT");
  }
  if (!v1::PartForm_IsValid(request.part_form())) {
    return FieldError("part_form", "must be DECODED, TEXT or ENCODED");
  }
  if (request.part_id().empty() && request.part_form() != v1::PART_FORM_UNSPECIFIED) {
    return FieldError("part_form", "is of a part: part_id must be set");
  }
  if (!request.part_id().empty() && request.section() != v1::MESSAGE_SECTION_UNSPECIFIED) {
    return FieldError("section", "must not be set with part_id");
  }
  return absl::OkStatus();
}

}  // namespace

Task<absl::Status> FetchMessage(Environment& environment, rpc::Call& call,
                                const v1::FetchMessageRequest& request, Pieces& pieces) {
  CO_RETURN_IF_ERROR(Check(request));
  CO_ASSIGN_OR_RETURN(const engine::Account account,
                      co_await FindAccount(environment, call, request.account()));
  const MessageId message{request.message_id()};
  CO_ASSIGN_OR_RETURN(const auto reader, co_await OpenToRead(environment, account.id, message));
  absl::Status sent;
  if (request.part_id().empty()) {
    sent = co_await SendSection(environment, call, account.id, *reader, request, pieces);
  } else {
    sent = co_await SendPart(environment, call, *reader, request, pieces);
  }
  LogDamage(account.id, message, sent);
  co_return sent;
}

}  // namespace mailstead::stored
