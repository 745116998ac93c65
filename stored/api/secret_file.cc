#include "stored/api/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/random.h"
#include "common/base/status.h"
#include "common/config/config.h"

namespace mailstead::stored {
namespace {

constexpr size_t kSecretCharacters = 52;

absl::Status Failed(absl::string_view what, const std::string& path) {
  const std::string message = absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno));
  return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

// A new file beside `path`, whole and on disk. Returns its name.
absl::StatusOr<std::string> WriteBeside(const std::string& path, absl::string_view content, unsigned mode) {
  const std::string name = absl::StrCat(path, ".", RandomId(8));
  const int file = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return Failed("make", path);
  const bool written = write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
                       fchmod(file, mode) == 0 && fsync(file) == 0;
  absl::Status status = written ? absl::OkStatus() : Failed("write", path);
  close(file);
  if (!status.ok()) {
    unlink(name.c_str());
    return status;
  }
  return name;
}

}  // namespace

absl::StatusOr<std::string> ReadOrMakeSecretFile(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    ASSIGN_OR_RETURN(const std::string made,
                     WriteBeside(path, absl::StrCat(RandomId(kSecretCharacters), "\n"), 0600));
    // Does not replace: whoever was first has told others already.
    const bool linked = link(made.c_str(), path.c_str()) == 0 || errno == EEXIST;
    absl::Status status = linked ? absl::OkStatus() : Failed("make", path);
    unlink(made.c_str());
    RETURN_IF_ERROR(status);
  }
  return config::ReadSecretFile(path);
}

absl::Status WriteFileAtOnce(const std::string& path, absl::string_view content, unsigned mode) {
  ASSIGN_OR_RETURN(const std::string made, WriteBeside(path, content, mode));
  if (rename(made.c_str(), path.c_str()) == 0) return absl::OkStatus();
  absl::Status status = Failed("replace", path);
  unlink(made.c_str());
  return status;
}

}  // namespace mailstead::stored
