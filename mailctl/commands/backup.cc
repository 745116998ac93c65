#include <string>

#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/damage_text.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

std::string ProgressText(const v1::BackupProgress& progress) {
  const auto copied = static_cast<uint64_t>(progress.copied_bytes());
  const auto total = static_cast<uint64_t>(progress.total_bytes());
  if (copied < total) return absl::StrCat(FormatBytes(copied), " of ", FormatBytes(total), " copied");
  return absl::StrCat(Plural(static_cast<uint64_t>(progress.checked_count()), "message"), " checked");
}

std::string VerifiedText(const v1::Backup& backup) {
  if (!backup.has_verify_time()) return "no";
  if (backup.damaged_count() == 0) return "yes";
  return absl::StrCat(backup.damaged_count(), " damaged");
}

// What is told of a backup that is being made or verified, up to its end. `done` is what then has happened to it.
template <typename Request, typename Response>
absl::Status Follow(store::Method<Request, Response> method, const std::string& name, absl::string_view done,
                    Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  Request request;
  request.set_name(name);
  Output& output = context.output();
  v1::Backup backup;
  const auto take = [&](const Response& response) {
    if (response.has_backup()) backup = response.backup();
    if (response.has_progress()) output.Line(ProgressText(response.progress()));
    if (response.has_damage()) output.Warning(DamageText(response.damage()));
  };
  RETURN_IF_ERROR(store->ReadAll(method, request, kVerifyTimeout, take));
  const auto messages = static_cast<uint64_t>(backup.message_count());
  output.Result(backup, absl::StrCat("backup ", backup.name(), " ", done, ": ", Plural(messages, "message"),
                                     ", ", backup.damaged_count(), " damaged"));
  if (backup.damaged_count() == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(Plural(static_cast<uint64_t>(backup.damaged_count()), "message"),
                                          " of ", messages, " are damaged"));
}

absl::Status Create(const Arguments& arguments, Context& context) {
  return Follow(store::kCreateBackup, arguments.positional(0), "made", context);
}

absl::Status Verify(const Arguments& arguments, Context& context) {
  return Follow(store::kVerifyBackup, arguments.positional(0), "verified", context);
}

absl::Status List(const Arguments&, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "backups");
  Table table({{"NAME"}, {"MADE"}, {"MESSAGES", true}, {"SIZE", true}, {"SCHEMA", true}, {"VERIFIED"}});
  const auto take = [&](const v1::ListBackupsResponse& page) {
    for (const v1::Backup& backup : page.backups()) {
      json.Add(backup);
      table.Row({backup.name(), FormatTime(backup.create_time()), absl::StrCat(backup.message_count()),
                 FormatBytes(static_cast<uint64_t>(backup.disk_bytes())),
                 absl::StrCat(backup.schema_version()), VerifiedText(backup)});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListBackups, v1::ListBackupsRequest(), take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no backups\n" : table.Text());
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  const std::string name = arguments.positional(0);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  if (!arguments.Has("yes")) {
    RETURN_IF_ERROR(context.terminal().Confirm(absl::StrCat("Remove backup ", Printable(name), "?")));
  }
  v1::DeleteBackupRequest request;
  request.set_name(name);
  ASSIGN_OR_RETURN(const v1::DeleteBackupResponse response,
                   store->Call(store::kDeleteBackup, request, kTransferTimeout));
  context.output().Result(response, absl::StrCat("backup ", name, " removed"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> BackupCommands() {
  return {
      {"backup",
       "create",
       "Make a backup of the store, and read it through.",
       {{"NAME"}},
       {},
       "On the store's machine, in the folder of stored --backup_dir, while the store serves. Every message "
       "of it is\n"
       "compared with its SHA-256; the exit code is 1 when one is damaged. Interrupted, it leaves nothing, "
       "or a whole\n"
       "backup that is not verified.",
       "mailctl backup create 2026-11-23",
       Create},
      {"backup", "list", "List all backups.", {}, {}, "", "mailctl backup list", List},
      {"backup",
       "verify",
       "Compare every message of a backup with its SHA-256.",
       {{"NAME"}},
       {},
       "The exit code is 1 when one is damaged.",
       "mailctl backup verify 2026-11-23",
       Verify},
      {"backup",
       "remove",
       "Delete a backup.",
       {{"NAME"}},
       {{"yes", "", "Do not ask first. Needed where there is no terminal to ask at."}},
       "",
       "mailctl backup remove 2026-11-23 --yes",
       Remove},
  };
}

}  // namespace mailstead::ctl
