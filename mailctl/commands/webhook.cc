#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/store/webhook_methods.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/time_word.h"
#include "mailctl/exit_code.h"
#include "mailctl/input.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

struct Kind {
  absl::string_view name;
  v1::WatchKind kind;
};
constexpr Kind kKinds[] = {
    {"delivered", v1::WATCH_KIND_DELIVERED},   {"deleted", v1::WATCH_KIND_DELETED},
    {"restored", v1::WATCH_KIND_RESTORED},     {"account", v1::WATCH_KIND_ACCOUNT},
    {"submission", v1::WATCH_KIND_SUBMISSION},
};

absl::StatusOr<v1::WatchKind> ParseKind(absl::string_view name) {
  for (const Kind& kind : kKinds) {
    if (kind.name == name) return kind.kind;
  }
  return UsageError(
      absl::StrCat("--events=", name, ": must be of delivered, deleted, restored, account and submission"));
}

bool NamesMailboxes(const Arguments& arguments) {
  return arguments.Has("mailbox") || arguments.Has("domain") || arguments.Has("all");
}

absl::Status TakeMailboxes(const Arguments& arguments, v1::WatchFilter& filter) {
  filter.clear_accounts();
  for (const std::string& mailbox : arguments.GetAll("mailbox")) filter.add_accounts(mailbox);
  filter.set_domain(arguments.Get("domain"));
  filter.set_all(arguments.Has("all"));
  const int named =
      (filter.accounts().empty() ? 0 : 1) + (filter.domain().empty() ? 0 : 1) + (filter.all() ? 1 : 0);
  if (named != 1) return UsageError("exactly one of --mailbox, --domain and --all must be given");
  return absl::OkStatus();
}

absl::Status TakeKinds(const Arguments& arguments, v1::WatchFilter& filter) {
  filter.clear_kinds();
  for (const std::string& events : arguments.GetAll("events")) {
    for (const absl::string_view name : absl::StrSplit(events, ',')) {
      ASSIGN_OR_RETURN(const v1::WatchKind kind, ParseKind(name));
      filter.add_kinds(kind);
    }
  }
  return absl::OkStatus();
}

std::string FilterText(const v1::WatchFilter& filter) {
  std::vector<std::string> kinds;
  for (const Kind& kind : kKinds) {
    for (const int wanted : filter.kinds()) {
      if (wanted == kind.kind) kinds.emplace_back(kind.name);
    }
  }
  const std::string events = kinds.empty() ? "everything" : absl::StrJoin(kinds, ",");
  if (filter.all()) return absl::StrCat(events, " of all");
  if (!filter.domain().empty()) return absl::StrCat(events, " of ", filter.domain());
  return absl::StrCat(events, " of ", Plural(static_cast<uint64_t>(filter.accounts_size()), "mailbox"));
}

std::string StateText(const v1::Webhook& webhook) {
  switch (webhook.state()) {
    case v1::Webhook::STATE_ACTIVE:
      return "active";
    case v1::Webhook::STATE_PAUSED:
      return "paused";
    case v1::Webhook::STATE_GONE:
      return "gone (410)";
    case v1::Webhook::STATE_FAILING:
      return "failing";
    case v1::Webhook::STATE_EXPIRED:
      return "expired";
    default:
      return "?";
  }
}

void Show(Output& output, const v1::Webhook& webhook) {
  FieldList fields;
  fields.Add("webhook", webhook.webhook_id());
  fields.Add("url", webhook.url());
  fields.Add("told of", FilterText(webhook.filter()));
  fields.Add("state", StateText(webhook));
  fields.Add("made", FormatTime(webhook.create_time()));
  fields.Add("changed", FormatTime(webhook.update_time()));
  if (webhook.has_old_secret_expire_time()) {
    fields.Add("old secret", absl::StrCat("signs too until ", FormatTime(webhook.old_secret_expire_time())));
  }
  fields.Add("last taken", FormatTime(webhook.success_time()));
  fields.Add("last failed", FormatTime(webhook.failure_time()));
  if (!webhook.failure().empty()) fields.Add("failure", webhook.failure());
  fields.Add("behind", Plural(static_cast<uint64_t>(webhook.lag_count()), "change"));
  fields.Add("waiting", Plural(static_cast<uint64_t>(webhook.waiting_count()), "event"));
  fields.Add("given up", Plural(static_cast<uint64_t>(webhook.dead_count()), "event"));
  if (webhook.dropped_count() > 0) {
    fields.Add("dropped", Plural(static_cast<uint64_t>(webhook.dropped_count()), "event"));
  }
  fields.Add("sent by", webhook.sender().empty() ? "nobody" : webhook.sender());
  output.Raw(fields.Text());
}

