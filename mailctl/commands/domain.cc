#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/domain_dns.h"
#include "mailctl/commands/postmaster.h"
#include "mailctl/commands/retention_word.h"
#include "mailctl/commands/time_word.h"
#include "mailctl/exit_code.h"
#include "mailctl/field_words.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

const Option kPlusAddressing = {"plus_addressing", "yes|no",
                                "Whether user+tag@domain is delivered to user@domain.", "yes|no"};

const Option kUndeleteWindow = {
    "undelete_window", "TIME",
    "How long deleted messages may be restored, such as 12h or 7d; off is not at all."};

const Option kRetention = {kRetentionName, "TIME",
                           "How long messages stay in its mailboxes, in days: 30d; never deletes none."};

const Option kMtaSts = {"mta_sts", "MODE", "Which policy of MTA-STS webd serves for it; off is none.",
                        "off|none|testing|enforce"};

std::optional<v1::MtaSts> MtaSts(const Arguments& arguments) {
  if (!arguments.Has(kMtaSts.name)) return std::nullopt;
  const std::string word = arguments.Get(kMtaSts.name);
  if (word == "enforce") return v1::MTA_STS_ENFORCE;
  if (word == "testing") return v1::MTA_STS_TESTING;
  return word == "none" ? v1::MTA_STS_NONE : v1::MTA_STS_OFF;
}

absl::string_view MtaStsText(const v1::Domain& domain) {
  switch (domain.mta_sts()) {
    case v1::MTA_STS_ENFORCE:
      return "enforce";
    case v1::MTA_STS_TESTING:
      return "testing";
    case v1::MTA_STS_NONE:
      return "none";
    default:
      return "off";
  }
}

// Absent where it was not given; 0 for "off".
absl::StatusOr<std::optional<absl::Duration>> UndeleteWindow(const Arguments& arguments) {
  if (!arguments.Has(kUndeleteWindow.name)) return std::nullopt;
  const std::string word = arguments.Get(kUndeleteWindow.name);
  if (word == "off") return absl::ZeroDuration();
  return ParseDurationWord(kUndeleteWindow.name, word);
}

void ToProto(absl::Duration window, google::protobuf::Duration& proto) {
  proto.set_seconds(absl::ToInt64Seconds(window));
}

std::string WindowText(const v1::Domain& domain) {
  const int64_t seconds = domain.undelete_window().seconds();
  if (seconds == 0) return "off";
  if (seconds % (24 * 3600) == 0) return absl::StrCat(seconds / (24 * 3600), "d");
  return absl::FormatDuration(absl::Seconds(seconds));
}

v1::PlusAddressing ToProto(bool plus_addressing) {
  return plus_addressing ? v1::PLUS_ADDRESSING_ENABLED : v1::PLUS_ADDRESSING_DISABLED;
}

bool HasPlusAddressing(const v1::Domain& domain) {
  return domain.plus_addressing() == v1::PLUS_ADDRESSING_ENABLED;
}

absl::StatusOr<v1::Domain> Get(Client& store, const std::string& name) {
  v1::GetDomainRequest request;
  request.set_name(name);
  return store.Call(store::kGetDomain, request);
}

// Whom the operator names for the domain's postmaster; empty: nobody yet.
absl::StatusOr<std::string> AskForPostmaster(const Arguments& arguments, Context& context) {
  if (arguments.Has("postmaster") || context.output().json() || !context.terminal().interactive()) {
    return arguments.Get("postmaster");
  }
  return context.terminal().Answer(absl::StrCat("Who gets mail for ",
                                                Printable(PostmasterOf(arguments.positional(0))),
                                                "? An address, or nothing to name it later"));
}

// Makes the alias that leads there, which may come before the account.
absl::Status SetPostmaster(Client& store, const std::string& domain, const std::string& address) {
  if (absl::EqualsIgnoreCase(address, PostmasterOf(domain))) return absl::OkStatus();
  v1::CreateAliasRequest request;
  request.mutable_alias()->set_address(PostmasterOf(domain));
  request.mutable_alias()->add_targets(address);
  const absl::Status status = store.Call(store::kCreateAlias, request).status();
  if (status.ok()) return status;
  return Reworded(status,
                  absl::StrCat("domain ", domain, " is added, its postmaster is not: ", status.message()));
}

