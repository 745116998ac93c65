#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/random.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/outgoing.h"
#include "mailctl/exit_code.h"
#include "mailctl/field_words.h"
#include "mailctl/input.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

constexpr size_t kRequestIdSize = 26;

struct StateWord {
  absl::string_view word;
  v1::RecipientState state;
};
constexpr StateWord kStateWords[] = {
    {"scheduled", v1::RECIPIENT_STATE_SCHEDULED}, {"queued", v1::RECIPIENT_STATE_QUEUED},
    {"in_flight", v1::RECIPIENT_STATE_IN_FLIGHT}, {"delivered", v1::RECIPIENT_STATE_DELIVERED},
    {"relayed", v1::RECIPIENT_STATE_RELAYED},     {"failed", v1::RECIPIENT_STATE_FAILED},
    {"bounced", v1::RECIPIENT_STATE_BOUNCED},     {"cancelled", v1::RECIPIENT_STATE_CANCELLED},
    {"refused", v1::RECIPIENT_STATE_REFUSED},
};

std::string StateText(v1::RecipientState state) {
  for (const StateWord& known : kStateWords) {
    if (known.state == state) return std::string(known.word);
  }
  return "?";
}

absl::StatusOr<v1::RecipientState> StateOf(const std::string& word) {
  std::string known_words;
  for (const StateWord& known : kStateWords) {
    if (known.word == word) return known.state;
    absl::StrAppend(&known_words, known_words.empty() ? "" : ", ", known.word);
  }
  return UsageError(absl::StrCat("--state=", word, ": must be one of ", known_words));
}

// "2026-12-24T18:00:00Z", or from now on: "2h30m".
absl::StatusOr<absl::Time> ParseMoment(absl::string_view option, const std::string& text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  absl::Duration wait;
  if (absl::ParseDuration(text, &wait) && wait >= absl::ZeroDuration()) return absl::Now() + wait;
  return UsageError(
      absl::StrCat("--", option, "=", text,
                   ": must be a time such as 2026-12-24T18:00:00Z, or how long from now, such as 2h"));
}

void SetTime(absl::Time time, google::protobuf::Timestamp& proto) {
  proto.set_seconds(absl::ToUnixSeconds(time));
  proto.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(proto.seconds())) / absl::Nanoseconds(1)));
}

std::string ResultText(const v1::RecipientResult& result) {
  switch (result.result()) {
    case v1::RecipientResult::RESULT_DELIVERED:
      return "delivered";
    case v1::RecipientResult::RESULT_QUEUED:
      return "queued";
    case v1::RecipientResult::RESULT_REFUSED:
      return absl::StrCat("refused: ", result.message());
    default:
      return "?";
  }
}

// "550 5.1.1 no such user (mx.example.test)".
std::string ReplyText(const v1::SubmissionRecipient& recipient) {
  if (recipient.has_bounce()) {
    return absl::StrCat(
        recipient.bounce().status(), " ", recipient.bounce().text(), " (as ",
        recipient.bounce().reporting_host().empty() ? "somebody" : recipient.bounce().reporting_host(),
        " told)");
  }
  std::string text;
  if (recipient.reply_code() != 0) absl::StrAppend(&text, recipient.reply_code(), " ");
  if (!recipient.reply_status().empty()) absl::StrAppend(&text, recipient.reply_status(), " ");
  absl::StrAppend(&text, recipient.reply_text());
  if (!recipient.reply_host().empty()) absl::StrAppend(&text, " (", recipient.reply_host(), ")");
  return text.empty() ? "-" : text;
}

