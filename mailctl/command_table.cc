#include "mailctl/command_table.h"

#include "mailctl/commands/commands.h"

namespace mailstead::ctl {

const std::vector<Command>& AllCommands() {
  static const std::vector<Command> commands = [] {
    std::vector<Command> all;
    for (auto* part :
         {DomainCommands,  AccountCommands, AliasCommands,      DkimCommands,    RouteCommands,
          QueueCommands,   SrsCommands,     KeyCommands,        AuditCommands,   MessageCommands,
          FetchCommands,   DeliverCommands, SubmissionCommands, WatchCommands,   ConsumerCommands,
          WebhookCommands, ResolveCommands, SessionCommands,    LockoutCommands, DoctorCommands,
          StatusCommands,  VerifyCommands,  BackupCommands,     ProgramCommands}) {
      for (Command& command : part()) all.push_back(command);
    }
    return all;
  }();
  return commands;
}

const std::vector<Noun>& AllNouns() {
  static const std::vector<Noun> nouns = [] {
    std::vector<Noun> all;
    for (const Command& command : AllCommands()) {
      if (!all.empty() && all.back().name == command.noun) continue;
      absl::string_view summary = command.summary;
      if (command.noun == "domain") summary = "Domains this server takes mail for.";
      if (command.noun == "account") summary = "Accounts: an address with a mailbox and a password.";
      if (command.noun == "alias") summary = "Addresses that lead to other addresses, and catch-alls.";
      if (command.noun == "route") summary = "Which way mail for other hosts takes.";
      if (command.noun == "dkim") summary = "Keys that sign mail for other hosts.";
      if (command.noun == "queue") summary = "Mail that waits for other hosts.";
      if (command.noun == "srs")
        summary = "The secrets and addresses of mail that is sent on to other hosts.";
      if (command.noun == "key") summary = "Keys of programs that call the store.";
      if (command.noun == "webhook") summary = "What happens, posted to a URL as it happens.";
      if (command.noun == "message") summary = "Messages in a mailbox.";
      if (command.noun == "submission") summary = "Mail that was submitted, and what has become of it.";
      if (command.noun == "session") summary = "POP3 sessions that hold a mailbox.";
      if (command.noun == "lockout") summary = "Accounts and networks locked out after wrong passwords.";
      if (command.noun == "backup") summary = "Backups, which the store makes of itself while it serves.";
      all.push_back({command.noun, summary});
    }
    return all;
  }();
  return nouns;
}

const std::vector<Option>& GlobalOptions() {
  static const std::vector<Option> options = {
      {"store", "ADDRESS", "Where the store is: host:port or unix:/path."},
      {"token_file", "FILE", "File with the operator's token, or a key."},
      {"tls_ca", "FILE", "CA of the store's certificate (PEM); turns on TLS."},
      {"tls_cert", "FILE", "Own certificate for mutual TLS (PEM)."},
      {"tls_key", "FILE", "Key of --tls_cert (PEM)."},
      {"timeout", "TIME", "How long a call to the store may take, such as 30s or 5m."},
      {"json", "", "Print one JSON document instead of text."},
      {"help", "", "Show help for the command.", {}, 'h'},
      {"version", "", "Print the version."},
  };
  return options;
}

const Command* FindCommand(absl::string_view noun, absl::string_view verb) {
  for (const Command& command : AllCommands()) {
    if (command.noun == noun && command.verb == verb) return &command;
  }
  return nullptr;
}

std::vector<const Command*> CommandsOf(absl::string_view noun) {
  std::vector<const Command*> commands;
  for (const Command& command : AllCommands()) {
    if (command.noun == noun) commands.push_back(&command);
  }
  return commands;
}

}  // namespace mailstead::ctl
