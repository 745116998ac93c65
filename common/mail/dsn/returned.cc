#include "common/mail/dsn/returned.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/mail/dsn/fields.h"
#include "common/mail/header_reader.h"
#include "common/text/base64.h"
#include "common/text/quoted_printable.h"
#include "common/text/utf8.h"

namespace mailstead::dsn {
namespace {

// Of a Message-ID that is repeated: it must stand in a line.
constexpr size_t kMaxMessageIdBytes = 900;

// Empty when `value` is not one msg-id and nothing else.
std::string MessageId(const std::string& value) {
  if (value.size() < 3 || value.size() > kMaxMessageIdBytes || value.front() != '<' || value.back() != '>')
    return "";
  const absl::string_view inside = absl::string_view(value).substr(1, value.size() - 2);
  const bool good = std::all_of(inside.begin(), inside.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) && c != '<' && c != '>';
  });
  return good ? value : "";
}

std::string Subject(const std::string& value) {
  if (absl::StrContains(value, "=?") || !IsValidUtf8(value)) return "";
  return Printable(Utf8Prefix(value, kMaxSubjectBytes), /*utf8=*/true);
}

// Takes the whole fields of a header, as far as there is room.
class HeaderCopy : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override {
    if (field.Is("Message-ID") && fields_.message_id.empty())
      fields_.message_id = MessageId(field.Unfolded());
    if (field.Is("Subject") && fields_.subject.empty()) fields_.subject = Subject(field.Unfolded());
    // One that ends without a line end was cut off with the message.
    const bool whole = !field.cut && absl::EndsWith(field.raw, "\r\n");
    if (whole && header_.size() + field.raw.size() <= kMaxReturnedHeaderBytes) {
      header_.append(field.raw.data(), field.raw.size());
    }
  }

  std::string& header() { return header_; }
  OriginalFields& fields() { return fields_; }

 private:
  std::string header_;
  OriginalFields fields_;
};

bool WantsWhole(const Notice& notice) {
  const Original& original = notice.original;
  return notice.kind == NoticeKind::kFailed && notice.envelope.dsn_return != DsnReturn::kHeaders &&
         !notice.envelope.require_tls && original.complete && original.content.size() <= kMaxReturnedBytes;
}

std::optional<ReturnedPart> Whole(absl::string_view content, absl::string_view header, bool smtputf8,
                                  bool utf8) {
  const bool bad_line = HasBadLine(content);
  if (IsAscii(content) && !bad_line)
    return ReturnedPart{"message/rfc822", "7bit", std::string(content), true};
  if (!smtputf8 || !IsValidUtf8(header)) return std::nullopt;
  if (utf8 && !bad_line) return ReturnedPart{"message/global", "8bit", std::string(content), true};
  return ReturnedPart{"message/global", "base64", EncodeBase64Lines(content), true};
}

ReturnedPart Header(std::string header, bool smtputf8, bool utf8) {
  const bool bad_line = HasBadLine(header);
  const bool global = smtputf8 && !IsAscii(header) && IsValidUtf8(header);
  const std::string type = global ? "message/global-headers" : "text/rfc822-headers";
  if (!bad_line && IsAscii(header)) return {type, "7bit", std::move(header), false};
  if (!bad_line && global && utf8) return {type, "8bit", std::move(header), false};
  return {type, "quoted-printable", EncodeQuotedPrintable(header), false};
}

}  // namespace

Returned Return(const Notice& notice, bool utf8) {
  HeaderCopy copy;
  HeaderReader reader({&copy});
  reader.Feed(notice.original.content.substr(0, kMaxReturnedBytes));
  reader.Finish();
  Returned returned;
  returned.fields = std::move(copy.fields());
  if (copy.header().empty()) return returned;
  const bool smtputf8 = notice.envelope.smtputf8;
  if (WantsWhole(notice)) returned.part = Whole(notice.original.content, copy.header(), smtputf8, utf8);
  if (!returned.part.has_value()) returned.part = Header(std::move(copy.header()), smtputf8, utf8);
  return returned;
}

}  // namespace mailstead::dsn
