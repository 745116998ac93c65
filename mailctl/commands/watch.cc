#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

// What a person reads of one deletion, or restoration.
constexpr int kMaxShownIds = 20;

std::string CauseText(v1::WatchDeleted::Cause cause) {
  switch (cause) {
    case v1::WatchDeleted::CAUSE_API:
      return "by the API";
    case v1::WatchDeleted::CAUSE_POP3:
      return "by POP3";
    case v1::WatchDeleted::CAUSE_ACCOUNT_REMOVED:
      return "with the account";
    case v1::WatchDeleted::CAUSE_RETENTION:
      return "by retention";
    default:
      return "";
  }
}

std::string IdsText(const google::protobuf::RepeatedField<int64_t>& ids) {
  const int shown = std::min(ids.size(), kMaxShownIds);
  std::string text = absl::StrJoin(ids.begin(), ids.begin() + shown, ",");
  if (shown < ids.size()) absl::StrAppend(&text, " and ", ids.size() - shown, " more");
  return text;
}

std::string DeletedText(const v1::WatchDeleted& deleted) {
  if (deleted.all()) return absl::StrCat("all messages deleted ", CauseText(deleted.cause()));
  return absl::StrCat("deleted ", IdsText(deleted.message_ids()), " ", CauseText(deleted.cause()));
}

std::string ChangedText(const v1::WatchAccountChanged& changed) {
  switch (changed.change()) {
    case v1::WatchAccountChanged::CHANGE_CREATED:
      return "account created";
    case v1::WatchAccountChanged::CHANGE_UPDATED:
      return "account updated";
    case v1::WatchAccountChanged::CHANGE_RENAMED:
      return absl::StrCat("account renamed from ", changed.old_address(), " to ", changed.address());
    case v1::WatchAccountChanged::CHANGE_DISABLED:
      return "account disabled";
    case v1::WatchAccountChanged::CHANGE_ENABLED:
      return "account enabled";
    case v1::WatchAccountChanged::CHANGE_REMOVED:
      return "account removed";
    default:
      return "account changed";
  }
}

std::string SubmissionText(const v1::SubmissionEvent& event) {
  const std::string outcome = v1::SubmissionEvent::Outcome_Name(event.outcome());
  return absl::StrCat("submission ", event.submission_id(), " to ", event.recipient(), ": ", outcome, " ",
                      event.reply_code(), " ", event.reply_text());
}

std::string DeliveredText(const v1::WatchDelivered& delivered) {
  if (!delivered.has_message())
    return absl::StrCat("delivered ", delivered.message_id(), ", which is gone already");
  const v1::MessageSummary& message = delivered.message().summary();
  const std::string from = message.reverse_path().empty() ? "<>" : message.reverse_path();
  return absl::StrCat("delivered ", delivered.message_id(), " from ", from, ", ",
                      FormatBytes(static_cast<uint64_t>(message.size_bytes())));
}

// Empty: nothing to be shown.
std::string Text(const v1::WatchEvent& event) {
  switch (event.event_case()) {
    case v1::WatchEvent::kDelivered:
      return DeliveredText(event.delivered());
    case v1::WatchEvent::kDeleted:
      return DeletedText(event.deleted());
    case v1::WatchEvent::kRestored:
      return absl::StrCat("restored ", IdsText(event.restored().message_ids()));
    case v1::WatchEvent::kAccountChanged:
      return ChangedText(event.account_changed());
    case v1::WatchEvent::kSubmission:
      return SubmissionText(event.submission());
    default:
      return "";
  }
}

// One line for each event, at once, so that a program behind a pipe sees it: no document.
void Show(Output& output, const v1::WatchEvent& event) {
  if (output.json()) {
    output.Raw(absl::StrCat(JsonOf(event), "\n"));
  } else if (const std::string text = Text(event); !text.empty()) {
    output.Line(
        absl::StrCat(FormatTime(event.time()), " ", Printable(event.address()), " ", Printable(text)));
  } else if (event.has_started()) {
    output.Line(absl::StrCat("from cursor ", absl::WebSafeBase64Escape(event.cursor())));
  }
  output.Flush();
}

