#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mailauth/key_record.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

std::string TypeText(const v1::DkimKey& key) {
  return key.type() == v1::DKIM_KEY_TYPE_ED25519 ? "ed25519" : absl::StrCat("rsa ", key.bits());
}

std::string SightingText(v1::DkimKey::Sighting sighting) {
  switch (sighting) {
    case v1::DkimKey::SIGHTING_MISSING:
      return "no record yet";
    case v1::DkimKey::SIGHTING_DIFFERENT:
      return "another record is there";
    case v1::DkimKey::SIGHTING_SEVERAL:
      return "several records are there";
    case v1::DkimKey::SIGHTING_FAILED:
      return "the DNS does not answer";
    default:
      return "not looked for yet";
  }
}

std::string StateText(const v1::DkimKey& key) {
  switch (key.state()) {
    case v1::DkimKey::STATE_PENDING:
      return absl::StrCat("pending: ", SightingText(key.sighting()));
    case v1::DkimKey::STATE_ACTIVE:
      return absl::StrCat("signs since ", FormatTime(key.activate_time()));
    case v1::DkimKey::STATE_RETIRED:
      return absl::StrCat("retired; its record may go from ", FormatTime(key.record_end_time()));
    default:
      return "unknown";
  }
}

// As it stands in a zone file.
std::string ZoneLine(const v1::DkimKey& key) {
  return absl::StrCat(key.record().name(), ". IN TXT ", mailauth::ZoneText(key.record().value()), "\n");
}

// A pending key is of use only once its record is published.
void ShowNew(Output& output, const v1::DkimKey& key) {
  if (output.json()) return;
  const bool active = key.state() == v1::DkimKey::STATE_ACTIVE;
  output.Line(absl::StrCat("key ", key.selector(), " of ", key.domain(), " (", TypeText(key), ") ",
                           active ? "signs; publish this record before mail goes out:"
                                  : "is made; it signs as soon as this record is seen in the DNS:"));
  output.Raw(ZoneLine(key));
}

absl::Status Create(const Arguments& arguments, Context& context) {
  v1::CreateDkimKeyRequest request;
  request.set_domain(arguments.positional(0));
  request.set_selector(arguments.Get("selector"));
  const bool ed25519 = arguments.Get("type", "rsa") == "ed25519";
  request.set_type(ed25519 ? v1::DKIM_KEY_TYPE_ED25519 : v1::DKIM_KEY_TYPE_RSA);
  ASSIGN_OR_RETURN(const std::optional<uint64_t> bits, arguments.GetCount("bits"));
  // More than a key can have: the store says what it may be.
  request.set_bits(static_cast<int32_t>(std::min<uint64_t>(bits.value_or(0), 1 << 20)));
  if (bits.has_value() && *bits == 0) return UsageError("--bits=0: must be 2048, 3072 or 4096");
  request.set_activate(arguments.Has("activate"));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::DkimKey key, store->Call(store::kCreateDkimKey, request));
  context.output().Json(key);
  ShowNew(context.output(), key);
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ListDkimKeysRequest request;
  request.set_domain(arguments.positional(0));
  JsonList json(context.output(), "keys");
  Table table({{"DOMAIN"}, {"SELECTOR"}, {"TYPE"}, {"MADE"}, {"STATE"}});
  std::string records;
  const auto take = [&](const v1::ListDkimKeysResponse& page) {
    for (const v1::DkimKey& key : page.keys()) {
      json.Add(key);
      table.Row({key.domain(), key.selector(), TypeText(key), FormatTime(key.create_time()), StateText(key)});
      if (key.state() == v1::DkimKey::STATE_PENDING) records += ZoneLine(key);
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListDkimKeys, request, take));
  json.Finish();
  if (context.output().json()) return absl::OkStatus();
  context.output().Raw(table.empty() ? "no keys: mail goes out unsigned\n" : table.Text());
  if (!records.empty()) context.output().Raw(absl::StrCat("\nto be published:\n", records));
  return absl::OkStatus();
}

absl::Status Rotate(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::RotateDkimKeysRequest request;
  request.set_domain(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::RotateDkimKeysResponse response, store->Call(store::kRotateDkimKeys, request));
  JsonList json(context.output(), "keys");
  for (const v1::DkimKey& key : response.keys()) {
    json.Add(key);
    ShowNew(context.output(), key);
  }
  json.Finish();
  return absl::OkStatus();
}

