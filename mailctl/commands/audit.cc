#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/time_word.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

constexpr uint64_t kDefaultCount = 100;

void SetTime(absl::Time time, google::protobuf::Timestamp& proto) {
  proto.set_seconds(absl::ToUnixSeconds(time));
  proto.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(absl::ToUnixSeconds(time)))));
}

// "DirectoryService/DeleteAccount".
std::string ShortAction(const std::string& action) { return action.substr(action.rfind('.') + 1); }

absl::Status List(const Arguments& arguments, Context& context) {
  v1::ListAuditEntriesRequest request;
  request.set_actor(arguments.Get("actor"));
  request.set_action(arguments.Get("action"));
  request.set_target(arguments.Get("target"));
  if (arguments.Has("since")) {
    ASSIGN_OR_RETURN(const absl::Time since,
                     ParseTimeWord("since", arguments.Get("since"), absl::Now(), TimeWord::kPast));
    SetTime(since, *request.mutable_since_time());
  }
  if (arguments.Has("until")) {
    ASSIGN_OR_RETURN(const absl::Time until,
                     ParseTimeWord("until", arguments.Get("until"), absl::Now(), TimeWord::kPast));
    SetTime(until, *request.mutable_until_time());
  }
  ASSIGN_OR_RETURN(const std::optional<uint64_t> given, arguments.GetCount("count"));
  const uint64_t most = given.value_or(kDefaultCount);
  if (most == 0) return UsageError("--count=0: must be 1 or more");
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "entries");
  Table table({{"TIME"}, {"ACTOR"}, {"ACTION"}, {"TARGET"}, {"RESULT"}, {"PEER"}});
  uint64_t count = 0;
  while (true) {
    request.set_page_size(static_cast<int32_t>(std::min<uint64_t>(most - count, 1000)));
    ASSIGN_OR_RETURN(const v1::ListAuditEntriesResponse page, store->Call(store::kListAuditEntries, request));
    for (const v1::AuditEntry& entry : page.entries()) {
      ++count;
      json.Add(entry);
      if (context.output().json()) continue;
      const std::string times =
          entry.call_count() > 1 ? absl::StrCat(" (", entry.call_count(), " times)") : "";
      table.Row({FormatTime(entry.time()), entry.actor(), ShortAction(entry.action()), entry.target(),
                 absl::StrCat(entry.result(), times), entry.peer()});
    }
    if (page.next_page_token().empty() || count >= most) break;
    request.set_page_token(page.next_page_token());
  }
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no entries\n" : table.Text());
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> AuditCommands() {
  return {
      {"audit",
       "",
       "Show who changed what, and who was refused, the newest first.",
       {},
       {
           {"actor", "NAME", "Only of operator, key:NAME, nobody...; key:* are all keys."},
           {"action", "METHOD", "Only this method of the API, as DeleteAccount."},
           {"target", "TEXT", "Only what was done to this: an address, a domain, an id."},
           {"since", "TIME", "Only from then on: 12h or 7d ago, 2027-01-31, 2027-01-31T12:00:00Z."},
           {"until", "TIME", "Only before then."},
           {"count", "NUMBER", "Most entries; 100 by default."},
       },
       "The store keeps them for --audit_age. Refusals of the same kind from the same address are one entry.",
       "mailctl audit --since 24h\n"
       "mailctl audit --actor 'key:*' --target ann@example.test",
       List},
  };
}

}  // namespace mailstead::ctl