// "now", "start", or a cursor in base64.
absl::Status ReadFrom(const Arguments& arguments, v1::WatchStart& start, std::string& cursor) {
  const std::string from = arguments.Get("from", "now");
  if (from == "now" || from == "start") {
    start = from == "now" ? v1::WATCH_START_NOW : v1::WATCH_START_OLDEST;
    return absl::OkStatus();
  }
  if (absl::WebSafeBase64Unescape(from, &cursor) || absl::Base64Unescape(from, &cursor))
    return absl::OkStatus();
  return UsageError(absl::StrCat("--from=", from, ": must be now, start or a cursor"));
}

absl::StatusOr<v1::WatchFilter> FilterOf(const Arguments& arguments) {
  v1::WatchFilter filter;
  for (const std::string& account : arguments.GetAll("account")) filter.add_accounts(account);
  filter.set_domain(arguments.Get("domain"));
  filter.set_all(arguments.Has("all"));
  const int named =
      (filter.accounts().empty() ? 0 : 1) + (filter.domain().empty() ? 0 : 1) + (filter.all() ? 1 : 0);
  if (named != 1) return UsageError("exactly one of --account, --domain and --all must be given");
  return filter;
}

std::vector<Option> FilterOptions() {
  return {
      {"account", "ADDRESS", "What happens to this account and its mailbox; may be given again."},
      {"domain", "DOMAIN", "What happens to the accounts of this domain."},
      {"all", "", "What happens to all accounts."},
      {"from", "FROM", "Where to begin: now, start (all that is kept), or a cursor; now by default."},
  };
}

absl::Status Watch(const Arguments& arguments, Context& context) {
  v1::WatchRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(arguments));
  v1::WatchStart start = v1::WATCH_START_UNSPECIFIED;
  RETURN_IF_ERROR(ReadFrom(arguments, start, *request.mutable_cursor()));
  request.set_start(start);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const auto take = [&](const v1::WatchResponse& response) {
    for (const v1::WatchEvent& event : response.events()) Show(context.output(), event);
  };
  return store->ReadAll(store::kWatch, request, kVerifyTimeout, take);
}

// ---- Consumers

std::string FilterText(const v1::WatchFilter& filter) {
  if (filter.all()) return "all";
  if (!filter.domain().empty()) return filter.domain();
  return absl::StrCat("account ", absl::StrJoin(filter.accounts(), ","));
}

std::string LagText(const v1::Consumer& consumer) {
  if (consumer.expired()) return "expired: reset it";
  return absl::StrCat(consumer.lag_count(), consumer.lag_count() > 0 ? ", " : "",
                      consumer.lag_count() > 0 ? FormatDuration(consumer.lag()) : "");
}

std::string WorkerText(const v1::Consumer& consumer) {
  if (consumer.active_peer().empty()) return "-";
  return absl::StrCat(consumer.active_peer(), " (", consumer.active_worker(), ")");
}

