#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/account_import.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/password.h"
#include "mailctl/commands/retention_word.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

// "--quota_bytes" and its kin, those that were given.
struct Changes {
  std::optional<std::string> address;
  std::optional<uint64_t> quota_bytes;
  std::optional<uint64_t> quota_messages;
  std::optional<bool> disabled;
  std::optional<absl::Duration> retention;
  // Its domain's again.
  bool retention_of_domain = false;
  bool operator==(const Changes&) const = default;
};

absl::StatusOr<Changes> TakeChanges(const Arguments& arguments) {
  Changes changes;
  if (arguments.Has("address")) changes.address = arguments.Get("address");
  ASSIGN_OR_RETURN(changes.quota_bytes, arguments.GetBytes("quota_bytes"));
  ASSIGN_OR_RETURN(changes.quota_messages, arguments.GetCount("quota_messages"));
  ASSIGN_OR_RETURN(changes.disabled, arguments.GetBool("disabled"));
  changes.retention_of_domain = arguments.Get(kRetentionName) == "domain";
  if (!changes.retention_of_domain) {
    ASSIGN_OR_RETURN(changes.retention, ReadRetention(arguments));
  }
  return changes;
}

// What was not given stays as it is in `account`; what was is named in `mask`.
void Apply(const Changes& changes, v1::Account& account, google::protobuf::FieldMask& mask) {
  if (changes.address.has_value()) {
    account.set_address(*changes.address);
    mask.add_paths("address");
  }
  if (changes.quota_bytes.has_value()) {
    account.mutable_quota()->set_bytes(static_cast<int64_t>(*changes.quota_bytes));
  }
  if (changes.quota_messages.has_value()) {
    account.mutable_quota()->set_messages(static_cast<int64_t>(*changes.quota_messages));
  }
  if (changes.quota_bytes.has_value() || changes.quota_messages.has_value()) mask.add_paths("quota");
  if (changes.disabled.has_value()) {
    account.set_state(*changes.disabled ? v1::ACCOUNT_STATE_DISABLED : v1::ACCOUNT_STATE_ACTIVE);
    mask.add_paths("state");
  }
  if (changes.retention_of_domain) account.clear_retention();
  if (changes.retention.has_value()) SetRetention(*changes.retention, *account.mutable_retention());
  if (changes.retention_of_domain || changes.retention.has_value()) mask.add_paths("retention");
}

absl::string_view StateText(const v1::Account& account) {
  return account.state() == v1::ACCOUNT_STATE_DISABLED ? "disabled" : "active";
}

// "--hourly_recipients" and its kin, those that were given. "default": the store's again.
struct Limits {
  std::optional<std::string> hourly_messages;
  std::optional<std::string> daily_messages;
  std::optional<std::string> hourly_recipients;
  std::optional<std::string> daily_recipients;
  std::optional<bool> trusted;
  bool operator==(const Limits&) const = default;
};

absl::StatusOr<Limits> TakeLimits(const Arguments& arguments) {
  Limits limits;
  const auto take = [&](absl::string_view name, std::optional<std::string>& limit) -> absl::Status {
    if (!arguments.Has(name)) return absl::OkStatus();
    limit = arguments.Get(name);
    if (*limit == "default") return absl::OkStatus();
    return arguments.GetCount(name).status();
  };
  RETURN_IF_ERROR(take("hourly_messages", limits.hourly_messages));
  RETURN_IF_ERROR(take("daily_messages", limits.daily_messages));
  RETURN_IF_ERROR(take("hourly_recipients", limits.hourly_recipients));
  RETURN_IF_ERROR(take("daily_recipients", limits.daily_recipients));
  ASSIGN_OR_RETURN(limits.trusted, arguments.GetBool("trusted"));
  return limits;
}

void Apply(const Limits& given, v1::SendingLimits& limits) {
  const auto apply = [](const std::optional<std::string>& text, const auto& clear, const auto& set) {
    if (!text.has_value()) return;
    int64_t number = 0;
    if (absl::SimpleAtoi(*text, &number)) {
      set(number);
    } else {
      clear();
    }
  };
  apply(
      given.hourly_messages, [&] { limits.clear_hourly_messages(); },
      [&](int64_t n) { limits.mutable_hourly_messages()->set_value(n); });
  apply(
      given.daily_messages, [&] { limits.clear_daily_messages(); },
      [&](int64_t n) { limits.mutable_daily_messages()->set_value(n); });
  apply(
      given.hourly_recipients, [&] { limits.clear_hourly_recipients(); },
      [&](int64_t n) { limits.mutable_hourly_recipients()->set_value(n); });
  apply(
      given.daily_recipients, [&] { limits.clear_daily_recipients(); },
      [&](int64_t n) { limits.mutable_daily_recipients()->set_value(n); });
  if (given.trusted.has_value()) limits.set_trusted(*given.trusted);
}

