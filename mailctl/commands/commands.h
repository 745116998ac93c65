// The commands, one file per noun. command_table.cc puts them together.
#pragma once

#include <vector>

#include "mailctl/command.h"

namespace mailstead::ctl {

std::vector<Command> DomainCommands();
std::vector<Command> AccountCommands();
std::vector<Command> AliasCommands();
std::vector<Command> RouteCommands();
std::vector<Command> WebhookCommands();
std::vector<Command> DkimCommands();
std::vector<Command> QueueCommands();
std::vector<Command> SrsCommands();
std::vector<Command> KeyCommands();
std::vector<Command> AuditCommands();
std::vector<Command> MessageCommands();
std::vector<Command> DeliverCommands();
std::vector<Command> SubmissionCommands();
std::vector<Command> FetchCommands();
std::vector<Command> ResolveCommands();
std::vector<Command> SessionCommands();
std::vector<Command> LockoutCommands();
std::vector<Command> DoctorCommands();
std::vector<Command> StatusCommands();
std::vector<Command> VerifyCommands();
std::vector<Command> BackupCommands();
std::vector<Command> WatchCommands();
std::vector<Command> ConsumerCommands();
// completion, version, help
std::vector<Command> ProgramCommands();

}  // namespace mailstead::ctl
