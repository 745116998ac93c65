#include "smtpd/inbound/account_rates.h"

#include <utility>

#include "common/base/check.h"

namespace mailstead::smtp {
namespace {

constexpr int64_t kHourSeconds = 3600;

}  // namespace

AccountRates::Reservation::Reservation(Reservation&& other) noexcept { *this = std::move(other); }

AccountRates::Reservation& AccountRates::Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  Return();
  rates_ = std::exchange(other.rates_, nullptr);
  account_ = std::move(other.account_);
  hour_ = other.hour_;
  return *this;
}

void AccountRates::Reservation::Return() {
  AccountRates* rates = std::exchange(rates_, nullptr);
  if (rates == nullptr) return;
  absl::MutexLock lock(&rates->mutex_);
  const auto found = rates->counts_.find(account_);
  if (found == rates->counts_.end()) return;
  Count& count = found->second;
  if (count.hour == hour_ && count.in_hour > 0) {
    --count.in_hour;
  } else if (count.hour == hour_ + 1 && count.in_hour_before > 0) {
    --count.in_hour_before;
  }
}

bool AccountRates::Reserve(absl::string_view account, Reservation& reservation) {
  if (max_ == 0) return true;
  const int64_t now = absl::ToUnixSeconds(clock_.Now());
  const int64_t hour = now / kHourSeconds;
  absl::MutexLock lock(&mutex_);
  DropOld(hour);
  Count& count = counts_[account];
  if (count.hour != hour) {
    count.in_hour_before = count.hour == hour - 1 ? count.in_hour : 0;
    count.in_hour = 0;
    count.hour = hour;
  }
  // The part of the hour before that still lies within the last 3,600 seconds.
  const double still = 1.0 - static_cast<double>(now % kHourSeconds) / kHourSeconds;
  if (count.in_hour + count.in_hour_before * still >= static_cast<double>(max_)) return false;
  ++count.in_hour;
  CHECK(reservation.rates_ == nullptr);
  reservation.rates_ = this;
  reservation.account_ = std::string(account);
  reservation.hour_ = hour;
  return true;
}

void AccountRates::DropOld(int64_t hour) {
  if (dropped_at_hour_ == hour) return;
  dropped_at_hour_ = hour;
  absl::erase_if(counts_, [hour](const auto& item) { return item.second.hour < hour - 1; });
}

}  // namespace mailstead::smtp