absl::StatusOr<v1::Sending> GetSending(Client& store, const std::string& account) {
  v1::GetSendingRequest request;
  request.set_account(account);
  return store.Call(store::kGetSending, request);
}

std::vector<Option> LimitOptions() {
  return {
      {"hourly_recipients", "N",
       "Most recipients at other hosts in an hour; 0 is no limit, default the store's own."},
      {"daily_recipients", "N", "The same in a day."},
      {"hourly_messages", "N",
       "Most messages to other hosts in an hour; 0 is no limit, default the store's own."},
      {"daily_messages", "N", "The same in a day."},
      {"trusted", "yes|no", "Whether it is never paused for what it sends, such as a newsletter.", "yes|no"}};
}

absl::StatusOr<v1::Account> Get(Client& store, const std::string& account) {
  v1::GetAccountRequest request;
  request.set_account(account);
  return store.Call(store::kGetAccount, request);
}

std::vector<Option> SettingOptions() {
  return {{"quota_bytes", "SIZE", "Most bytes in the mailbox, such as 500M or 2G; 0 is no limit."},
          {"quota_messages", "N", "Most messages in the mailbox; 0 is no limit."},
          {"disabled", "yes|no", "Whether the account neither logs in nor takes mail.", "yes|no"},
          {kRetentionName, "TIME",
           "How long its messages stay, in days: 30d; never, or domain: as its domain says."}};
}

std::vector<Option> SetOptions() {
  std::vector<Option> options = {{"address", "NEW", "Give the account another address."}};
  for (const Option& option : SettingOptions()) options.push_back(option);
  for (const Option& option : LimitOptions()) options.push_back(option);
  return options;
}

std::vector<Option> AddOptions() {
  std::vector<Option> options = PasswordOptions();
  options.push_back({"no_password", "", "Set no password: the account takes mail and cannot log in."});
  for (const Option& option : SettingOptions()) options.push_back(option);
  return options;
}

absl::string_view PasswordKindText(v1::PasswordKind kind) {
  switch (kind) {
    case v1::PASSWORD_KIND_NONE:
      return "none";
    case v1::PASSWORD_KIND_SCRAM_SHA_256:
      return "SCRAM-SHA-256";
    case v1::PASSWORD_KIND_CRYPT:
      return "imported hash";
    default:
      return "unknown";
  }
}

// "12 recipients of 500, 3 messages"
std::string UseText(const v1::SendingUse& use, int64_t most_messages, int64_t most_recipients) {
  const auto of = [](int64_t limit) { return limit == 0 ? std::string() : absl::StrCat(" of ", limit); };
  return absl::StrCat(Plural(use.recipients(), "recipient"), of(most_recipients), ", ",
                      Plural(use.messages(), "message"), of(most_messages), ", ", use.new_recipients(),
                      " new, ", use.delivered(), " taken, ", use.refused(), " refused");
}

std::string SendingText(const v1::Sending& sending) {
  if (sending.state() != v1::SENDING_STATE_PAUSED)
    return sending.limits().trusted() ? "active, trusted" : "active";
  absl::string_view why = "by an operator";
  if (sending.pause_reason() == v1::SENDING_PAUSE_REASON_NEW_RECIPIENTS) {
    why = "it wrote to very many new recipients: its password may be stolen";
  } else if (sending.pause_reason() == v1::SENDING_PAUSE_REASON_REFUSALS) {
    why = "very many of its recipients were refused: its password may be stolen";
  }
  return absl::StrCat("PAUSED since ", FormatTime(sending.pause_time()), ": ", why);
}

