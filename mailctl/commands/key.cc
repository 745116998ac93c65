#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/retention_word.h"
#include "mailctl/commands/time_word.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

constexpr absl::string_view kScopeChoices =
    "mail.read|mail.delete|mail.deliver|mail.submit|mail.watch|directory.read|directory.write|queue.read|"
    "queue.write|"
    "admin.read|admin.write";

// In the order of the enum, whose first value means none.
std::vector<absl::string_view> ScopeNames() { return absl::StrSplit(kScopeChoices, '|'); }

std::string ScopesText(const v1::Key& key) {
  std::vector<std::string> names;
  for (const int scope : key.scopes()) {
    const bool known = scope >= 1 && static_cast<size_t>(scope) <= ScopeNames().size();
    names.push_back(known ? std::string(ScopeNames()[scope - 1]) : absl::StrCat(scope));
  }
  return absl::StrJoin(names, ", ");
}

std::string StateText(const v1::Key& key) {
  switch (key.state()) {
    case v1::Key::STATE_ACTIVE:
      return key.has_expire_time() ? absl::StrCat("until ", FormatTime(key.expire_time())) : "active";
    case v1::Key::STATE_EXPIRED:
      return "expired";
    case v1::Key::STATE_REVOKED:
      return "revoked";
    default:
      return "unknown";
  }
}

std::string SightText(const v1::Key& key) {
  if (key.sees_all()) return "everything";
  std::vector<std::string> parts;
  for (const std::string& account : key.accounts()) parts.push_back(absl::StrCat("account ", account));
  for (const std::string& domain : key.domains()) parts.push_back(absl::StrCat("domain ", domain));
  return absl::StrJoin(parts, ", ");
}

