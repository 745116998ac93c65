#include "mailctl/settings.h"

#include <unistd.h>

#include <fstream>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

std::string FromEnvironment(const Surroundings& surroundings, absl::string_view option) {
  const char* value = surroundings.getenv(absl::StrCat("MAILCTL_", absl::AsciiStrToUpper(option)).c_str());
  return value == nullptr ? "" : value;
}

std::string Given(const Arguments& arguments, const Surroundings& surroundings, absl::string_view option) {
  return arguments.Has(option) ? arguments.Get(option) : FromEnvironment(surroundings, option);
}

bool Readable(const std::string& path) { return access(path.c_str(), R_OK) == 0; }

// The address that stored wrote when it started; empty when there is none.
std::string ReadAddress(const std::string& data) {
  std::ifstream file(data + "/store.address");
  std::string line;
  std::getline(file, line);
  return line;
}

// build/bin/mailctl belongs to the folder data/ beside build/.
std::string DataBesideProgram(const Surroundings& surroundings) {
  absl::string_view path = surroundings.program_path;
  for (int level = 0; level < 3; ++level) {
    const size_t slash = path.rfind('/');
    if (slash == absl::string_view::npos) return "";
    path = path.substr(0, slash);
  }
  return absl::StrCat(path, "/data");
}

absl::Status CheckTokenFile(const std::string& path) {
  if (path.empty() || Readable(path)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("the operator's token cannot be read: ", path));
}

}  // namespace

absl::StatusOr<Settings> FindStore(const Arguments& arguments, const Surroundings& surroundings) {
  Settings settings;
  const std::string timeout = Given(arguments, surroundings, "timeout");
  if (!timeout.empty()) {
    ASSIGN_OR_RETURN(const std::optional<absl::Duration> parsed,
                     Arguments({}, {{"timeout", {timeout}}}).GetDuration("timeout"));
    settings.timeout = *parsed;
  }
  settings.channel.target = Given(arguments, surroundings, "store");
  settings.channel.token_file = Given(arguments, surroundings, "token_file");
  settings.channel.tls_ca_file = Given(arguments, surroundings, "tls_ca");
  settings.channel.tls_cert_file = Given(arguments, surroundings, "tls_cert");
  settings.channel.tls_key_file = Given(arguments, surroundings, "tls_key");

  const char* named = surroundings.getenv("MAILSTEAD_DATA");
  const bool is_named = named != nullptr && *named != '\0';
  const std::string data = is_named ? named : DataBesideProgram(surroundings);
  const std::string token_file = data + "/secrets/operator.token";
  // SECURITY: the token of a folder that nobody named goes only to the store of that folder, never to the
  // address that --store gives.
  const bool may_take_token = is_named || settings.channel.target.empty();
  if (settings.channel.token_file.empty() && may_take_token &&
      (is_named ? !data.empty() : Readable(token_file))) {
    // With a certificate of one's own there may be no token at all.
    if (settings.channel.tls_cert_file.empty() || Readable(token_file))
      settings.channel.token_file = token_file;
  }
  if (settings.channel.target.empty()) settings.channel.target = ReadAddress(data);
  if (settings.channel.target.empty()) {
    return absl::NotFoundError(
        absl::StrCat("the store's address is not known: give --store, or set MAILSTEAD_DATA",
                     " to the folder of a running scripts/run (sought ",
                     data.empty() ? "nowhere" : data + "/store.address", ")"));
  }
  RETURN_IF_ERROR(CheckTokenFile(settings.channel.token_file));
  return settings;
}

}  // namespace mailstead::ctl