// ---- Commands

absl::StatusOr<std::string> ReadSecret(const Arguments& arguments, Context& context) {
  if (!arguments.Has("secret_file")) return std::string();
  // SECURITY: there is no option that takes the secret itself: other users of the machine see the arguments.
  ASSIGN_OR_RETURN(const std::unique_ptr<Input> input,
                   Input::Open(arguments.Get("secret_file"), context.terminal().input_fd()));
  ASSIGN_OR_RETURN(std::optional<std::string> line, input->ReadLine());
  if (!line.has_value() || line->empty()) return UsageError("--secret_file: the first line is empty");
  if (line->back() == '\r') line->pop_back();
  return *std::move(line);
}

void ShowMadeSecret(Output& output, const std::string& secret) {
  if (!secret.empty()) output.Line(absl::StrCat("its secret, which is not shown again: ", secret));
}

absl::Status Add(const Arguments& arguments, Context& context) {
  v1::CreateWebhookRequest request;
  request.set_url(arguments.positional(0));
  RETURN_IF_ERROR(TakeMailboxes(arguments, *request.mutable_filter()));
  RETURN_IF_ERROR(TakeKinds(arguments, *request.mutable_filter()));
  ASSIGN_OR_RETURN(const std::string secret, ReadSecret(arguments, context));
  request.set_secret(secret);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::CreateWebhookResponse response, store->Call(store::kCreateWebhook, request));
  context.output().Result(response, absl::StrCat("webhook ", response.webhook().webhook_id(),
                                                 " added: ", FilterText(response.webhook().filter())));
  ShowMadeSecret(context.output(), response.secret());
  return absl::OkStatus();
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "webhooks");
  Table table({{"WEBHOOK"},
               {"URL"},
               {"TOLD OF"},
               {"STATE"},
               {"BEHIND", true},
               {"WAITING", true},
               {"GIVEN UP", true}});
  const auto take = [&](const v1::ListWebhooksResponse& page) {
    for (const v1::Webhook& webhook : page.webhooks()) {
      json.Add(webhook);
      table.Row({webhook.webhook_id(), webhook.url(), FilterText(webhook.filter()), StateText(webhook),
                 absl::StrCat(webhook.lag_count()), absl::StrCat(webhook.waiting_count()),
                 absl::StrCat(webhook.dead_count())});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListWebhooks, v1::ListWebhooksRequest(), take));
  json.Finish();
  if (context.output().json()) return absl::OkStatus();
  context.output().Raw(table.empty() ? "no webhooks\n" : table.Text());
  return absl::OkStatus();
}

// Calls a method that has the id and gives the webhook.
template <typename Request>
absl::StatusOr<v1::Webhook> CallFor(store::Method<Request, v1::Webhook> method, const Arguments& arguments,
                                    Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  Request request;
  request.set_webhook_id(arguments.positional(0));
  return store->Call(method, request);
}

absl::Status ShowOne(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const v1::Webhook webhook, CallFor(store::kGetWebhook, arguments, context));
  context.output().Json(webhook);
  if (!context.output().json()) Show(context.output(), webhook);
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  const bool filters = NamesMailboxes(arguments) || arguments.Has("events");
  if (!filters && !arguments.Has("url")) {
    return UsageError("nothing to change: give --url, --events, or one of --mailbox, --domain and --all");
  }
  // With the etag of what was read: a change that somebody else makes meanwhile is not lost.
  v1::UpdateWebhookRequest request;
  ASSIGN_OR_RETURN(*request.mutable_webhook(), CallFor(store::kGetWebhook, arguments, context));
  v1::Webhook& webhook = *request.mutable_webhook();
  if (arguments.Has("url")) {
    webhook.set_url(arguments.Get("url"));
    request.mutable_update_mask()->add_paths("url");
  }
  if (NamesMailboxes(arguments)) RETURN_IF_ERROR(TakeMailboxes(arguments, *webhook.mutable_filter()));
  if (arguments.Has("events")) RETURN_IF_ERROR(TakeKinds(arguments, *webhook.mutable_filter()));
  if (filters) request.mutable_update_mask()->add_paths("filter");
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Webhook changed, store->Call(store::kUpdateWebhook, request));
  context.output().Result(changed, absl::StrCat("webhook ", changed.webhook_id(), " changed: ",
                                                FilterText(changed.filter()), ", to ", changed.url()));
  return absl::OkStatus();
}

