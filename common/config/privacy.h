// What the programs write and read is for their own user: secrets and mail.
#pragma once

#include <string>
#include <vector>

namespace mailstead::config {

// What this process makes from now on is for its user alone, whatever the umask was that it was started with. Files that
// are meant for others say so. First of all in main.
void KeepFilesPrivate();

// Logs each of these files and folders that other users of the machine can reach (open_to_others). Empty names and what is
// not there are passed over.
void WarnOfOpenFiles(const std::vector<std::string>& paths);

}  // namespace mailstead::config