absl::Status Add(const Arguments& arguments, Context& context) {
  v1::CreateAccountRequest request;
  google::protobuf::FieldMask mask;
  request.mutable_account()->set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(const Changes changes, TakeChanges(arguments));
  Apply(changes, *request.mutable_account(), mask);
  if (arguments.Has("no_password")) {
    if (arguments.Has("password_stdin") || arguments.Has("hash_stdin")) {
      return UsageError("--no_password excludes --password_stdin and --hash_stdin");
    }
  } else {
    ASSIGN_OR_RETURN(*request.mutable_password(), ReadPassword(arguments, context));
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Account account, store->Call(store::kCreateAccount, request));
  context.output().Result(
      account, absl::StrCat("account ", account.address(), " added, mailbox ", account.account_id()));
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ListAccountsRequest request;
  request.set_domain(arguments.positional(0));
  JsonList json(context.output(), "accounts");
  Table table(
      {{"ADDRESS"}, {"MAILBOX", true}, {"MESSAGES", true}, {"SIZE", true}, {"QUOTA", true}, {"STATE"}});
  const auto take = [&](const v1::ListAccountsResponse& page) {
    for (const v1::Account& account : page.accounts()) {
      json.Add(account);
      if (context.output().json()) continue;
      table.Row({account.address(), account.account_id(), absl::StrCat(account.usage().messages()),
                 FormatBytes(account.usage().bytes()), FormatBytesLimit(account.quota().bytes()),
                 std::string(StateText(account))});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListAccounts, request, take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no accounts\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Account account, Get(*store, arguments.positional(0)));
  context.output().Json(account);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("address", account.address());
  fields.Add("state", StateText(account));
  fields.Add("mailbox", account.account_id());
  fields.Add("messages", absl::StrCat(account.usage().messages()));
  fields.Add("size", FormatBytes(account.usage().bytes()));
  fields.Add("quota of bytes", FormatBytesLimit(account.quota().bytes()));
  fields.Add("quota of messages", FormatLimit(account.quota().messages()));
  fields.Add("messages stay",
             account.has_retention() ? RetentionText(account.retention()) : "as its domain says");
  fields.Add("password", PasswordKindText(account.password_kind()));
  fields.Add("created", FormatTime(account.create_time()));
  ASSIGN_OR_RETURN(const v1::Sending sending, GetSending(*store, account.account_id()));
  const v1::SendingLimits& limits = sending.limits();
  fields.Add("sending", SendingText(sending));
  fields.Add("sent in an hour",
             UseText(sending.hour(), limits.hourly_messages().value(), limits.hourly_recipients().value()));
  fields.Add("sent in a day",
             UseText(sending.day(), limits.daily_messages().value(), limits.daily_recipients().value()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const Changes changes, TakeChanges(arguments));
  ASSIGN_OR_RETURN(const Limits limits, TakeLimits(arguments));
  if (changes == Changes() && limits == Limits()) {
    return UsageError(
        "nothing to change: give --address, --quota_bytes, --quota_messages, --disabled, --retention, or a "
        "limit of "
        "what it sends");
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  if (limits != Limits()) {
    ASSIGN_OR_RETURN(const v1::Sending sending, GetSending(*store, arguments.positional(0)));
    v1::SetSendingLimitsRequest set;
    set.set_account(sending.account_id());
    *set.mutable_limits() = sending.own_limits();
    // A change that somebody else makes meanwhile is not lost.
    set.set_etag(sending.etag());
    Apply(limits, *set.mutable_limits());
    ASSIGN_OR_RETURN(const v1::Sending changed, store->Call(store::kSetSendingLimits, set));
    if (changes == Changes()) {
      context.output().Result(changed, absl::StrCat("account ", changed.address(), " changed"));
      return absl::OkStatus();
    }
  }
  v1::UpdateAccountRequest request;
  // With the etag of what was read: a change that somebody else makes meanwhile is not lost.
  ASSIGN_OR_RETURN(*request.mutable_update(), Get(*store, arguments.positional(0)));
  request.set_account(request.update().account_id());
  Apply(changes, *request.mutable_update(), *request.mutable_update_mask());
  ASSIGN_OR_RETURN(const v1::Account account, store->Call(store::kUpdateAccount, request));
  context.output().Result(account, absl::StrCat("account ", account.address(), " changed"));
  return absl::OkStatus();
}

absl::Status Pause(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::PauseSendingRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::Sending sending, store->Call(store::kPauseSending, request));
  context.output().Result(
      sending, absl::StrCat("sending of ", Printable(sending.address()), ": ", SendingText(sending)));
  return absl::OkStatus();
}

absl::Status Resume(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ResumeSendingRequest request;
  request.set_account(arguments.positional(0));
  // It walks through the queue.
  ASSIGN_OR_RETURN(const v1::Sending sending, store->Call(store::kResumeSending, request, kTransferTimeout));
  context.output().Result(sending, absl::StrCat("sending of ", Printable(sending.address()), " goes on, ",
                                                Plural(sending.released_count(), "recipient"), " released"));
  return absl::OkStatus();
}

absl::Status SetPassword(const Arguments& arguments, Context& context) {
  v1::SetPasswordRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(*request.mutable_password(), ReadPassword(arguments, context));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::SetPasswordResponse response, store->Call(store::kSetPassword, request));
  context.output().Result(response, absl::StrCat("password of ", arguments.positional(0), " changed"));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteAccountRequest request;
  request.set_account(arguments.positional(0));
  if (!arguments.Has("yes")) {
    ASSIGN_OR_RETURN(const v1::Account account, Get(*store, arguments.positional(0)));
    const std::string question = absl::StrCat("Remove ", Printable(account.address()), " and its ",
                                              Plural(account.usage().messages(), "message"), "?");
    RETURN_IF_ERROR(context.terminal().Confirm(question));
    // What the operator was asked about, and not another account that has the address by now.
    request.set_account(account.account_id());
    request.set_etag(account.etag());
  }
  ASSIGN_OR_RETURN(const v1::DeleteAccountResponse response,
                   store->Call(store::kDeleteAccount, request, kTransferTimeout));
  context.output().Result(response, absl::StrCat("account ", arguments.positional(0), " removed"));
  return absl::OkStatus();
}

constexpr absl::string_view kImportDetails =
    "Each line of FILE is an address, blanks, and a password or its hash; \"-\" reads standard input. The "
    "password is\n"
    "the rest of the line, blanks included. What looks like a hash is taken as one ($2y$, $6$, $y$, "
    "$argon2id$ ...) or\n"
    "refused; {PLAIN} in front says that it is a password all the same, and Dovecot's {CRYPT}, "
    "{SHA512-CRYPT} and\n"
    "their kin that it is a hash. *, ! and x make an account without a login. Empty lines and lines that "
    "begin with #\n"
    "are passed over. The domains must exist.\n"
    "\n"
    "Each bad line is reported by its number and the rest goes on; the exit code is 1 when any failed. When "
    "the store\n"
    "goes away the import ends with exit code 5; --existing=skip lets it be run again.";

}  // namespace