absl::Status Rotate(const Arguments& arguments, Context& context) {
  v1::RotateWebhookSecretRequest request;
  request.set_webhook_id(arguments.positional(0));
  if (arguments.Has("overlap")) {
    ASSIGN_OR_RETURN(const absl::Duration overlap, ParseDurationWord("overlap", arguments.Get("overlap")));
    request.mutable_overlap()->set_seconds(absl::ToInt64Seconds(overlap));
  }
  ASSIGN_OR_RETURN(*request.mutable_secret(), ReadSecret(arguments, context));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::RotateWebhookSecretResponse response,
                   store->Call(store::kRotateWebhookSecret, request));
  const v1::Webhook& webhook = response.webhook();
  const std::string old =
      webhook.has_old_secret_expire_time()
          ? absl::StrCat("; the old one signs too until ", FormatTime(webhook.old_secret_expire_time()))
          : std::string("; the old one has ended");
  context.output().Result(response,
                          absl::StrCat("webhook ", webhook.webhook_id(), " has another secret", old));
  ShowMadeSecret(context.output(), response.secret());
  return absl::OkStatus();
}

absl::Status Pause(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const v1::Webhook webhook, CallFor(store::kPauseWebhook, arguments, context));
  context.output().Result(webhook, absl::StrCat("webhook ", webhook.webhook_id(), " paused"));
  return absl::OkStatus();
}

absl::Status Resume(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const v1::Webhook webhook, CallFor(store::kResumeWebhook, arguments, context));
  context.output().Result(webhook, absl::StrCat("webhook ", webhook.webhook_id(), " sends again"));
  return absl::OkStatus();
}

absl::Status Test(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::TestWebhookRequest request;
  request.set_webhook_id(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::TestWebhookResponse response, store->Call(store::kTestWebhook, request));
  context.output().Result(response, absl::StrCat("a test is sent; mailctl webhook show ",
                                                 request.webhook_id(), " says what became of it"));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteWebhookRequest request;
  request.set_webhook_id(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::DeleteWebhookResponse response, store->Call(store::kDeleteWebhook, request));
  context.output().Result(response, absl::StrCat("webhook ", request.webhook_id(), " removed"));
  return absl::OkStatus();
}

absl::Status Dead(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "events");
  Table table({{"EVENT"}, {"TYPE"}, {"HAPPENED"}, {"ADDRESS"}, {"GIVEN UP"}, {"TRIES", true}, {"FAILURE"}});
  const auto take = [&](const v1::ListDeadWebhookEventsResponse& page) {
    for (const v1::DeadWebhookEvent& event : page.events()) {
      json.Add(event);
      table.Row({event.event_id(), event.type(), FormatTime(event.event().time()), event.event().address(),
                 FormatTime(event.give_up_time()), absl::StrCat(event.attempt_count()), event.failure()});
    }
  };
  v1::ListDeadWebhookEventsRequest request;
  request.set_webhook_id(arguments.positional(0));
  RETURN_IF_ERROR(store->Pages(store::kListDeadWebhookEvents, request, take));
  json.Finish();
  if (context.output().json()) return absl::OkStatus();
  context.output().Raw(table.empty() ? "no events were given up\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Retry(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::RetryDeadWebhookEventsRequest request;
  const std::vector<std::string>& words = arguments.positionals();
  request.set_webhook_id(words[0]);
  if (arguments.Has("all") == (words.size() > 1)) return UsageError("give events, or --all");
  for (size_t i = 1; i < words.size(); ++i) request.add_event_ids(words[i]);
  if (arguments.Has("all")) {
    const auto take = [&](const v1::ListDeadWebhookEventsResponse& page) {
      for (const v1::DeadWebhookEvent& event : page.events()) {
        // As many as one call takes, which is as many as are kept.
        if (request.event_ids_size() < 1000) request.add_event_ids(event.event_id());
      }
    };
    v1::ListDeadWebhookEventsRequest all;
    all.set_webhook_id(words[0]);
    RETURN_IF_ERROR(store->Pages(store::kListDeadWebhookEvents, all, take));
  }
  v1::RetryDeadWebhookEventsResponse response;
  if (request.event_ids_size() > 0) {
    ASSIGN_OR_RETURN(response, store->Call(store::kRetryDeadWebhookEvents, request));
  }
  context.output().Result(
      response, absl::StrCat(Plural(static_cast<uint64_t>(response.event_count()), "event"), " sent again"));
  return absl::OkStatus();
}

