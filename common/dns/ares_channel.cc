#include "common/dns/ares_channel.h"

#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mailstead::dns {
namespace {

// Of the process; never undone, as other parts may use c-ares too.
absl::Status InitializeLibrary() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  return status == ARES_SUCCESS ? absl::OkStatus() : AresError("c-ares", status);
}

}  // namespace

absl::Status AresError(absl::string_view what, int status) {
  return absl::UnavailableError(absl::StrCat(what, ": ", ares_strerror(status)));
}

AresChannel::~AresChannel() {
  if (channel_ != nullptr) ares_destroy(channel_);
}

absl::Status AresChannel::Open(ares_options wanted, int mask, const std::vector<Server>& servers) {
  if (absl::Status ready = InitializeLibrary(); !ready.ok()) return ready;
  char no_configuration[] = "/dev/null";
  wanted.sock_state_cb = &AresChannel::OnSocketState;
  wanted.sock_state_cb_data = this;
  mask |= ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
  if (!servers.empty()) {
    wanted.resolvconf_path = no_configuration;
    mask |= ARES_OPT_RESOLVCONF;
  }
  const int status = ares_init_options(&channel_, &wanted, mask);
  if (status != ARES_SUCCESS) return AresError("c-ares", status);
  return servers.empty() ? absl::OkStatus() : SetServers(servers);
}

std::vector<Server> AresChannel::Servers() const {
  std::vector<Server> servers;
  ares_addr_port_node* first = nullptr;
  if (ares_get_servers_ports(channel_, &first) != ARES_SUCCESS) return servers;
  for (const ares_addr_port_node* node = first; node != nullptr; node = node->next) {
    Server server;
    if (node->family == AF_INET) {
      asio::ip::address_v4::bytes_type bytes;
      std::memcpy(bytes.data(), &node->addr, bytes.size());
      server.address = asio::ip::address_v4(bytes);
    } else {
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &node->addr, bytes.size());
      server.address = asio::ip::address_v6(bytes);
    }
    if (node->udp_port != 0) server.port = static_cast<uint16_t>(node->udp_port);
    servers.push_back(server);
  }
  ares_free_data(first);
  return servers;
}

void AresChannel::Send(absl::string_view query, ares_callback callback, void* argument) {
  ares_send(channel_, reinterpret_cast<const unsigned char*>(query.data()), static_cast<int>(query.size()),
            callback, argument);
  SetTimer();
}

void AresChannel::FindAddresses(const char* host, ares_addrinfo_callback callback, void* argument) {
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  ares_getaddrinfo(channel_, host, nullptr, &hints, callback, argument);
  SetTimer();
}

void AresChannel::Cancel() {
  if (channel_ == nullptr) return;
  ares_cancel(channel_);
  SetTimer();
}

bool AresChannel::UsesEdns() const {
  ares_options now{};
  int mask = 0;
  if (ares_save_options(channel_, &now, &mask) != ARES_SUCCESS) return false;
  const bool uses = (now.flags & ARES_FLAG_EDNS) != 0;
  ares_destroy_options(&now);
  return uses;
}

absl::Status AresChannel::SetServers(const std::vector<Server>& servers) {
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (size_t i = 0; i < servers.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.udp_port = node.tcp_port = servers[i].port;
    const asio::ip::address& address = servers[i].address;
    node.family = address.is_v4() ? AF_INET : AF_INET6;
    if (address.is_v4()) {
      const auto bytes = address.to_v4().to_bytes();
      std::memcpy(&node.addr, bytes.data(), bytes.size());
    } else {
      const auto bytes = address.to_v6().to_bytes();
      std::memcpy(&node.addr, bytes.data(), bytes.size());
    }
  }
  const int status = ares_set_servers_ports(channel_, nodes.data());
  return status == ARES_SUCCESS ? absl::OkStatus() : AresError("c-ares: servers", status);
}

void AresChannel::OnSocketState(void* self, ares_socket_t number, int wants_read, int wants_write) {
  static_cast<AresChannel*>(self)->SetSocket(number, wants_read != 0, wants_write != 0);
}

void AresChannel::SetSocket(int number, bool wants_read, bool wants_write) {
  std::shared_ptr<Socket>& socket = sockets_[number];
  if (!wants_read && !wants_write) {
    // c-ares closes it right after this.
    if (socket != nullptr) {
      socket->closed = true;
      socket->descriptor.release();
    }
    sockets_.erase(number);
    return;
  }
  if (socket == nullptr) socket = std::make_shared<Socket>(executor_, number);
  socket->wants_read = wants_read;
  socket->wants_write = wants_write;
  Wait(number, socket);
}

void AresChannel::Wait(int number, const std::shared_ptr<Socket>& socket) {
  if (socket->wants_read && !std::exchange(socket->waits_for_read, socket->wants_read)) {
    socket->descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                  [self = shared_from_this(), number, socket](const asio::error_code& error) {
                                    socket->waits_for_read = false;
                                    self->OnReady(number, socket, error, ARES_SOCKET_BAD);
                                  });
  }
  if (socket->wants_write && !std::exchange(socket->waits_for_write, socket->wants_write)) {
    socket->descriptor.async_wait(asio::posix::stream_descriptor::wait_write,
                                  [self = shared_from_this(), number, socket](const asio::error_code& error) {
                                    socket->waits_for_write = false;
                                    self->OnReady(ARES_SOCKET_BAD, socket, error, number);
                                  });
  }
}

void AresChannel::OnReady(int readable, const std::shared_ptr<Socket>& socket, const asio::error_code& error,
                          int writable) {
  if (error || socket->closed) return;
  ares_process_fd(channel_, readable, writable);
  if (!socket->closed) Wait(readable != ARES_SOCKET_BAD ? readable : writable, socket);
  SetTimer();
}

void AresChannel::SetTimer() {
  timeval next{};
  if (ares_timeout(channel_, nullptr, &next) == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec));
  timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (error) return;
    ares_process_fd(self->channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    self->SetTimer();
  });
}

}  // namespace mailstead::dns
