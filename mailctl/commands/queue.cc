#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

using Action = v1::ChangeQueuedMessagesRequest;

// ---- Words

std::string SenderText(const std::string& reverse_path) { return reverse_path.empty() ? "<>" : reverse_path; }

// "550 5.1.1 no such user (mx.example.test)"; "-" before the first attempt.
std::string ReplyText(const v1::QueuedRecipient& recipient) {
  if (!recipient.has_reply_time()) return "-";
  std::string text;
  if (recipient.reply_code() != 0) absl::StrAppend(&text, recipient.reply_code(), " ");
  if (!recipient.reply_status().empty()) absl::StrAppend(&text, recipient.reply_status(), " ");
  absl::StrAppend(&text, recipient.reply_text());
  if (!recipient.reply_host().empty()) absl::StrAppend(&text, " (", recipient.reply_host(), ")");
  return text;
}

// What it waits for: "held", "being sent", "2026-11-29T10:00:00Z".
std::string NextText(const v1::QueuedRecipient& recipient) {
  switch (recipient.state()) {
    case v1::QueuedRecipient::STATE_HELD:
      return "held";
    case v1::QueuedRecipient::STATE_IN_FLIGHT:
      return "being sent";
    default:
      return recipient.has_next_attempt_time() ? FormatTime(recipient.next_attempt_time()) : "now";
  }
}

// ---- From the command line

absl::StatusOr<v1::QueueFilter> FilterOf(const Arguments& arguments, size_t positional) {
  v1::QueueFilter filter;
  if (const std::string& id = arguments.positional(positional); !id.empty()) {
    ASSIGN_OR_RETURN(const uint64_t number, ParseId("id", id));
    filter.set_queue_id(static_cast<int64_t>(number));
  }
  filter.set_sender(arguments.Get("sender"));
  filter.set_recipient(arguments.Get("recipient"));
  filter.set_destination(arguments.Get("destination"));
  return filter;
}

bool IsEmpty(const v1::QueueFilter& filter) {
  return filter.queue_id() == 0 && filter.sender().empty() && filter.recipient().empty() && filter.destination().empty();
}

std::vector<Option> FilterOptions() {
  return {
      {"sender", "ADDRESS", "Only mail from this address, from @DOMAIN, or from <> (notices)."},
      {"recipient", "ADDRESS", "Only for this address, or for @DOMAIN."},
      {"destination", "DOMAIN", "Only what waits for this domain's hosts; mailbox:ID for that mailbox here."},
  };
}

std::vector<Option> ChangeOptions() {
  std::vector<Option> options = FilterOptions();
  options.push_back({"all", "", "Everything in the queue."});
  options.push_back({"dry_run", "", "Only say what would be done."});
  options.push_back({"yes", "", "Do not ask first. Needed where there is no terminal to ask at."});
  return options;
}

// ---- Commands

