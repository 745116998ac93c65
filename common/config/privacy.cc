#include "common/config/privacy.h"

#include <sys/stat.h>

#include "absl/strings/str_format.h"
#include "common/obs/log.h"

namespace mailstead::config {

void KeepFilesPrivate() { ::umask(077); }

void WarnOfOpenFiles(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    struct stat info;
    if (path.empty() || ::stat(path.c_str(), &info) != 0 || (info.st_mode & S_IRWXO) == 0) continue;
    obs::LogWarning("open_to_others",
                    {{"path", path}, {"mode", absl::StrFormat("%04o", info.st_mode & 07777)}});
  }
}

}  // namespace mailstead::config
