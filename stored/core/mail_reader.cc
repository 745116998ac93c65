#include "stored/core/mail_reader.h"

#include <algorithm>
#include <utility>

#include "common/base/status.h"
#include "common/mail/mime/parser.h"
#include "common/mail/mime/part_decoder.h"
#include "common/store/limits.h"
#include "common/text/utf8.h"
#include "stored/core/limits.h"

namespace mailstead::stored {
namespace {

constexpr size_t kMaxQueued = 4096;
// Given to another thread at a time.
constexpr size_t kPieceBytes = 256 << 10;
// Read at a time while a header comes: most have less.
constexpr size_t kHeaderPieceBytes = 8 << 10;
// Texts of a message between which other calls go on.
constexpr size_t kTextsAtOnce = 16;

// From `offset` on, before `end`: up to `max_bytes`, and never none.
Task<absl::StatusOr<std::string>> ReadPiece(engine::MessageReader& reader, int64_t offset, int64_t end,
                                            size_t max_bytes) {
  std::string bytes;
  while (bytes.size() < max_bytes && offset < end) {
    const size_t wanted =
        static_cast<size_t>(std::min<int64_t>({end - offset, static_cast<int64_t>(max_bytes - bytes.size()),
                                               static_cast<int64_t>(store::kPieceBytes)}));
    CO_ASSIGN_OR_RETURN(std::string piece, co_await reader.Read(offset, wanted));
    if (piece.empty()) co_return absl::DataLossError("the message is shorter than its index says");
    offset += static_cast<int64_t>(piece.size());
    if (bytes.empty()) {
      bytes = std::move(piece);
    } else {
      bytes += piece;
    }
  }
  co_return bytes;
}

bool HasOwnHeader(const mime::Parser& parser) {
  return !parser.in_header() || parser.so_far().parts.size() > 1;
}

}  // namespace

MailReader::MailReader(size_t threads, Executor& executor, size_t budget_bytes)
    : executor_(executor), pool_(threads, kMaxQueued), budget_(budget_bytes) {}

absl::StatusOr<ByteHold> MailReader::Hold(size_t bytes) {
  ByteHold hold(budget_);
  if (!hold.TryTake(bytes)) return Busy();
  return hold;
}

Task<absl::StatusOr<mime::Message>> MailReader::Parse(engine::MessageReader& reader, Extent extent) {
  mime::Parser parser(charsets_);
  const int64_t end = reader.size_bytes();
  const size_t piece_bytes = extent == Extent::kHeader ? kHeaderPieceBytes : kPieceBytes;
  for (int64_t offset = 0; offset < end;) {
    CO_ASSIGN_OR_RETURN(const std::string bytes, co_await ReadPiece(reader, offset, end, piece_bytes));
    offset += static_cast<int64_t>(bytes.size());
    const auto feed = [&parser, &bytes] {
      parser.Feed(bytes);
      return true;
    };
    const absl::StatusOr<bool> fed = co_await Run(bytes.size(), feed);
    if (!fed.ok()) co_return fed.status();
    if (extent == Extent::kHeader && HasOwnHeader(parser)) break;
  }
  co_return parser.Finish();
}

Task<absl::StatusOr<std::vector<PartText>>> MailReader::ReadTexts(engine::MessageReader& reader,
                                                                  const mime::Message& message,
                                                                  size_t limit_bytes) {
  std::vector<PartText> texts(message.parts.size());
  size_t left = limit_bytes;
  size_t text_count = 0;
  for (size_t i = 0; i < message.parts.size(); ++i) {
    const mime::Part& part = message.parts[i];
    if (!part.is_text() || part.has_parts || part.decoded_bytes == 0) continue;
    PartText& text = texts[i];
    text.truncated = left == 0;
    if (left == 0) continue;
    // SECURITY: a thousand small parts are as much work as a large one, and no piece of it is.
    if (++text_count % kTextsAtOnce == 0) co_await ResumeOn(executor_);
    mime::PartDecoder decoder(part, charsets_);
    const int64_t end = static_cast<int64_t>(part.end);
    for (int64_t offset = static_cast<int64_t>(part.body_begin); offset < end && text.text.size() <= left;) {
      // No more than is wanted, as a rule: encoded text is longer than what it stands for.
      const size_t wanted = std::min(kPieceBytes, 2 * (left - text.text.size()) + 1024);
      CO_ASSIGN_OR_RETURN(const std::string bytes, co_await ReadPiece(reader, offset, end, wanted));
      offset += static_cast<int64_t>(bytes.size());
      const auto decode = [&] {
        decoder.Feed(bytes, text.text);
        if (offset == end) decoder.Finish(text.text);
        return true;
      };
      const absl::StatusOr<bool> decoded = co_await Run(bytes.size(), decode);
      if (!decoded.ok()) co_return decoded.status();
    }
    if (text.text.size() > left) {
      text.text.resize(Utf8Prefix(text.text, left).size());
      text.truncated = true;
      left = 0;
      continue;
    }
    left -= text.text.size();
  }
  co_return texts;
}

}  // namespace mailstead::stored