std::string LimitsText(const v1::KeyLimits& limits) {
  std::vector<std::string> parts;
  if (limits.calls_per_second() > 0)
    parts.push_back(absl::StrCat(limits.calls_per_second(), " calls a second"));
  if (limits.burst() > 0) parts.push_back(absl::StrCat("a burst of ", limits.burst()));
  if (limits.concurrent_calls() > 0)
    parts.push_back(absl::StrCat(limits.concurrent_calls(), " at the same time"));
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

std::string LastUsedText(const v1::Key& key) {
  if (!key.has_last_used_time()) return "never";
  return absl::StrCat(FormatTime(key.last_used_time()), " from ", key.last_used_address());
}

// A new secret for a file that others cannot read. The file is begun before the secret is made, so that no secret is made in
// vain, and takes its place whole.
class SecretFile {
 public:
  ~SecretFile() {
    if (descriptor_ < 0) return;
    close(descriptor_);
    unlink(part_.c_str());
  }
  absl::Status Begin(const std::string& path) {
    path_ = path;
    part_ = absl::StrCat(path, ".", getpid(), ".part");
    descriptor_ = open(part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return descriptor_ < 0 ? Failed("make") : absl::OkStatus();
  }
  absl::Status Finish(absl::string_view secret) {
    const std::string line = absl::StrCat(secret, "\n");
    const bool written = write(descriptor_, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                         fchmod(descriptor_, 0600) == 0 && fsync(descriptor_) == 0;
    if (!written || rename(part_.c_str(), path_.c_str()) != 0) return Failed("write");
    close(descriptor_);
    descriptor_ = -1;
    return absl::OkStatus();
  }

 private:
  absl::Status Failed(absl::string_view what) const {
    return absl::UnavailableError(absl::StrCat("cannot ", what, " ", path_, ": ", std::strerror(errno)));
  }

  std::string path_;
  std::string part_;
  int descriptor_ = -1;
};

absl::StatusOr<std::vector<v1::KeyScope>> ScopesOf(const Arguments& arguments) {
  const std::vector<absl::string_view> names = ScopeNames();
  std::vector<v1::KeyScope> scopes;
  for (const std::string& value : arguments.GetAll("scope")) {
    for (const absl::string_view name : absl::StrSplit(value, ',')) {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) {
        return UsageError(absl::StrCat("--scope=", name, ": must be one of ", absl::StrJoin(names, ", ")));
      }
      scopes.push_back(static_cast<v1::KeyScope>(found - names.begin() + 1));
    }
  }
  return scopes;
}

absl::StatusOr<int64_t> LimitOf(const Arguments& arguments, absl::string_view option) {
  ASSIGN_OR_RETURN(const std::optional<uint64_t> count, arguments.GetCount(option));
  // The store says what it may be.
  return static_cast<int64_t>(std::min<uint64_t>(count.value_or(0), uint64_t{1} << 40));
}

// What the options say of a key, and which of its fields they are.
absl::StatusOr<std::vector<std::string>> ReadKey(const Arguments& arguments, v1::Key& key) {
  std::vector<std::string> fields;
  if (arguments.Has("scope")) {
    ASSIGN_OR_RETURN(const std::vector<v1::KeyScope> scopes, ScopesOf(arguments));
    for (const v1::KeyScope scope : scopes) key.add_scopes(scope);
    fields.push_back("scopes");
  }
  // "" alone takes what is there away.
  const auto list = [&](absl::string_view option, absl::string_view field, auto* to) {
    if (!arguments.Has(option)) return;
    for (const std::string& value : arguments.GetAll(option)) {
      if (!value.empty()) *to->Add() = value;
    }
    fields.emplace_back(field);
  };
  list("mailbox", "accounts", key.mutable_accounts());
  list("domain", "domains", key.mutable_domains());
  list("ip", "ip_ranges", key.mutable_ip_ranges());
  list("certificate", "certificate_names", key.mutable_certificate_names());
  if (arguments.Has("expires")) {
    const std::string word = arguments.Get("expires");
    if (word != "never") {
      ASSIGN_OR_RETURN(const absl::Time time, ParseTimeWord("expires", word, absl::Now(), TimeWord::kFuture));
      key.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(time));
    }
    fields.push_back("expire_time");
  }
  if (arguments.Has("rate") || arguments.Has("burst") || arguments.Has("concurrency")) {
    ASSIGN_OR_RETURN(const int64_t rate, LimitOf(arguments, "rate"));
    ASSIGN_OR_RETURN(const int64_t burst, LimitOf(arguments, "burst"));
    ASSIGN_OR_RETURN(const int64_t concurrency, LimitOf(arguments, "concurrency"));
    key.mutable_limits()->set_calls_per_second(rate);
    key.mutable_limits()->set_burst(burst);
    key.mutable_limits()->set_concurrent_calls(concurrency);
    fields.push_back("limits");
  }
  ASSIGN_OR_RETURN(const std::optional<absl::Duration> retention, ReadRetention(arguments));
  if (retention.has_value()) {
    SetRetention(*retention, *key.mutable_retention());
    fields.emplace_back(kRetentionName);
  }
  return fields;
}

// As a file: nothing but the secret goes there.
constexpr absl::string_view kStandardOutput = "-";

// The secret once: in its file, or on standard output.
template <typename Response>
absl::Status ShowSecret(Output& output, SecretFile& file, const std::string& path, Response response,
                        absl::string_view line) {
  const std::string secret = response.secret();
  if (path == kStandardOutput && !secret.empty()) {
    output.Raw(absl::StrCat(secret, "\n"));
    return absl::OkStatus();
  }
  if (path.empty()) {
    output.Json(response);
    output.Line(line);
    if (!secret.empty() && !output.json()) {
      output.Line("its secret, which is not shown again:");
      output.Raw(absl::StrCat(secret, "\n"));
    }
    return absl::OkStatus();
  }
  if (secret.empty())
    return absl::AlreadyExistsError("it was made before, and its secret is not told again: rotate the key");
  if (const absl::Status written = file.Finish(secret); !written.ok()) {
    return absl::Status(written.code(),
                        absl::StrCat(written.message(), "; the secret is lost: rotate the key"));
  }
  response.clear_secret();
  output.Json(response);
  output.Line(line);
  output.Line(absl::StrCat("its secret is in ", Printable(path)));
  return absl::OkStatus();
}

absl::Status Create(const Arguments& arguments, Context& context) {
  v1::CreateKeyRequest request;
  request.mutable_key()->set_name(arguments.positional(0));
  request.set_request_id(arguments.Get("request_id"));
  RETURN_IF_ERROR(ReadKey(arguments, *request.mutable_key()).status());
  if (request.key().scopes().empty()) return UsageError("--scope is needed: what the key may do");
  const std::string path = arguments.Get("out");
  SecretFile file;
  if (!path.empty() && path != kStandardOutput) RETURN_IF_ERROR(file.Begin(path));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(v1::CreateKeyResponse response, store->Call(store::kCreateKey, request));
  const std::string line =
      absl::StrCat("key ", response.key().name(), " (", response.key().key_id(), ") is made");
  return ShowSecret(context.output(), file, path, std::move(response), line);
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "keys");
  Table table({{"NAME"}, {"ID"}, {"STATE"}, {"SCOPES"}, {"FOR"}, {"LAST USED"}});
  const auto take = [&](const v1::ListKeysResponse& page) {
    for (const v1::Key& key : page.keys()) {
      json.Add(key);
      if (context.output().json()) continue;
      table.Row(
          {key.name(), key.key_id(), StateText(key), ScopesText(key), SightText(key), LastUsedText(key)});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListKeys, v1::ListKeysRequest(), take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no keys\n" : table.Text());
  return absl::OkStatus();
}

void ShowKey(Output& output, const v1::Key& key) {
  output.Json(key);
  if (output.json()) return;
  FieldList fields;
  fields.Add("name", key.name());
  fields.Add("id", key.key_id());
  fields.Add("state", StateText(key));
  fields.Add("scopes", ScopesText(key));
  fields.Add("for", SightText(key));
  fields.Add("from", key.ip_ranges().empty() ? "anywhere" : absl::StrJoin(key.ip_ranges(), ", "));
  fields.Add("certificates",
             key.certificate_names().empty() ? "none" : absl::StrJoin(key.certificate_names(), ", "));
  fields.Add("limits", LimitsText(key.limits()));
  fields.Add("its messages stay", key.has_retention()
                                      ? absl::StrCat("at most ", RetentionText(key.retention()))
                                      : "as the mailbox says");
  fields.Add("made", FormatTime(key.create_time()));
  fields.Add("changed", FormatTime(key.update_time()));
  if (key.has_revoke_time()) fields.Add("revoked", FormatTime(key.revoke_time()));
  fields.Add("last used", LastUsedText(key));
  for (const v1::KeySecret& secret : key.secrets()) {
    fields.Add("secret",
               absl::StrCat("made ", FormatTime(secret.create_time()),
                            secret.has_expire_time() ? ", until " + FormatTime(secret.expire_time()) : ""));
  }
  output.Raw(fields.Text());
}

absl::Status Show(const Arguments& arguments, Context& context) {
  v1::GetKeyRequest request;
  request.set_key(arguments.positional(0));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Key key, store->Call(store::kGetKey, request));
  ShowKey(context.output(), key);
  return absl::OkStatus();
}

absl::Status Rotate(const Arguments& arguments, Context& context) {
  v1::RotateKeyRequest request;
  request.set_key(arguments.positional(0));
  if (arguments.Has("overlap")) {
    ASSIGN_OR_RETURN(const absl::Duration overlap, ParseDurationWord("overlap", arguments.Get("overlap")));
    request.mutable_overlap()->set_seconds(absl::ToInt64Seconds(overlap));
  }
  const std::string path = arguments.Get("out");
  SecretFile file;
  if (!path.empty() && path != kStandardOutput) RETURN_IF_ERROR(file.Begin(path));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(v1::RotateKeyResponse response, store->Call(store::kRotateKey, request));
  std::string until = "the old one does not count any more";
  for (const v1::KeySecret& secret : response.key().secrets()) {
    if (secret.has_expire_time())
      until = absl::StrCat("the old one counts until ", FormatTime(secret.expire_time()));
  }
  const std::string line = absl::StrCat("key ", response.key().name(), " has a new secret; ", until);
  return ShowSecret(context.output(), file, path, std::move(response), line);
}

absl::Status Revoke(const Arguments& arguments, Context& context) {
  v1::RevokeKeyRequest request;
  request.set_key(arguments.positional(0));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Key key, store->Call(store::kRevokeKey, request));
  context.output().Result(key, absl::StrCat("key ", key.name(), " is revoked"));
  return absl::OkStatus();
}