absl::Status Submit(const Arguments& arguments, Context& context) {
  v1::SubmitMessageStreamRequest request;
  request.set_account(arguments.Get("account", arguments.Get("from")));
  if (request.account().empty()) return UsageError("mailctl submit needs --from=ADDRESS");
  request.set_request_id(arguments.Get("request_id", RandomId(kRequestIdSize)));
  request.mutable_envelope()->set_reverse_path(arguments.Get("from"));
  RETURN_IF_ERROR(AddRecipients(arguments, "submit", *request.mutable_envelope()));
  request.set_all_or_nothing(arguments.Has("all_or_nothing"));
  if (arguments.Has("send_time")) {
    ASSIGN_OR_RETURN(const absl::Time time, ParseMoment("send_time", arguments.Get("send_time")));
    SetTime(time, *request.mutable_send_time());
  }
  const std::string request_id = request.request_id();
  ASSIGN_OR_RETURN(const std::unique_ptr<Input> input,
                   Input::Open(arguments.positional(0), context.terminal().input_fd()));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const absl::StatusOr<v1::SubmitMessageResponse> response =
      SendContent(*store, store::kSubmitMessageStream, std::move(request), *input);
  if (!response.ok()) {
    const absl::Status& status = response.status();
    if (ExitCodeOf(status) != ExitCode::kTemporary) return status;
    return Reworded(
        status, absl::StrCat(status.message(), "; it is safe to try again with --request_id=", request_id));
  }
  context.output().Json(*response);
  if (context.output().json()) return absl::OkStatus();
  std::string text = absl::StrCat(
      response->outcome() == v1::SUBMIT_OUTCOME_ALREADY_TAKEN ? "submitted before " : "submitted ",
      response->submission_id(), response->has_send_time() ? ", goes out " : "",
      response->has_send_time() ? FormatTime(response->send_time()) : "", "\n");
  Table table({{"TO"}, {"RESULT"}});
  for (const v1::RecipientResult& result : response->results())
    table.Row({result.address(), ResultText(result)});
  context.output().Raw(absl::StrCat(text, table.Text()));
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments, Context& context) {
  v1::ListSubmissionsRequest request;
  request.set_account(arguments.positional(0));
  if (arguments.Has("state")) {
    ASSIGN_OR_RETURN(const v1::RecipientState state, StateOf(arguments.Get("state")));
    request.set_state(state);
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "submissions");
  Table table({{"ID"}, {"WHEN"}, {"FROM"}, {"TO"}, {"STATE"}});
  const auto take = [&](const v1::ListSubmissionsResponse& page) {
    for (const v1::Submission& submission : page.submissions()) {
      json.Add(submission);
      if (context.output().json()) continue;
      for (const v1::SubmissionRecipient& recipient : submission.recipients()) {
        table.Row({submission.submission_id(), FormatTime(submission.submit_time()),
                   submission.envelope().reverse_path().empty() ? "<>" : submission.envelope().reverse_path(),
                   recipient.address(), StateText(recipient.state())});
      }
      const int64_t more = submission.recipient_count() - submission.recipients_size();
      if (more > 0) table.Row({submission.submission_id(), "", "", absl::StrCat("and ", more, " more"), ""});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListSubmissions, request, take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no submissions\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::GetSubmissionRequest request;
  request.set_submission_id(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::Submission submission, store->Call(store::kGetSubmission, request));
  context.output().Json(submission);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("id", submission.submission_id());
  fields.Add("account", absl::StrCat(submission.account_id()));
  fields.Add("from",
             submission.envelope().reverse_path().empty() ? "<>" : submission.envelope().reverse_path());
  fields.Add("request", submission.request_id());
  fields.Add("message id", submission.message_id());
  fields.Add("submitted", FormatTime(submission.submit_time()));
  if (submission.has_send_time()) fields.Add("goes out", FormatTime(submission.send_time()));
  if (submission.queue_id() != 0) fields.Add("queue id", absl::StrCat(submission.queue_id()));
  Table table({{"TO"}, {"STATE"}, {"TRIES", true}, {"NEXT"}, {"LAST REPLY"}});
  for (const v1::SubmissionRecipient& recipient : submission.recipients()) {
    table.Row({recipient.address(), StateText(recipient.state()), absl::StrCat(recipient.attempt_count()),
               recipient.has_next_attempt_time() ? FormatTime(recipient.next_attempt_time()) : "-",
               ReplyText(recipient)});
  }
  context.output().Raw(absl::StrCat(fields.Text(), "\n", table.Text()));
  return absl::OkStatus();
}

absl::Status Cancel(const Arguments& arguments, Context& context) {
  if (!arguments.Has("yes")) {
    RETURN_IF_ERROR(context.terminal().Confirm("Cancel the mail that still waits, so that nobody gets it?"));
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::CancelSubmissionRequest request;
  request.set_submission_id(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::CancelSubmissionResponse response,
                   store->Call(store::kCancelSubmission, request));
  context.output().Result(
      response,
      absl::StrCat(Plural(static_cast<uint64_t>(response.cancelled_count()), "recipient"), " cancelled",
                   response.in_flight_count() == 0
                       ? ""
                       : absl::StrCat("; ", response.in_flight_count(), " are being sent just now")));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SubmissionCommands() {
  return {
      {"submit",
       "",
       "Send one message in the name of an account.",
       {{"FILE"}},
       {{"from", "ADDRESS", "The reverse-path, and the account whose mail it is."},
        {"to", "ADDRESSES", "Who gets it: addresses separated by commas. May be repeated."},
        {"account", "ACCOUNT", "The account, where it sends as another address of its own."},
        {"send_time", "TIME",
         "When it goes out: 2026-12-24T18:00:00Z, or 2h from now. At most 30 days ahead."},
        {"all_or_nothing", "", "Send it to nobody when one recipient is refused."},
        {"request_id", "ID", "16 to 64 of [A-Za-z0-9_-]: a second submission with this id sends nothing."}},
       "\"-\" reads standard input. As port 587 does, the store checks who it is from, adds Received, Date "
       "and\n"
       "Message-ID, takes out Bcc, and signs it. What becomes of it: mailctl submission show.",
       "mailctl submit hello.eml --from=ann@example.test --to=bob@example.org\n"
       "mailctl submit - --from=ann@example.test --to=bob@example.org --send_time=2h < hello.eml",
       Submit},
      {"submission",
       "list",
       "List mail that was submitted, newest first.",
       {{"ACCOUNT", true}},
       {{"state", "STATE",
         "Only with a recipient in this state, as scheduled, queued, relayed, failed or bounced."}},
       "",
       "mailctl submission list ann@example.test --state failed",
       List},
      {"submission",
       "show",
       "Show what has become of mail that was submitted.",
       {{"ID"}},
       {},
       "",
       "mailctl submission show 5f3c0d2a9b7e41d8a6c05e3f7b1d9c24",
       Show},
      {"submission",
       "cancel",
       "Cancel what still waits of mail that was submitted.",
       {{"ID"}},
       {{"yes", "", "Do not ask first. Needed where there is no terminal to ask at."}},
       "What a front-end is sending at the moment is left alone.",
       "mailctl submission cancel 5f3c0d2a9b7e41d8a6c05e3f7b1d9c24 --yes",
       Cancel},
  };
}

}  // namespace mailstead::ctl
