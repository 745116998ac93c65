#include "common/frontend/listeners.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/base/status.h"
#include "common/obs/log.h"

namespace mailstead::frontend {
namespace {

// After the connections were cut off: what is left are calls to the store, which have deadlines of their own.
constexpr absl::Duration kCutOffTime = absl::Seconds(5);

// Whether `address` is "[::]:P", and "0.0.0.0:P" is listened on too.
bool HasTwinOf(absl::string_view address, const std::vector<std::string>& addresses) {
  if (!absl::ConsumePrefix(&address, "[::]:") || address == "0") return false;
  const std::string twin = absl::StrCat("0.0.0.0:", address);
  return std::find(addresses.begin(), addresses.end(), twin) != addresses.end();
}

}  // namespace

absl::Status Listeners::Listen(const std::string& name, const std::vector<std::string>& addresses,
                               const net::Listener::Serve& serve) {
  for (const std::string& address : addresses) {
    ASSIGN_OR_RETURN(
        std::unique_ptr<net::Listener> listener,
        net::Listener::Start(
            threads_,
            {.address = address, .v6_only = HasTwinOf(address, addresses), .peer_timeout = peer_timeout_},
            serve));
    obs::LogInfo("listening",
                 {{"listener", name}, {"address", listener->address()}, {"port", listener->port()}});
    listeners_.push_back(std::move(listener));
  }
  return absl::OkStatus();
}

bool Listeners::Drain(absl::Duration timeout) {
  // Now, while their I/O threads are there.
  listeners_.clear();
  connections_.Drain();
  if (connections_.WaitUntilEmpty(timeout)) return true;
  obs::LogWarning("drain_timeout", {{"sessions", connections_.count()}});
  connections_.CloseAll();
  return connections_.WaitUntilEmpty(kCutOffTime);
}

}  // namespace mailstead::frontend
