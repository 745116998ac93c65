#include "stored/core/ticket_keys.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "common/base/random.h"
#include "common/net/ticket_life.h"
#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr absl::Duration kMaxLead = absl::Minutes(2);

void Wipe(std::string& secret) { OPENSSL_cleanse(secret.data(), secret.size()); }

}  // namespace

TicketKeys::TicketKeys(const Clock& clock, absl::Duration period)
    : clock_(clock),
      period_(period),
      lead_(std::min(kMaxLead, period / 8)),
      open_after_(std::min(net::kTicketLife, period)) {}

TicketKeys::~TicketKeys() {
  for (Made& key : keys_) Wipe(key.secret);
}

TicketKeys::Listed TicketKeys::List(absl::string_view audience) {
  const absl::Time now = clock_.Now();
  Listed listed{.made = Turn(now)};
  for (size_t i = keys_.size(); i-- > 0;) {
    // SECURITY: who serves one kind of sessions can open no tickets of another.
    Key key{.secret = HmacSha256(keys_[i].secret, audience), .open_for = OpenUntil(i) - now};
    const bool seals = keys_[i].seals_from <= now && (i + 1 == keys_.size() || keys_[i + 1].seals_from > now);
    listed.keys.insert(seals ? listed.keys.begin() : listed.keys.end(), std::move(key));
  }
  return listed;
}

bool TicketKeys::Turn(absl::Time now) {
  size_t gone = 0;
  while (gone + 1 < keys_.size() && OpenUntil(gone) <= now) Wipe(keys_[gone++].secret);
  keys_.erase(keys_.begin(), keys_.begin() + static_cast<std::ptrdiff_t>(gone));
  if (!keys_.empty() && now < keys_.back().seals_from + period_ - lead_) return false;
  // Nobody has the first one yet who would have to be waited for.
  keys_.push_back({RandomBytes(kSecretBytes), keys_.empty() ? now : now + lead_});
  return true;
}

absl::Time TicketKeys::OpenUntil(size_t place) const {
  const bool last = place + 1 == keys_.size();
  return (last ? keys_[place].seals_from + period_ : keys_[place + 1].seals_from) + open_after_;
}

}  // namespace mailstead::stored