absl::Status Create(const Arguments& arguments, Context& context) {
  v1::CreateConsumerRequest request;
  request.set_name(arguments.positional(0));
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(arguments));
  v1::WatchStart start = v1::WATCH_START_UNSPECIFIED;
  RETURN_IF_ERROR(ReadFrom(arguments, start, *request.mutable_cursor()));
  request.set_start(start);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Consumer consumer, store->Call(store::kCreateConsumer, request));
  context.output().Result(consumer, absl::StrCat("consumer ", consumer.name(), " created"));
  return absl::OkStatus();
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "consumers");
  Table table({{"NAME"}, {"OF"}, {"BEHIND"}, {"ACTIVE"}, {"WAITING", /*right=*/true}});
  const auto take = [&](const v1::ListConsumersResponse& page) {
    for (const v1::Consumer& consumer : page.consumers()) {
      json.Add(consumer);
      table.Row({consumer.name(), FilterText(consumer.filter()), LagText(consumer), WorkerText(consumer),
                 absl::StrCat(consumer.waiting_count())});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListConsumers, v1::ListConsumersRequest(), take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no consumers\n" : table.Text());
  return absl::OkStatus();
}

void ShowConsumer(Output& output, const v1::Consumer& consumer) {
  output.Json(consumer);
  if (output.json()) return;
  FieldList fields;
  fields.Add("name", consumer.name());
  fields.Add("of", FilterText(consumer.filter()));
  fields.Add("made", FormatTime(consumer.create_time()));
  fields.Add("acknowledged", FormatTime(consumer.ack_time()));
  fields.Add("behind", LagText(consumer));
  fields.Add("active", WorkerText(consumer));
  fields.Add("waiting", absl::StrCat(consumer.waiting_count()));
  fields.Add("silent for at most", FormatDuration(consumer.ack_timeout()));
  output.Raw(fields.Text());
}

absl::Status ShowOne(const Arguments& arguments, Context& context) {
  v1::GetConsumerRequest request;
  request.set_name(arguments.positional(0));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Consumer consumer, store->Call(store::kGetConsumer, request));
  ShowConsumer(context.output(), consumer);
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  v1::DeleteConsumerRequest request;
  request.set_name(arguments.positional(0));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::DeleteConsumerResponse response, store->Call(store::kDeleteConsumer, request));
  context.output().Result(response, absl::StrCat("consumer ", request.name(), " removed"));
  return absl::OkStatus();
}

absl::Status Reset(const Arguments& arguments, Context& context) {
  v1::ResetConsumerRequest request;
  request.set_name(arguments.positional(0));
  v1::WatchStart start = v1::WATCH_START_UNSPECIFIED;
  RETURN_IF_ERROR(ReadFrom(arguments, start, *request.mutable_cursor()));
  request.set_start(start);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Consumer consumer, store->Call(store::kResetConsumer, request));
  context.output().Result(
      consumer, absl::StrCat("consumer ", consumer.name(), " reset: ", LagText(consumer), " behind"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> WatchCommands() {
  return {
      {"watch",
       "",
       "Show what happens to mailboxes and accounts, as it happens.",
       {},
       FilterOptions(),
       "Runs until Ctrl-C, a day at most. With --json each event is a line of its own, heartbeats included; "
       "its\n"
       "cursor, given to --from, goes on behind it.",
       "mailctl watch --all\n"
       "mailctl watch --account help@example.test --from start --json",
       Watch},
  };
}

std::vector<Command> ConsumerCommands() {
  return {
      {"consumer",
       "create",
       "Keep a place in the change feed for the workers of a program.",
       {{"NAME"}},
       FilterOptions(),
       "Of the workers that watch as it one is active at a time. It holds nothing back: what is older than "
       "stored\n"
       "--change_age goes, acknowledged or not.",
       "mailctl consumer create desk --account help@example.test",
       Create},
      {"consumer",
       "list",
       "List consumers, and how far behind they are.",
       {},
       {},
       "",
       "mailctl consumer list",
       List},
      {"consumer",
       "show",
       "Show a consumer.",
       {{"NAME"}},
       {},
       "BEHIND counts all changes of the store, those included that are not for it.",
       "mailctl consumer show desk",
       ShowOne},
      {"consumer",
       "remove",
       "Remove a consumer, and end its streams.",
       {{"NAME"}},
       {},
       "",
       "mailctl consumer remove desk",
       Remove},
      {"consumer",
       "reset",
       "Set a consumer to another place.",
       {{"NAME"}},
       {{"from", "FROM", "Where to go on: now, start (all that is kept), or a cursor; now by default."}},
       "For one that has expired: list what there is, then go on from now.",
       "mailctl consumer reset desk",
       Reset},
  };
}

}  // namespace mailstead::ctl