std::vector<Command> AccountCommands() {
  return {
      {"account",
       "add",
       "Create an account.",
       {{"ADDRESS"}},
       AddOptions(),
       "The password is asked for twice, or read from standard input.",
       "mailctl account add demo@example.test\n"
       "mailctl account add demo@example.test --password_stdin --quota_bytes=2G < password.txt",
       Add},
      {"account",
       "list",
       "List accounts, of one domain or all.",
       {{"DOMAIN", true}},
       {},
       "",
       "mailctl account list example.test",
       List},
      {"account",
       "show",
       "Show an account.",
       {{"ADDRESS"}},
       {},
       "Every command takes the number of the mailbox (MAILBOX in account list) instead of the address:\n"
       "an account keeps it when its address changes.",
       "mailctl account show demo@example.test\n"
       "mailctl account show 17",
       Show},
      {"account",
       "set",
       "Change an account's address, quota, state, how long its mail stays, or what it may send.",
       {{"ADDRESS"}},
       SetOptions(),
       "With another address the account keeps its mailbox, its messages and its password.",
       "mailctl account set demo@example.test --quota_bytes=2G --disabled=no\n"
       "mailctl account set demo@example.test --address=ann@example.test",
       Set},
      {"account",
       "pause",
       "Let an account send nothing for now.",
       {{"ADDRESS"}},
       {},
       "What it submits is refused (550 5.7.1), and what waits of it in the queue is held. Logins and mail "
       "that comes in\n"
       "go on. The store does this by itself with an account whose password seems to be stolen.",
       "mailctl account pause demo@example.test",
       Pause},
      {"account",
       "resume",
       "Let an account send again that was paused.",
       {{"ADDRESS"}},
       {},
       "Everything that is held of its mail in the queue goes out: look at it first, and cancel what is not "
       "its own\n"
       "(mailctl queue list --sender ADDRESS). Give it another password before.",
       "mailctl account resume demo@example.test",
       Resume},
      {"account",
       "password",
       "Change an account's password.",
       {{"ADDRESS"}},
       PasswordOptions(),
       "The password is asked for twice, or read from standard input. The next login needs the new one.",
       "mailctl account password demo@example.test",
       SetPassword},
      {"account",
       "remove",
       "Delete an account and all its messages.",
       {{"ADDRESS"}},
       {{"yes", "", "Do not ask first. Needed where there is no terminal to ask at."}},
       "A POP3 session that holds the mailbox is ended. Refused with exit code 5 when it does not leave.",
       "mailctl account remove demo@example.test --yes",
       Remove},
      {"account",
       "import",
       "Create many accounts from a file.",
       {{"FILE"}},
       {{"existing", "WHAT", "What to do with an account that is there: refuse, pass over, set its password.",
         "fail|skip|update"}},
       kImportDetails,
       "mailctl account import accounts.txt",
       ImportAccounts},
  };
}

}  // namespace mailstead::ctl