absl::Status Add(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const std::optional<bool> plus_addressing, arguments.GetBool("plus_addressing"));
  ASSIGN_OR_RETURN(const std::optional<absl::Duration> window, UndeleteWindow(arguments));
  ASSIGN_OR_RETURN(const std::optional<absl::Duration> retention, ReadRetention(arguments));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::CreateDomainRequest request;
  if (retention.has_value()) SetRetention(*retention, *request.mutable_domain()->mutable_retention());
  if (window.has_value()) ToProto(*window, *request.mutable_domain()->mutable_undelete_window());
  request.mutable_domain()->set_mta_sts(MtaSts(arguments).value_or(v1::MTA_STS_OFF));
  request.mutable_domain()->set_name(arguments.positional(0));
  request.mutable_domain()->set_plus_addressing(ToProto(plus_addressing.value_or(true)));
  ASSIGN_OR_RETURN(const v1::Domain domain, store->Call(store::kCreateDomain, request));
  context.output().Result(domain, absl::StrCat("domain ", domain.name(), " added"));
  ASSIGN_OR_RETURN(const std::string postmaster, AskForPostmaster(arguments, context));
  if (!postmaster.empty()) RETURN_IF_ERROR(SetPostmaster(*store, domain.name(), postmaster));
  return absl::OkStatus();
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "domains");
  Table table({{"DOMAIN"}, {"PLUS ADDRESSING"}, {"CREATED"}});
  const auto take = [&](const v1::ListDomainsResponse& page) {
    for (const v1::Domain& domain : page.domains()) {
      json.Add(domain);
      table.Row({domain.name(), YesNo(HasPlusAddressing(domain)), FormatTime(domain.create_time())});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListDomains, v1::ListDomainsRequest(), take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no domains\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Show(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Domain domain, Get(*store, arguments.positional(0)));
  context.output().Json(domain);
  if (context.output().json()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const Postmaster postmaster, FindPostmaster(*store, domain.name()));
  FieldList fields;
  fields.Add("domain", domain.name());
  fields.Add("plus addressing", YesNo(HasPlusAddressing(domain)));
  fields.Add("undelete window", WindowText(domain));
  fields.Add("messages stay", RetentionText(domain.retention()));
  fields.Add("MTA-STS policy", std::string(MtaStsText(domain)));
  fields.Add("postmaster", postmaster.text);
  fields.Add("created", FormatTime(domain.create_time()));
  context.output().Raw(fields.Text());
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const std::optional<bool> plus_addressing, arguments.GetBool("plus_addressing"));
  ASSIGN_OR_RETURN(const std::optional<absl::Duration> window, UndeleteWindow(arguments));
  ASSIGN_OR_RETURN(const std::optional<absl::Duration> retention, ReadRetention(arguments));
  const std::optional<v1::MtaSts> mta_sts = MtaSts(arguments);
  if (!plus_addressing.has_value() && !window.has_value() && !retention.has_value() && !mta_sts.has_value()) {
    return UsageError(
        "nothing to change: give --plus_addressing, --undelete_window, --retention or --mta_sts");
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::UpdateDomainRequest request;
  // With the etag of what was read: a change that somebody else makes meanwhile is not lost.
  ASSIGN_OR_RETURN(*request.mutable_domain(), Get(*store, arguments.positional(0)));
  if (plus_addressing.has_value()) {
    request.mutable_domain()->set_plus_addressing(ToProto(*plus_addressing));
    request.mutable_update_mask()->add_paths("plus_addressing");
  }
  if (window.has_value()) {
    ToProto(*window, *request.mutable_domain()->mutable_undelete_window());
    request.mutable_update_mask()->add_paths("undelete_window");
  }
  if (retention.has_value()) {
    SetRetention(*retention, *request.mutable_domain()->mutable_retention());
    request.mutable_update_mask()->add_paths("retention");
  }
  if (mta_sts.has_value()) {
    request.mutable_domain()->set_mta_sts(*mta_sts);
    request.mutable_update_mask()->add_paths("mta_sts");
  }
  ASSIGN_OR_RETURN(const v1::Domain domain, store->Call(store::kUpdateDomain, request));
  context.output().Result(domain, absl::StrCat("domain ", domain.name(), " changed"));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteDomainRequest request;
  request.set_name(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::DeleteDomainResponse response, store->Call(store::kDeleteDomain, request));
  context.output().Result(response, absl::StrCat("domain ", request.name(), " removed"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> DomainCommands() {
  return {
      {"domain",
       "add",
       "Take mail for a domain.",
       {{"DOMAIN"}},
       {{"postmaster", "ADDRESS",
         "Who gets mail for its postmaster, by an alias that is made; asked at a terminal."},
        kPlusAddressing,
        kUndeleteWindow,
        kRetention,
        kMtaSts},
       "Plus addressing is on unless it is turned off. Internationalised names may be given in UTF-8.\n"
       "While nobody is named, mail for postmaster goes to the address in --postmaster of stored, or else to "
       "the\n"
       "domain's first account.",
       "mailctl domain add example.test --postmaster=ann@example.test",
       Add},
      {"domain", "list", "List all domains.", {}, {}, "", "mailctl domain list --json", List},
      {"domain", "show", "Show a domain.", {{"DOMAIN"}}, {}, "", "mailctl domain show example.test", Show},
      {"domain",
       "set",
       "Change a domain.",
       {{"DOMAIN"}},
       {kPlusAddressing, kUndeleteWindow, kRetention, kMtaSts},
       "While the undelete window is on, what is deleted in the domain's mailboxes, by POP3 or otherwise, is "
       "kept for that\n"
       "time, counts for no quota, and may be brought back: mailctl message list --deleted, mailctl message "
       "restore.\n"
       "What a smaller window leaves out is gone.\n"
       "\n"
       "What is older than --retention is deleted within the hour, what is there already too; an account may "
       "have\n"
       "another one. POP3 says so to clients (EXPIRE).\n"
       "\n"
       "--mta_sts says what senders are to do without TLS (RFC 8461). The policy is served by webd with "
       "--mta_sts_mx,\n"
       "and its record, which changes with it, is among those of mailctl domain dns. A policy is given up by "
       "none, and\n"
       "off when all have forgotten the one before.",
       "mailctl domain set example.test --plus_addressing=no\n"
       "mailctl domain set example.test --undelete_window=7d --retention=90d\n"
       "mailctl domain set example.test --mta_sts=testing",
       Set},
      DomainDnsCommand(),
      DomainCheckCommand(),
      {"domain",
       "remove",
       "Stop taking mail for a domain.",
       {{"DOMAIN"}},
       {},
       "Refused while the domain has accounts or aliases.",
       "mailctl domain remove example.test",
       Remove},
  };
}

}  // namespace mailstead::ctl