absl::Status Set(const Arguments& arguments, Context& context) {
  v1::UpdateKeyRequest request;
  ASSIGN_OR_RETURN(const std::vector<std::string> fields, ReadKey(arguments, *request.mutable_key()));
  for (const std::string& field : fields) request.mutable_update_mask()->add_paths(field);
  if (arguments.Has("name")) request.mutable_update_mask()->add_paths("name");
  if (request.update_mask().paths().empty()) return UsageError("give an option that says what changes");
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::GetKeyRequest get;
  get.set_key(arguments.positional(0));
  ASSIGN_OR_RETURN(const v1::Key present, store->Call(store::kGetKey, get));
  request.mutable_key()->set_key_id(present.key_id());
  request.mutable_key()->set_name(arguments.Get("name"));
  // A limit that is not named stays.
  const bool has_limits = request.key().has_limits();
  v1::KeyLimits& limits = *request.mutable_key()->mutable_limits();
  if (!arguments.Has("rate")) limits.set_calls_per_second(present.limits().calls_per_second());
  if (!arguments.Has("burst")) limits.set_burst(arguments.Has("rate") ? 0 : present.limits().burst());
  if (!arguments.Has("concurrency")) limits.set_concurrent_calls(present.limits().concurrent_calls());
  // Between the two nobody else changes it.
  if (has_limits) request.mutable_key()->set_etag(present.etag());
  ASSIGN_OR_RETURN(const v1::Key key, store->Call(store::kUpdateKey, request));
  ShowKey(context.output(), key);
  return absl::OkStatus();
}

