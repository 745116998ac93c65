#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/mail/trace.h"
#include "common/text/utf8.h"
#include "smtpd/protocol/command.h"
#include "smtpd/protocol/limits.h"
#include "smtpd/protocol/parameters.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

// SECURITY: these go into headers, logs and the store.
void CheckPrintable(absl::string_view text) {
  for (const char c : text) CHECK(static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
}

// What a path is written as parses to the same path.
void CheckPath(const smtp::Path& path) {
  const std::string written = path.ToString();
  CheckPrintable(written);
  const smtp::Parsed<smtp::PathAndRest> again = smtp::ParsePath("TO:", absl::StrCat("TO:<", written, ">"));
  CHECK(again.ok() && again->rest.empty());
  CHECK(again->path.kind == path.kind && again->path.ToString() == written);
}

void CheckMail(absl::string_view argument, bool allow_auth) {
  const smtp::Parsed<smtp::MailCommand> mail = smtp::ParseMail(argument, {.auth = allow_auth});
  if (!mail.ok()) return;
  CheckPath(mail->reverse_path);
  CHECK(mail->smtputf8 || mail->reverse_path.address.is_ascii());
  CHECK(mail->dsn_envelope_id.size() <= smtp::kMaxEnvidBytes);
  CheckPrintable(mail->dsn_envelope_id);
  // A client that is not logged in may send less, never something else.
  if (!allow_auth) CHECK(smtp::ParseMail(argument, {.auth = true}).ok());
}

void CheckRcpt(absl::string_view argument) {
  const smtp::Parsed<smtp::RcptCommand> plain = smtp::ParseRcpt(argument, false);
  const smtp::Parsed<smtp::RcptCommand> utf8 = smtp::ParseRcpt(argument, true);
  if (plain.ok()) {
    CHECK(plain->forward_path.address.is_ascii());
    CHECK(utf8.ok() && utf8->forward_path.ToString() == plain->forward_path.ToString());
  }
  if (!utf8.ok()) return;
  CheckPath(utf8->forward_path);
  CHECK(!utf8->forward_path.is_null());
  CHECK(utf8->original_recipient.size() <= smtp::kMaxOrcptBytes);
  CheckPrintable(utf8->original_recipient);
  CHECK(IsValidUtf8(utf8->original_recipient));
  const DsnNotify& notify = utf8->notify;
  CHECK(notify.given || !(notify.success || notify.failure || notify.delay));
}

// Whatever a client calls itself, the field that has it is one field, and its comments are closed.
void CheckHeloName(absl::string_view name) {
  if (!smtp::IsHeloName(name)) return;
  for (const bool smtputf8 : {false, true}) {
    TraceInfo info;
    info.helo = std::string(name);
    info.client_address = "192.0.2.1";
    info.hostname = "mx.example.test";
    info.delivery_id = "id";
    info.smtputf8 = smtputf8;
    const std::string field = ReceivedField(info);
    CHECK(smtputf8 ? IsValidUtf8(field) : IsAscii(field));
    const absl::string_view from =
        absl::string_view(field).substr(0, field.find("\r\n\tby mx.example.test with SMTP\r\n"));
    CHECK(from.size() < field.size());
    int depth = 0;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] == '\\') {
        CHECK(depth > 0 && ++i < from.size());
      } else if (from[i] == '(' || from[i] == ')') {
        depth += from[i] == '(' ? 1 : -1;
        CHECK(depth == 0 || depth == 1);
      } else if (from[i] == '\r' || from[i] == '\n') {
        CHECK(depth == 0);
      }
    }
    CHECK(depth == 0);
  }
}

void CheckBdatAndAuth(absl::string_view argument) {
  if (const auto bdat = smtp::ParseBdat(argument); bdat.ok()) {
    const auto again = smtp::ParseBdat(absl::StrCat(bdat->size_bytes, bdat->last ? " LAST" : ""));
    CHECK(again.ok() && again->size_bytes == bdat->size_bytes && again->last == bdat->last);
  }
  if (const auto auth = smtp::ParseAuth(argument); auth.ok()) {
    CHECK(!auth->mechanism.empty() && auth->mechanism.size() <= smtp::kMaxMechanismBytes);
    CheckPrintable(auth->mechanism);
  }
}

}  // namespace

// A line as it comes from the framer, without its CRLF; the session refuses control characters first.
void Run(absl::string_view input) {
  (void)smtp::IsOtherProtocol(input);
  if (smtp::HasControlCharacters(input)) return;
  const smtp::CommandWords words = smtp::SplitCommand(input);
  CHECK(words.verb.find(' ') == absl::string_view::npos);
  CHECK(!absl::StartsWith(words.argument, " ") && !absl::EndsWith(words.argument, " "));
  CheckHeloName(words.argument);
  CheckMail(words.argument, false);
  CheckMail(words.argument, true);
  CheckRcpt(words.argument);
  CheckBdatAndAuth(words.argument);
}

}  // namespace mailstead::fuzz