absl::Status List(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ListQueuedMessagesRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(arguments, 0));
  JsonList json(context.output(), "messages");
  Table table({{"ID", true}, {"SINCE"}, {"FROM"}, {"TO"}, {"TRIES", true}, {"NEXT"}, {"LAST REPLY"}});
  const auto take = [&](const v1::ListQueuedMessagesResponse& page) {
    for (const v1::QueuedMessage& message : page.messages()) {
      json.Add(message);
      if (context.output().json()) continue;
      for (const v1::QueuedRecipient& recipient : message.recipients()) {
        table.Row({absl::StrCat(message.queue_id()), FormatTime(message.queue_time()),
                   SenderText(message.envelope().reverse_path()), recipient.address(),
                   absl::StrCat(recipient.attempt_count()), NextText(recipient), ReplyText(recipient)});
      }
      const int64_t more = message.recipient_count() - message.recipients_size();
      if (more > 0 && request.filter().recipient().empty() && request.filter().destination().empty()) {
        table.Row({absl::StrCat(message.queue_id()), "", "", absl::StrCat("and ", more, " more"), "", "", ""});
      }
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListQueuedMessages, request, take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "the queue is empty\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const uint64_t id, ParseId("id", arguments.positional(0)));
  v1::GetQueuedMessageRequest request;
  request.set_queue_id(static_cast<int64_t>(id));
  request.set_recipient_limit(1000);
  ASSIGN_OR_RETURN(v1::QueuedMessage message, store->Call(store::kGetQueuedMessage, request));
  // A message has at most some thousand recipients.
  for (v1::QueuedMessage page = message; page.recipients_size() == request.recipient_limit();) {
    request.set_first_recipient(page.recipients(page.recipients_size() - 1).number() + 1);
    ASSIGN_OR_RETURN(page, store->Call(store::kGetQueuedMessage, request));
    message.mutable_recipients()->MergeFrom(page.recipients());
  }
  context.output().Json(message);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("id", absl::StrCat(message.queue_id()));
  fields.Add("from", SenderText(message.envelope().reverse_path()));
  fields.Add("delivery", message.envelope().delivery_id());
  fields.Add("since", FormatTime(message.queue_time()));
  fields.Add("until", FormatTime(message.expire_time()));
  fields.Add("size", FormatBytes(static_cast<uint64_t>(message.size_bytes())));
  fields.Add("recipients", absl::StrCat(message.recipient_count()));
  Table table({{"TO"}, {"DESTINATION"}, {"TRIES", true}, {"NEXT"}, {"LAST REPLY"}});
  for (const v1::QueuedRecipient& recipient : message.recipients()) {
    table.Row({recipient.address(), recipient.destination(), absl::StrCat(recipient.attempt_count()), NextText(recipient),
               ReplyText(recipient)});
  }
  context.output().Raw(absl::StrCat(fields.Text(), "\n", table.Text()));
  return absl::OkStatus();
}

// What holds a destination's mail up, or makes it go otherwise than usual; "-": nothing.
std::string StateText(const v1::Destination& destination) {
  std::vector<std::string> words;
  if (destination.has_paused_until())
    words.push_back(absl::StrCat("away until ", FormatTime(destination.paused_until())));
  if (destination.has_paced_until()) {
    words.push_back(absl::StrCat("at its rate until ", FormatTime(destination.paced_until())));
  }
  if (destination.has_tls_broken_until()) {
    words.push_back(
        absl::StrCat("TLS broken, in the clear until ", FormatTime(destination.tls_broken_until())));
  }
  return words.empty() ? "-" : absl::StrJoin(words, "; ");
}

// "mx1.example.net,mx2.example.net", and with how many others it shares them.
std::string SiteText(const v1::Destination& destination) {
  if (destination.site().empty()) return "-";
  const int64_t others = destination.site_destination_count() - 1;
  if (others <= 0) return destination.site();
  return absl::StrCat(destination.site(), " (with ", others, others == 1 ? " other)" : " others)");
}

absl::Status Destinations(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "destinations");
  Table table(
      {{"DESTINATION"}, {"WAITING", true}, {"BEING SENT", true}, {"AT A TIME", true}, {"STATE"}, {"HOSTS"}});
  const auto take = [&](const v1::ListDestinationsResponse& page) {
    for (const v1::Destination& destination : page.destinations()) {
      json.Add(destination);
      if (context.output().json()) continue;
      table.Row({destination.name(), absl::StrCat(destination.recipient_count()),
                 absl::StrCat(destination.in_flight_count()), absl::StrCat(destination.window()),
                 StateText(destination), SiteText(destination)});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListDestinations, v1::ListDestinationsRequest(), take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "the queue is empty\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Stats(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::GetQueueStatusResponse status,
                   store->Call(store::kGetQueueStatus, v1::GetQueueStatusRequest()));
  context.output().Json(status);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("messages", absl::StrCat(status.message_count()));
  fields.Add("recipients", absl::StrCat(status.recipient_count()));
  fields.Add("being sent", absl::StrCat(status.in_flight_count()));
  fields.Add("held", absl::StrCat(status.held_count()));
  fields.Add("oldest", FormatTime(status.oldest_time()));
  const bool stuck = status.relay_count() == 0 && status.recipient_count() > 0;
  fields.Add("relays", stuck ? "none: NOTHING MOVES to other hosts (smtpd --delivery_workers)" : absl::StrCat(status.relay_count()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

// Does it with what fits, and says with how many recipients of how many messages.
absl::Status Change(const Arguments& arguments, Context& context, Action::Action action, absl::string_view done,
                    absl::string_view question) {
  v1::ChangeQueuedMessagesRequest request;
  ASSIGN_OR_RETURN(*request.mutable_filter(), FilterOf(arguments, 0));
  // Nothing named is everything: that is said, not meant.
  if (IsEmpty(request.filter()) != arguments.Has("all")) {
    return UsageError(arguments.Has("all") ? "--all excludes an ID and the other options"
                                           : "give an ID, --sender, --recipient or --destination; or --all");
  }
  request.set_action(action);
  request.set_dry_run(arguments.Has("dry_run"));
  if (!question.empty() && !request.dry_run() && !arguments.Has("yes")) {
    RETURN_IF_ERROR(context.terminal().Confirm(question));
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "changes");
  uint64_t messages = 0, recipients = 0, in_flight = 0;
  const auto take = [&](const v1::ChangeQueuedMessagesResponse& change) {
    json.Add(change);
    messages += change.changed_count() > 0 ? 1 : 0;
    recipients += static_cast<uint64_t>(change.changed_count());
    in_flight += static_cast<uint64_t>(change.in_flight_count());
  };
  RETURN_IF_ERROR(store->ReadAll(store::kChangeQueuedMessages, request, kTransferTimeout, take));
  json.Finish(absl::StrCat("\"changed_count\": ", JsonNumber(recipients), ", \"in_flight_count\": ", JsonNumber(in_flight)));
  context.output().Line(absl::StrCat(Plural(recipients, "recipient"), " of ", Plural(messages, "message"),
                                     request.dry_run() ? " would be " : " ", done,
                                     in_flight == 0 ? "" : absl::StrCat("; ", in_flight, " are being sent just now")));
  return absl::OkStatus();
}

absl::Status Hold(const Arguments& arguments, Context& context) {
  return Change(arguments, context, Action::ACTION_HOLD, "held", "");
}
absl::Status Release(const Arguments& arguments, Context& context) {
  return Change(arguments, context, Action::ACTION_RELEASE, "released", "");
}
absl::Status Retry(const Arguments& arguments, Context& context) {
  return Change(arguments, context, Action::ACTION_RETRY, "due now", "");
}
absl::Status Cancel(const Arguments& arguments, Context& context) {
  return Change(arguments, context, Action::ACTION_CANCEL, "taken out",
                "Take the mail out of the queue, so that nobody gets it and its senders are not told?");
}
absl::Status Bounce(const Arguments& arguments, Context& context) {
  return Change(arguments, context, Action::ACTION_BOUNCE, "returned", "Return the mail to its senders?");
}

constexpr absl::string_view kChangeDetails =
    "ID is of one message; without it the options choose, and all that are given must fit. What a front-end is sending\n"
    "at the moment is left alone.";

}  // namespace

std::vector<Command> QueueCommands() {
  const std::vector<Positional> id = {{"ID", true}};
  return {
      {"queue", "list", "List mail that waits for other hosts.", id, FilterOptions(),
       "With the last reply to each recipient, and when it is tried next.",
       "mailctl queue list\nmailctl queue list --destination example.org", List},
      {"queue", "show", "Show a message that waits, with all its recipients.", {{"ID"}}, {}, "", "mailctl queue show 7",
       Show},
      {"queue",
       "destinations",
       "List the domains that mail waits for.",
       {},
       {},
       "How many attempts its hosts take at a time, as it seems, and what holds its mail up: that they do "
       "not answer, or\n"
       "that the rate is reached. Domains with the same hosts share all that.",
       "mailctl queue destinations",
       Destinations},
      {"queue", "stats", "Count what waits.", {}, {}, "", "mailctl queue stats", Stats},
      {"queue", "hold", "Keep mail from being sent until it is released.", id, ChangeOptions(), kChangeDetails,
       "mailctl queue hold --sender @example.test --dry_run", Hold},
      {"queue", "release", "Let mail that is held go.", id, ChangeOptions(), kChangeDetails, "mailctl queue release --all",
       Release},
      {"queue", "retry", "Try mail now, whatever the schedule says.", id, ChangeOptions(), kChangeDetails,
       "mailctl queue retry --destination example.org", Retry},
      {"queue", "cancel", "Take mail out of the queue without a word to its senders.", id, ChangeOptions(), kChangeDetails,
       "mailctl queue cancel 7 --yes", Cancel},
      {"queue", "bounce", "Return mail to its senders.", id, ChangeOptions(), kChangeDetails,
       "mailctl queue bounce --recipient gone@example.org", Bounce},
  };
}

}  // namespace mailstead::ctl
