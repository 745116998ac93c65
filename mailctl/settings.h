// Where the store is and what opens it: from options, environment, or the data folder of scripts/run.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/transport.h"
#include "mailctl/arguments.h"

namespace mailstead::ctl {

struct Settings {
  rpc::ChannelOptions channel;
  // 0 when not given: each kind of call has its own.
  absl::Duration timeout;
};

// What mailctl may know about its surroundings.
struct Surroundings {
  // As getenv; nullptr when not set.
  std::function<const char*(const char* name)> getenv;
  // Absolute path of the program; empty when unknown.
  std::string program_path;
  // Makes the way to the store: ConnectByGrpc (connect.h), or a test's.
  std::function<absl::StatusOr<std::unique_ptr<rpc::Transport>>(const Settings&)> connect;
  const Clock& clock = Clock::System();
};

// Puts MAILCTL_* in place of global options that were not given. Usage error for a bad value of --timeout.
// NotFound when no address can be found, or a token file is missing: says where it was sought.
absl::StatusOr<Settings> FindStore(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace mailstead::ctl