std::vector<Option> KeyOptions() {
  return {
      {"scope", "SCOPE", "What the key may do; several are given one by one, or with commas."},
      {"mailbox", "ADDRESS", "A mailbox that it is for, by address or account id; may be repeated."},
      {"domain", "DOMAIN", "A domain that it is for, with all its mailboxes; may be repeated."},
      {"ip", "NETWORK", "Where its calls may come from, as 192.0.2.0/24; may be repeated."},
      {"certificate", "NAME", "The name of a client certificate that stands for it; may be repeated."},
      {"expires", "TIME", "When it ends: 12h, 90d, 2027-01-31, 2027-01-31T12:00:00Z, or never."},
      {kRetentionName, "TIME",
       "How long what comes in by it stays in a mailbox at most, in days: 30d, or never."},
      {"rate", "NUMBER", "Most calls a second; 0: no limit."},
      {"burst", "NUMBER", "Of them, how many may come at once; as many as --rate by default."},
      {"concurrency", "NUMBER", "Most calls at the same time, streams included; 0: no limit."},
  };
}

std::vector<Option> With(std::vector<Option> options, std::vector<Option> more) {
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

constexpr absl::string_view kCreateDetails =
    "Scopes: mail.read, mail.delete, mail.deliver, mail.submit, mail.watch, directory.read, "
    "directory.write,\n"
    "queue.read, queue.write, admin.read, admin.write.\n"
    "\n"
    "With neither --mailbox nor --domain the key is for everything. What it is not for is not found by it.\n"
    "A mailbox is kept by its account: it may get another address, and a new one with its old address is\n"
    "another. The secret is shown once, and goes into calls as \"authorization: Bearer msk_...\"; --out\n"
    "writes it to a file that others cannot read, for --token_file of this program among others.";

}  // namespace

std::vector<Command> KeyCommands() {
  const Option out = {
      "out", "FILE",
      "Write the secret to this file, mode 0600, and print it nowhere; -: print nothing else."};
  return {
      {"key",
       "create",
       "Make a key for a program that calls the store.",
       {{"NAME"}},
       With(KeyOptions(),
            {out, {"request_id", "ID", "Makes a repeat of this command safe: it makes no second key."}}),
       kCreateDetails,
       "mailctl key create support-desk --scope mail.read,mail.delete --mailbox help@example.test --out "
       "desk.key\n"
       "mailctl key create intake --scope mail.deliver --domain example.test --ip 192.0.2.0/24 --expires 90d",
       Create},
      {"key",
       "list",
       "List the keys.",
       {},
       {},
       "A key that was revoked is listed for 30 days.",
       "mailctl key list",
       List},
      {"key",
       "show",
       "Show a key, and when and from where it was used last.",
       {{"KEY"}},
       {},
       "KEY is a name or an id. When it was used is told to the minute; no secret is ever shown.",
       "mailctl key show support-desk",
       Show},
      {"key",
       "set",
       "Change a key, at once.",
       {{"KEY"}},
       With(KeyOptions(), {{"name", "NAME", "What it is called from now on."}}),
       "A list takes the place of the one before: give all of it, and \"\" for none. Streams that were begun "
       "with\n"
       "what the key was end.",
       "mailctl key set support-desk --rate 20 --expires 2027-12-31\n"
       "mailctl key set intake --ip 192.0.2.0/24 --ip 2001:db8::/48",
       Set},
      {"key",
       "rotate",
       "Make a new secret for a key.",
       {{"KEY"}},
       {{"overlap", "TIME", "How long the old secret counts beside it, as 24h or 7d; without it no longer."},
        out},
       "Give the program the new secret before the overlap ends. A key has two secrets at most: the one "
       "before the\n"
       "last ends at once.",
       "mailctl key rotate support-desk --overlap 24h --out desk.key",
       Rotate},
      {"key",
       "revoke",
       "End a key at once, for ever.",
       {{"KEY"}},
       {},
       "Its streams end within a second. The name may be given to a new key.",
       "mailctl key revoke support-desk",
       Revoke},
  };
}

}  // namespace mailstead::ctl
