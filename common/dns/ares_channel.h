// A channel of c-ares with its sockets and its timer on an executor. For .cc files of this folder.
#pragma once

#include <ares.h>

#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "asio/any_io_executor.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "common/dns/server_list.h"

namespace mailstead::dns {

absl::Status AresError(absl::string_view what, int status);

// Used on its executor only. It keeps itself while it has sockets open. It is not to be destroyed within a call of its own.
class AresChannel : public std::enable_shared_from_this<AresChannel> {
 public:
  explicit AresChannel(const asio::any_io_executor& executor) : executor_(executor), timer_(executor) {}
  ~AresChannel();
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;

  // `wanted` as ares_init_options takes it with `mask`, whose callbacks are this channel's. Without `servers` the system's are
  // asked, of /etc/resolv.conf. Unavailable.
  absl::Status Open(ares_options wanted, int mask, const std::vector<Server>& servers);

  std::vector<Server> Servers() const;

  // `callback` is called once, perhaps within this call; as of those that follow.
  void Send(absl::string_view query, ares_callback callback, void* argument);
  // The addresses of a host, of all families.
  void FindAddresses(const char* host, ares_addrinfo_callback callback, void* argument);

  // Everything that is open fails, within this call.
  void Cancel();

  // False: a server did not know EDNS, and c-ares does without it from now on, towards every server.
  bool UsesEdns() const;

 private:
  // A socket that c-ares owns.
  struct Socket {
    Socket(const asio::any_io_executor& executor, int number) : descriptor(executor, number) {}
    asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool waits_for_read = false;
    bool waits_for_write = false;
    bool closed = false;
  };

  absl::Status SetServers(const std::vector<Server>& servers);
  static void OnSocketState(void* self, ares_socket_t number, int wants_read, int wants_write);
  void SetSocket(int number, bool wants_read, bool wants_write);
  void Wait(int number, const std::shared_ptr<Socket>& socket);
  // One of the numbers is ARES_SOCKET_BAD.
  void OnReady(int readable, const std::shared_ptr<Socket>& socket, const asio::error_code& error,
               int writable);
  void SetTimer();

  const asio::any_io_executor executor_;
  ares_channel channel_ = nullptr;
  absl::flat_hash_map<int, std::shared_ptr<Socket>> sockets_;
  asio::steady_timer timer_;
};

}  // namespace mailstead::dns
