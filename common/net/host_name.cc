#include "common/net/host_name.h"

#include "asio/ip/host_name.hpp"

namespace mailstead::net {
namespace {

constexpr size_t kMaxHostNameBytes = 255;

}  // namespace

std::string MachineName() {
  asio::error_code ignored;
  std::string name = asio::ip::host_name(ignored);
  return name.empty() ? "localhost" : name;
}

bool IsHostName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxHostNameBytes &&
         name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_[]:") ==
             absl::string_view::npos;
}

}  // namespace mailstead::net
