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

// "--quota_bytes" and its kin; what was given goes into `account` and `mask`.
absl::Status TakeSettings(const Arguments& arguments, v1::Account* account,
                          google::protobuf::FieldMask* mask) {
  ASSIGN_OR_RETURN(const std::optional<uint64_t> quota_bytes, arguments.GetBytes("quota_bytes"));
  ASSIGN_OR_RETURN(const std::optional<uint64_t> quota_messages, arguments.GetCount("quota_messages"));
  ASSIGN_OR_RETURN(const std::optional<bool> disabled, arguments.GetBool("disabled"));
  if (quota_bytes.has_value()) {
    account->set_quota_bytes(*quota_bytes);
    mask->add_paths("quota_bytes");
  }
  if (quota_messages.has_value()) {
    account->set_quota_messages(*quota_messages);
    mask->add_paths("quota_messages");
  }
  if (disabled.has_value()) {
    account->set_disabled(*disabled);
    mask->add_paths("disabled");
  }
  return absl::OkStatus();
}

std::vector<Option> SettingOptions() {
  return {{"quota_bytes", "SIZE", "Most bytes in the mailbox, such as 500M or 2G; 0 is no limit."},
          {"quota_messages", "N", "Most messages in the mailbox; 0 is no limit."},
          {"disabled", "yes|no", "Whether the account neither logs in nor takes mail.", "yes|no"}};
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
  RETURN_IF_ERROR(TakeSettings(arguments, request.mutable_account(), &mask));
  if (arguments.Has("no_password")) {
    if (arguments.Has("password_stdin") || arguments.Has("hash_stdin")) {
      return UsageError("--no_password excludes --password_stdin and --hash_stdin");
    }
  } else {
    ASSIGN_OR_RETURN(*request.mutable_password(), ReadPassword(arguments, context));
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Account account,
                   store->Call(store->directory(), &Client::Directory::CreateAccount, request));
  context.output().Result(
      account, absl::StrCat("account ", account.address(), " added, mailbox ", account.mailbox_id()));
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
      table.Row({account.address(), absl::StrCat(account.mailbox_id()), absl::StrCat(account.message_count()),
                 FormatBytes(account.message_bytes()), FormatBytesLimit(account.quota_bytes()),
                 account.disabled() ? "disabled" : "active"});
    }
  };
  RETURN_IF_ERROR(store->Pages(store->directory(), &Client::Directory::ListAccounts, request, take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no accounts\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::GetAccountRequest request;
  request.set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::Account account,
                   store->Call(store->directory(), &Client::Directory::GetAccount, request));
  context.output().Json(account);
  if (context.output().json()) return absl::OkStatus();
  FieldList fields;
  fields.Add("address", account.address());
  fields.Add("state", account.disabled() ? "disabled" : "active");
  fields.Add("mailbox", absl::StrCat(account.mailbox_id()));
  fields.Add("messages", absl::StrCat(account.message_count()));
  fields.Add("size", FormatBytes(account.message_bytes()));
  fields.Add("quota of bytes", FormatBytesLimit(account.quota_bytes()));
  fields.Add("quota of messages", FormatLimit(account.quota_messages()));
  fields.Add("password", PasswordKindText(account.password_kind()));
  fields.Add("created", FormatTime(account.create_time()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  v1::UpdateAccountRequest request;
  request.mutable_account()->set_address(arguments.positional(0));
  RETURN_IF_ERROR(TakeSettings(arguments, request.mutable_account(), request.mutable_update_mask()));
  if (request.update_mask().paths().empty()) {
    return UsageError("nothing to change: give --quota_bytes, --quota_messages or --disabled");
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Account account,
                   store->Call(store->directory(), &Client::Directory::UpdateAccount, request));
  context.output().Result(account, absl::StrCat("account ", account.address(), " changed"));
  return absl::OkStatus();
}

absl::Status SetPassword(const Arguments& arguments, Context& context) {
  v1::SetPasswordRequest request;
  request.set_address(arguments.positional(0));
  ASSIGN_OR_RETURN(*request.mutable_password(), ReadPassword(arguments, context));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::SetPasswordResponse response,
                   store->Call(store->directory(), &Client::Directory::SetPassword, request));
  context.output().Result(response, absl::StrCat("password of ", request.address(), " changed"));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  const std::string address = arguments.positional(0);
  if (!arguments.Has("yes") && context.terminal().interactive()) {
    v1::GetAccountRequest get;
    get.set_address(address);
    ASSIGN_OR_RETURN(const v1::Account account,
                     store->Call(store->directory(), &Client::Directory::GetAccount, get));
    const std::string question = absl::StrCat("Remove ", Printable(account.address()), " and its ",
                                              Plural(account.message_count(), "message"), "?");
    if (!context.terminal().Confirm(question)) return absl::CancelledError("cancelled: nothing was removed");
  }
  v1::DeleteAccountRequest request;
  request.set_address(address);
  ASSIGN_OR_RETURN(
      const v1::DeleteAccountResponse response,
      store->Call(store->directory(), &Client::Directory::DeleteAccount, request, kTransferTimeout));
  context.output().Result(response, absl::StrCat("account ", address, " removed"));
  return absl::OkStatus();
}

constexpr absl::string_view kImportDetails =
    "Each line of FILE is an address, blanks, and a password or its crypt(3) hash; \"-\" reads standard "
    "input. The\n"
    "password is the rest of the line, blanks included. What begins like a hash ($2y$, $6$, $y$, $argon2id$ "
    "...) is\n"
    "taken as one; {PLAIN} in front says that it is a password all the same, {CRYPT} that it is a hash. "
    "Empty lines\n"
    "and lines that begin with # are passed over. The domains must exist.\n"
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
       "",
       "mailctl account show demo@example.test",
       Show},
      {"account",
       "set",
       "Change an account's quota or state.",
       {{"ADDRESS"}},
       SettingOptions(),
       "",
       "mailctl account set demo@example.test --quota_bytes=2G --disabled=no",
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
       {{"yes", "", "Do not ask first. Without a terminal nothing is asked."}},
       "Refused with exit code 5 while a POP3 session holds the mailbox.",
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