constexpr absl::string_view kAddDetails =
    "Events are posted as JSON, signed as the Standard Webhooks specification says; docs/webhooks.md has "
    "what a "
    "receiver\ndoes with them. FILE has the secret in its first line (- is standard input): whsec_ and the "
    "base64 of "
    "24 to 64\nbytes. Without it the store makes one, which is shown once. What has happened before is not "
    "sent.";

}  // namespace

std::vector<Command> WebhookCommands() {
  return {
      {"webhook",
       "add",
       "Post what happens to a URL, from now on.",
       {{"URL"}},
       {{"secret_file", "FILE", "File with the secret that events are signed with."},
        {"events", "KINDS", "Of delivered,deleted,restored,account,submission; delivered by default."},
        {"mailbox", "ADDRESS", "What happens to this mailbox and its account; may be given again."},
        {"domain", "DOMAIN", "What happens to the mailboxes of this domain."},
        {"all", "", "What happens to all mailboxes."}},
       kAddDetails,
       "mailctl webhook add https://app.example.org/mail --domain example.org --secret_file secret.txt\n"
       "mailctl webhook add https://app.example.org/mail --all --events delivered,deleted",
       Add},
      {"webhook", "list", "List all webhooks.", {}, {}, "", "mailctl webhook list", List},
      {"webhook",
       "show",
       "Show a webhook: how far it is, and what failed last.",
       {{"WEBHOOK"}},
       {},
       "The secret is never shown.",
       "mailctl webhook show 0123456789abcdef",
       ShowOne},
      {"webhook",
       "set",
       "Change where a webhook posts, or what.",
       {{"WEBHOOK"}},
       {{"url", "URL", "Where it posts from now on, what waits too."},
        {"events", "KINDS", "Of delivered,deleted,restored,account,submission."},
        {"mailbox", "ADDRESS", "What happens to this mailbox and its account; may be given again."},
        {"domain", "DOMAIN", "What happens to the mailboxes of this domain."},
        {"all", "", "What happens to all mailboxes."}},
       "What is not given stays, and so does its place: nothing is lost. Some may be sent again.",
       "mailctl webhook set 0123456789abcdef --url https://new.example.org/mail\n"
       "mailctl webhook set 0123456789abcdef --events delivered,deleted",
       Set},
      {"webhook",
       "rotate",
       "Give a webhook another secret.",
       {{"WEBHOOK"}},
       {{"secret_file", "FILE", "File with the new secret; else the store makes one, which is shown once."},
        {"overlap", "TIME", "How long what is posted is signed with the old one, too: 12h, 30d at most."}},
       "During the overlap each post has two signatures: give the new secret to the receivers in that time.\n"
       "Without it the old one ends at once, as when somebody else has it.",
       "mailctl webhook rotate 0123456789abcdef --overlap 7d",
       Rotate},
      {"webhook",
       "pause",
       "Send nothing until resume.",
       {{"WEBHOOK"}},
       {},
       "What happens meanwhile is sent later, as far as the store still keeps it (--change_age, "
       "--change_count).",
       "mailctl webhook pause 0123456789abcdef",
       Pause},
      {"webhook",
       "resume",
       "Send again.",
       {{"WEBHOOK"}},
       {},
       "From where it was; one that has expired from now on.",
       "mailctl webhook resume 0123456789abcdef",
       Resume},
      {"webhook",
       "test",
       "Send a test, once.",
       {{"WEBHOOK"}},
       {},
       "One that is not taken is given up at once.",
       "mailctl webhook test 0123456789abcdef",
       Test},
      {"webhook",
       "dead",
       "List events that were given up.",
       {{"WEBHOOK"}},
       {},
       "After three days of tries. The last 1,000 are kept, for 30 days.",
       "mailctl webhook dead 0123456789abcdef",
       Dead},
      {"webhook",
       "retry",
       "Send events that were given up again.",
       {{"WEBHOOK"}, {"EVENT", true, true}},
       {{"all", "", "All of them."}},
       "",
       "mailctl webhook retry 0123456789abcdef evt_0123abcd_17_0\n"
       "mailctl webhook retry 0123456789abcdef --all",
       Retry},
      {"webhook",
       "remove",
       "Take a webhook away, with what waits.",
       {{"WEBHOOK"}},
       {},
       "",
       "mailctl webhook remove 0123456789abcdef",
       Remove},
  };
}

}  // namespace mailstead::ctl
