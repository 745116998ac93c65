#include "pop3d/listing_cache.h"

#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"

namespace mailstead::pop3 {
namespace {

// An entry with its places in the list and the maps, beside its texts and its listing.
constexpr size_t kEntryBytes = 320;

}  // namespace

std::optional<KnownListing> ListingCache::Find(AccountId account) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_account_.find(account);
  if (found == by_account_.end()) return std::nullopt;
  return Use(found->second);
}

std::optional<KnownListing> ListingCache::FindByName(absl::string_view name) {
  if (name.empty()) return std::nullopt;
  const std::string key = absl::AsciiStrToLower(name);
  absl::MutexLock lock(&mutex_);
  const auto found = by_name_.find(key);
  if (found == by_name_.end()) return std::nullopt;
  return Use(found->second);
}

KnownListing ListingCache::Use(Entries::iterator entry) {
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->known;
}

void ListingCache::Remember(KnownListing known, absl::string_view name) {
  Entries in(1);
  Entry& entry = in.front();
  entry.name = absl::AsciiStrToLower(name);
  entry.known = std::move(known);
  // Destroyed behind the lock: a great listing takes its time.
  Entries out;
  absl::MutexLock lock(&mutex_);
  if (const auto old = by_account_.find(entry.known.account); old != by_account_.end()) {
    if (entry.name.empty()) entry.name = old->second->name;
    MoveOut(old->second, out);
  }
  // Another account that was known by this name is not any more.
  if (const auto other = by_name_.find(entry.name); other != by_name_.end()) {
    other->second->name.clear();
    by_name_.erase(other);
  }
  entry.bytes =
      kEntryBytes + entry.name.size() + entry.known.version.size() + entry.known.listing->memory_bytes();
  if (entry.bytes > limit_bytes_) return;
  while (used_bytes_ + entry.bytes > limit_bytes_) MoveOut(std::prev(entries_.end()), out);
  entries_.splice(entries_.begin(), in);
  by_account_[entry.known.account] = entries_.begin();
  if (!entry.name.empty()) by_name_[entry.name] = entries_.begin();
  used_bytes_ += entry.bytes;
}

void ListingCache::Forget(AccountId account) {
  Entries out;
  absl::MutexLock lock(&mutex_);
  if (const auto found = by_account_.find(account); found != by_account_.end()) MoveOut(found->second, out);
}

std::optional<ByteHold> ListingCache::Reserve(size_t bytes) {
  ByteHold hold(memory_);
  if (hold.TryTake(bytes)) return hold;
  if (bytes > memory_.limit_bytes()) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  for (auto next = entries_.end(); next != entries_.begin();) {
    const auto entry = std::prev(next);
    // A session that looks at it keeps its memory.
    if (entry->known.listing.use_count() > 1) {
      next = entry;
      continue;
    }
    // Destroyed here, though others wait for the mutex: its memory is needed now.
    Entries out;
    MoveOut(entry, out);
    out.clear();
    if (hold.TryTake(bytes)) return hold;
  }
  return std::nullopt;
}

void ListingCache::MoveOut(Entries::iterator entry, Entries& out) {
  used_bytes_ -= entry->bytes;
  by_account_.erase(entry->known.account);
  if (!entry->name.empty()) by_name_.erase(entry->name);
  out.splice(out.begin(), entries_, entry);
}

size_t ListingCache::used_bytes() const {
  absl::MutexLock lock(&mutex_);
  return used_bytes_;
}

size_t ListingCache::count() const {
  absl::MutexLock lock(&mutex_);
  return entries_.size();
}

}  // namespace mailstead::pop3
