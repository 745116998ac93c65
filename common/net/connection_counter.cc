#include "common/net/connection_counter.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/ip/address.hpp"
#include "asio/ip/address_v6.hpp"
#include "common/base/check.h"

namespace mailstead::net {
namespace {

// What connections are counted by: an IPv4 address, or the /64 of an IPv6 address.
std::string KeyOf(absl::string_view address) {
  std::string text(address);
  if (text.find(':') == std::string::npos) return text;
  std::error_code error;
  const asio::ip::address_v6 parsed = asio::ip::make_address_v6(text, error);
  if (error) return text;
  asio::ip::address_v6::bytes_type bytes = parsed.to_bytes();
  for (size_t i = 8; i < bytes.size(); ++i) bytes[i] = 0;
  return absl::StrCat(asio::ip::address_v6(bytes).to_string(), "/64");
}

}  // namespace

ConnectionCounter::Place::Place(Place&& other) noexcept
    : counter_(std::exchange(other.counter_, nullptr)), address_(std::move(other.address_)) {}

ConnectionCounter::Place& ConnectionCounter::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  if (counter_ != nullptr) counter_->Leave(address_);
  counter_ = std::exchange(other.counter_, nullptr);
  address_ = std::move(other.address_);
  return *this;
}

ConnectionCounter::Place::~Place() {
  if (counter_ != nullptr) counter_->Leave(address_);
}

bool ConnectionCounter::IsTrusted(absl::string_view address) const {
  if (trusted_.empty()) return false;
  std::error_code error;
  const asio::ip::address parsed = asio::ip::make_address(std::string(address), error);
  return !error && trusted_.Contains(parsed);
}

ConnectionCounter::Verdict ConnectionCounter::Admit(absl::string_view address, Place& place) {
  Place admitted;
  if (max_per_address_ != 0 && !IsTrusted(address)) admitted.address_ = KeyOf(address);
  {
    absl::MutexLock lock(&mutex_);
    if (max_in_all_ != 0 && count_ >= max_in_all_) return Verdict::kTooManyInAll;
    if (!admitted.address_.empty()) {
      // SECURITY: a refused address leaves nothing behind, so that the map is never larger than the
      // connections.
      const auto found = per_address_.find(admitted.address_);
      if (found == per_address_.end()) {
        per_address_.emplace(admitted.address_, 1);
      } else if (found->second >= max_per_address_) {
        return Verdict::kTooManyFromAddress;
      } else {
        ++found->second;
      }
    }
    ++count_;
    admitted.counter_ = this;
  }
  place = std::move(admitted);
  return Verdict::kAdmitted;
}

size_t ConnectionCounter::count() const {
  absl::MutexLock lock(&mutex_);
  return count_;
}

size_t ConnectionCounter::address_count() const {
  absl::MutexLock lock(&mutex_);
  return per_address_.size();
}

void ConnectionCounter::Leave(const std::string& address) {
  absl::MutexLock lock(&mutex_);
  CHECK(count_ > 0);
  --count_;
  if (address.empty()) return;
  const auto found = per_address_.find(address);
  CHECK(found != per_address_.end());
  if (--found->second == 0) per_address_.erase(found);
}

}  // namespace mailstead::net
