#include "common/mail/dsn/notice_text.h"

#include <map>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/mail/address.h"
#include "common/mail/date_time.h"
#include "common/mail/dsn/fields.h"
#include "common/text/utf8.h"

namespace mailstead::dsn {
namespace {

// What is said in general; "recipients" are listed behind it.
absl::string_view Headline(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::kFailed:
      return "could not be delivered to the recipients below, and will not be tried again.";
    case NoticeKind::kDelayed:
      return "has not been delivered to the recipients below yet. It is tried again; you need not send it "
             "again.";
    case NoticeKind::kDelivered:
      return "was delivered to the recipients below.";
    case NoticeKind::kRelayed:
      return "was passed on for the recipients below to a host that may not tell you whether it is "
             "delivered.";
    case NoticeKind::kExpanded:
      return "was sent on to everybody that the addresses below lead to. You will not be told of each "
             "delivery.";
  }
  CHECK(false);
}

void AppendWrapped(absl::string_view text, absl::string_view indent, std::string& out) {
  const size_t width = kGoodLineBytes - indent.size();
  for (const std::string& line : Wrap(text, width, width + 1)) {
    absl::StrAppend(&out, indent, absl::StripPrefix(line, " "), "\r\n");
  }
}

void AppendParagraph(absl::string_view text, std::string& out) {
  if (!out.empty()) out += "\r\n";
  AppendWrapped(text, "", out);
}

// "<bob@remote.test>", and how the sender had called it when that is something else.
std::string ShownRecipient(const NoticeRecipient& recipient) {
  std::string shown = absl::StrCat("<", Printable(recipient.address, true), ">");
  const absl::string_view original = recipient.original_recipient;
  const std::string address = Printable(original.substr(original.find(';') + 1), true);
  if (!address.empty() && address != Printable(recipient.address, true)) {
    absl::StrAppend(&shown, " (sent to <", address, ">)");
  }
  return shown;
}

using Reasons = std::tuple<std::string, std::string, std::string, std::optional<absl::Time>>;

// What is said of a recipient besides its name; recipients for which it is the same are told together.
Reasons ReasonsOf(const NoticeRecipient& recipient) {
  return {recipient.remote_mta, recipient.diagnostic, recipient.explanation, recipient.will_retry_until};
}

void AppendReasons(const NoticeRecipient& recipient, NoticeKind kind, std::string& out) {
  const std::string explanation = Printable(Utf8Prefix(recipient.explanation, kMaxExplanationBytes), true);
  if (!explanation.empty()) AppendParagraph(explanation, out);
  const std::string host = Printable(Utf8Prefix(recipient.remote_mta, kMaxDomainBytes), true);
  const std::vector<std::string> said = PrintableLines(recipient.diagnostic, true, kMaxDiagnosticBytes);
  if (!said.empty()) {
    AppendParagraph(host.empty() ? "What was said:" : absl::StrCat("What ", host, " said:"), out);
    out += "\r\n";
    for (const std::string& line : said) AppendWrapped(line, "  ", out);
  } else if (!host.empty()) {
    AppendParagraph(absl::StrCat("The host was ", host, "."), out);
  }
  if (kind == NoticeKind::kDelayed && recipient.will_retry_until.has_value()) {
    AppendParagraph(absl::StrCat("It is tried until ", DateTime(*recipient.will_retry_until), "."), out);
  }
}

}  // namespace

absl::string_view NoticeSubject(NoticeKind kind) {
  switch (kind) {
    case NoticeKind::kFailed:
      return "Your message could not be delivered";
    case NoticeKind::kDelayed:
      return "Your message is delayed";
    case NoticeKind::kDelivered:
      return "Your message was delivered";
    case NoticeKind::kRelayed:
      return "Your message was passed on";
    case NoticeKind::kExpanded:
      return "Your message was sent on";
  }
  CHECK(false);
}

std::string NoticeText(const Notice& notice, const Returned& returned) {
  std::string text;
  AppendParagraph(absl::StrCat("This is the mail server ", Printable(notice.reporting_mta, true), "."), text);
  const std::string& subject = returned.fields.subject;
  AppendParagraph(absl::StrCat("Your message", subject.empty() ? "" : absl::StrCat(" \"", subject, "\""),
                               ", taken on ", DateTime(notice.arrival), ", ", Headline(notice.kind)),
                  text);
  std::map<Reasons, std::vector<const NoticeRecipient*>> groups;
  for (const NoticeRecipient& recipient : notice.recipients)
    groups[ReasonsOf(recipient)].push_back(&recipient);
  for (const NoticeRecipient& recipient : notice.recipients) {
    const std::vector<const NoticeRecipient*>& group = groups[ReasonsOf(recipient)];
    if (group.front() != &recipient) continue;
    text += "\r\n";
    for (const NoticeRecipient* member : group) AppendWrapped(ShownRecipient(*member), "  ", text);
    AppendReasons(recipient, notice.kind, text);
  }
  if (returned.part.has_value()) {
    AppendParagraph(
        returned.part->whole ? "Your message is attached." : "The header of your message is attached.", text);
  }
  return text;
}

}  // namespace mailstead::dsn
