#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/account_import.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/password.h"
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
  bool operator==(const Changes&) const = default;
};

absl::StatusOr<Changes> TakeChanges(const Arguments& arguments) {
  Changes changes;
  if (arguments.Has("address")) changes.address = arguments.Get("address");
  ASSIGN_OR_RETURN(changes.quota_bytes, arguments.GetBytes("quota_bytes"));
  ASSIGN_OR_RETURN(changes.quota_messages, arguments.GetCount("quota_messages"));
  ASSIGN_OR_RETURN(changes.disabled, arguments.GetBool("disabled"));
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
}

absl::string_view StateText(const v1::Account& account) {
  return account.state() == v1::ACCOUNT_STATE_DISABLED ? "disabled" : "active";
}

absl::StatusOr<v1::Account> Get(Client& store, const std::string& account) {
  v1::GetAccountRequest request;
  request.set_account(account);
  return store.Call(store::kGetAccount, request);
}

std::vector<Option> SettingOptions() {
  return {{"quota_bytes", "SIZE", "Most bytes in the mailbox, such as 500M or 2G; 0 is no limit."},
          {"quota_messages", "N", "Most messages in the mailbox; 0 is no limit."},
          {"disabled", "yes|no", "Whether the account neither logs in nor takes mail.", "yes|no"}};
}

std::vector<Option> SetOptions() {
  std::vector<Option> options = {{"address", "NEW", "Give the account another address."}};
  for (const Option& option : SettingOptions()) options.push_back(option);
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
  ASSIGN_OR_RETURN(const v1::Account account,
                   store->Call(store::kCreateAccount, request));
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
  fields.Add("password", PasswordKindText(account.password_kind()));
  fields.Add("created", FormatTime(account.create_time()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const Changes changes, TakeChanges(arguments));
  if (changes == Changes()) {
    return UsageError("nothing to change: give --address, --quota_bytes, --quota_messages or --disabled");
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::UpdateAccountRequest request;
  // With the etag of what was read: a change that somebody else makes meanwhile is not lost.
  ASSIGN_OR_RETURN(*request.mutable_update(), Get(*store, arguments.positional(0)));
  request.set_account(request.update().account_id());
  Apply(changes, *request.mutable_update(), *request.mutable_update_mask());
  ASSIGN_OR_RETURN(const v1::Account account,
                   store->Call(store::kUpdateAccount, request));
  context.output().Result(account, absl::StrCat("account ", account.address(), " changed"));
  return absl::OkStatus();
}

absl::Status SetPassword(const Arguments& arguments, Context& context) {
  v1::SetPasswordRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(*request.mutable_password(), ReadPassword(arguments, context));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::SetPasswordResponse response,
                   store->Call(store::kSetPassword, request));
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
  ASSIGN_OR_RETURN(
      const v1::DeleteAccountResponse response,
      store->Call(store::kDeleteAccount, request, kTransferTimeout));
  context.output().Result(response, absl::StrCat("account ", arguments.positional(0), " removed"));
  return absl::OkStatus();
}

constexpr absl::string_view kImportDetails =
    "Each line of FILE is an address, blanks, and a password or its hash; \"-\" reads standard input. The password is\n"
    "the rest of the line, blanks included. What looks like a hash is taken as one ($2y$, $6$, $y$, $argon2id$ ...) or\n"
    "refused; {PLAIN} in front says that it is a password all the same, and Dovecot's {CRYPT}, {SHA512-CRYPT} and\n"
    "their kin that it is a hash. *, ! and x make an account without a login. Empty lines and lines that begin with #\n"
    "are passed over. The domains must exist.\n"
    "\n"
    "Each bad line is reported by its number and the rest goes on; the exit code is 1 when any failed. When the store\n"
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
       "Change an account's address, quota or state.",
       {{"ADDRESS"}},
       SetOptions(),
       "With another address the account keeps its mailbox, its messages and its password.",
       "mailctl account set demo@example.test --quota_bytes=2G --disabled=no\n"
       "mailctl account set demo@example.test --address=ann@example.test",
       Set},
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