// Of the key that the arguments name, so that what is done is done to what is there now; empty: there is none, which the store
// says.
absl::StatusOr<std::string> EtagOf(Client& store, const Arguments& arguments) {
  v1::ListDkimKeysRequest request;
  request.set_domain(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::ListDkimKeysResponse response, store.Call(store::kListDkimKeys, request));
  for (const v1::DkimKey& key : response.keys()) {
    if (absl::EqualsIgnoreCase(key.selector(), arguments.positional(1))) return key.etag();
  }
  return std::string();
}

absl::Status Activate(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ActivateDkimKeyRequest request;
  request.set_domain(arguments.positional(0));
  request.set_selector(arguments.positional(1));
  ASSIGN_OR_RETURN(*request.mutable_etag(), EtagOf(*store, arguments));
  ASSIGN_OR_RETURN(const v1::DkimKey key, store->Call(store::kActivateDkimKey, request));
  context.output().Result(key, absl::StrCat("key ", key.selector(), " of ", key.domain(), " signs"));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteDkimKeyRequest request;
  request.set_domain(arguments.positional(0));
  request.set_selector(arguments.positional(1));
  request.set_even_active(arguments.Has("force"));
  ASSIGN_OR_RETURN(*request.mutable_etag(), EtagOf(*store, arguments));
  ASSIGN_OR_RETURN(const v1::DeleteDkimKeyResponse response, store->Call(store::kDeleteDkimKey, request));
  context.output().Result(response,
                          absl::StrCat("key ", request.selector(), " of ", request.domain(), " removed"));
  return absl::OkStatus();
}

constexpr absl::string_view kCreateDetails =
    "Prints the TXT record to be published. A relay looks for it, and from when it is seen the key signs all "
    "mail\n"
    "that is written here with an address of DOMAIN in From; the key of the same type that did so is retired "
    "then.\n"
    "With --activate it signs at once: for relays that cannot see the DNS, or a record that is there "
    "already.\n"
    "\n"
    "A domain may have a key of each type, and its mail has a signature by both then. Ed25519 alone is not "
    "enough:\n"
    "some receivers do not know it.";

constexpr absl::string_view kRotateDetails =
    "Makes a new key for each that signs, and prints the records to be published. Each takes the place of "
    "the old\n"
    "one once its record is seen. The old record stays until \"dkim list\" says that it may go.";

}  // namespace

std::vector<Command> DkimCommands() {
  return {
      {"dkim",
       "create",
       "Make a key that signs a domain's mail.",
       {{"DOMAIN"}},
       {
           {"selector", "NAME", "What the key is called in the DNS; without it a name with the day in it."},
           {"type", "TYPE", "The kind of key; rsa by default.", "rsa|ed25519"},
           {"bits", "BITS", "Of an RSA key; 2048 by default."},
           {"activate", "", "Sign at once, without a look at the DNS."},
       },
       kCreateDetails,
       "mailctl dkim create example.org\n"
       "mailctl dkim create example.org --type ed25519 --selector mail-e",
       Create},
      {"dkim",
       "list",
       "List the keys of a domain, or of all.",
       {{"DOMAIN", /*optional=*/true}},
       {},
       "Says what each key waits for, and from when on the record of a retired one may be taken out of the "
       "DNS.",
       "mailctl dkim list example.org",
       List},
      {"dkim",
       "rotate",
       "Make new keys in the place of those that sign.",
       {{"DOMAIN"}},
       {},
       kRotateDetails,
       "mailctl dkim rotate example.org",
       Rotate},
      {"dkim",
       "activate",
       "Let a pending key sign without a look at the DNS.",
       {{"DOMAIN"}, {"SELECTOR"}},
       {},
       "Mail that it signs before its record can be found fails where it is checked.",
       "mailctl dkim activate example.org s20261129r",
       Activate},
      {"dkim",
       "remove",
       "Delete a key.",
       {{"DOMAIN"}, {"SELECTOR"}},
       {{"force", "", "Also when it signs mail: the domain's mail goes out without its signature."}},
       "The record of a retired key should stay in the DNS until \"dkim list\" says that it may go.",
       "mailctl dkim remove example.org s20261129r",
       Remove},
  };
}

}  // namespace mailstead::ctl
