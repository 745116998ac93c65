#include "stored/core/dkim_keys.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/offload.h"
#include "stored/core/paging.h"
#include "stored/rules/dkim.h"

namespace mailstead::stored {
namespace {

using engine::DkimDomain;
using engine::DkimKey;
using mailauth::KeyType;
using State = DkimKey::State;

constexpr absl::string_view kListing = "dkim";
// Selectors of one day and type, beside those that were named otherwise.
constexpr int kMaxSelectorsOfDay = 20;
// A key that was published just now is seen at once; one that is never published costs next to nothing.
constexpr absl::Duration kShortestLook = absl::Seconds(2);
constexpr absl::Duration kLongestLook = absl::Minutes(10);
constexpr int kLooksOfAge = 10;
// Sightings that are remembered; a forgotten one is looked for again.
constexpr size_t kMaxRememberedLooks = 10'000;

absl::StatusOr<int32_t> CheckBits(KeyType type, int32_t bits) {
  if (type == KeyType::kEd25519) {
    if (bits != 0 && bits != kEd25519Bits) return FieldError("bits", "must be 0 for Ed25519");
    return kEd25519Bits;
  }
  if (bits == 0) return kDefaultRsaBits;
  // RFC 8301 section 3.2: less than 2,048 is not for signing, and more than 4,096 not every verifier takes.
  if (bits != 2048 && bits != 3072 && bits != 4096) return FieldError("bits", "must be 2048, 3072 or 4096");
  return bits;
}

absl::StatusOr<std::string> CheckSelector(const std::string& selector) {
  std::string lower = absl::AsciiStrToLower(selector);
  if (mailauth::IsSelector(lower)) return lower;
  return FieldError("selector", "must be 1 to 63 letters, digits, hyphens and underscores");
}

// "s20261129r": tells a person when the key was made.
std::string SelectorOfDay(const std::vector<DkimKey>& keys, KeyType type, absl::Time now) {
  const std::string day = absl::StrCat("s", absl::FormatTime("%Y%m%d", now, absl::UTCTimeZone()),
                                       type == KeyType::kRsa ? "r" : "e");
  std::string selector = day;
  for (int number = 2; number <= kMaxSelectorsOfDay; ++number) {
    const bool taken =
        std::any_of(keys.begin(), keys.end(), [&](const DkimKey& key) { return key.selector == selector; });
    if (!taken) break;
    selector = absl::StrCat(day, number);
  }
  return selector;
}

// What a private key is bound to. None of the parts holds a NUL.
std::string Purpose(absl::string_view domain, absl::string_view selector) {
  const absl::string_view nul("\0", 1);
  return absl::StrCat("dkim", nul, domain, nul, selector);
}

absl::Status NoSecretsKey(absl::string_view what) {
  return WithReason(
      absl::FailedPreconditionError(absl::StrCat(what, ": the store was started without --secrets_key_file")),
      kReasonNoSecretsKey);
}

// Engines keep microseconds.
absl::Time Micros(absl::Time time) { return absl::FromUnixMicros(absl::ToUnixMicros(time)); }

DkimSighting::Kind KindOf(mailauth::Published published) {
  switch (published) {
    case mailauth::Published::kMissing:
      return DkimSighting::Kind::kMissing;
    case mailauth::Published::kSeveral:
      return DkimSighting::Kind::kSeveral;
    case mailauth::Published::kDifferent:
    case mailauth::Published::kSame:
      break;
  }
  return DkimSighting::Kind::kDifferent;
}

size_t SizeOf(const DkimDomain& domain) {
  size_t size = domain.name.size();
  for (const DkimKey& key : domain.keys) size += sizeof(key) + 2 * key.public_key.size();
  return size;
}

}  // namespace

DkimKeys::DkimKeys(engine::DkimEngine& engine, engine::DirectoryEngine& directory, const Clock& clock,
                   absl::string_view secrets_key, WorkerPool& pool, Executor& executor)
    : engine_(engine),
      directory_(directory),
      clock_(clock),
      box_(secrets_key.empty() ? std::nullopt : std::optional<SecretBox>(secrets_key)),
      pool_(pool),
      executor_(executor),
      looks_(kMaxRememberedLooks) {}

// ---- Operators

Task<absl::StatusOr<DkimKeys::Named>> DkimKeys::Create(NewDkimKey wanted) {
  Named made;
  CO_ASSIGN_OR_RETURN(made.domain, CheckDomainName("domain", wanted.domain));
  DkimKey& key = made.key;
  key.type = wanted.type;
  CO_ASSIGN_OR_RETURN(key.bits, CheckBits(wanted.type, wanted.bits));
  if (!wanted.selector.empty()) {
    CO_ASSIGN_OR_RETURN(key.selector, CheckSelector(wanted.selector));
  }
  if (!box_.has_value()) co_return NoSecretsKey("a key cannot be kept");
  key.create_time = Micros(clock_.Now());
  if (key.selector.empty()) {
    CO_ASSIGN_OR_RETURN(const std::vector<DkimKey> present, co_await engine_.Find(made.domain));
    key.selector = SelectorOfDay(present, key.type, key.create_time);
  }
  if (wanted.activate) {
    key.state = State::kActive;
    key.activate_time = key.create_time;
  }
  const auto generate = [&key] { return mailauth::SigningKey::Generate(key.type, key.bits); };
  CO_ASSIGN_OR_RETURN(const auto generated, co_await Offload(pool_, executor_, generate));
  if (!generated.ok()) co_return generated.status();
  key.public_key = generated->PublicKey();
  key.sealed_private_key = box_->Seal(generated->ToPkcs8(), Purpose(made.domain, key.selector));
  DkimKey kept = key;
  CO_RETURN_IF_ERROR(co_await engine_.Create(made.domain, std::move(kept)));
  co_return made;
}

Task<absl::StatusOr<std::vector<DkimDomain>>> DkimKeys::ListSeen(const rules::Sight& sight, std::string after,
                                                                 size_t limit) {
  std::vector<DkimDomain> domains;
  for (const std::string& name : sight.domains) {
    if (name <= after || domains.size() == limit) continue;
    CO_ASSIGN_OR_RETURN(std::vector<DkimKey> keys, co_await engine_.Find(name));
    if (!keys.empty()) domains.push_back({name, std::move(keys)});
  }
  co_return domains;
}

Task<absl::StatusOr<Page<DkimDomain>>> DkimKeys::List(std::string domain, PageRequest request,
                                                      const rules::Sight& sight) {
  Page<DkimDomain> page;
  if (!domain.empty()) {
    DkimDomain only;
    CO_ASSIGN_OR_RETURN(only.name, CheckDomainName("domain", domain));
    if (!sight.SeesDomain(only.name)) co_return rules::NoDkimDomain(only.name);
    std::vector<std::string> places;
    places.push_back(absl::StrCat("@", only.name));
    CO_ASSIGN_OR_RETURN(const std::vector<engine::Place> found,
                        co_await directory_.LookUp(std::move(places)));
    if (!found.front().domain.has_value()) co_return rules::NoDkimDomain(only.name);
    CO_ASSIGN_OR_RETURN(only.keys, co_await engine_.Find(only.name));
    page.items.push_back(std::move(only));
    co_return page;
  }
  CO_ASSIGN_OR_RETURN(PageStart start, ReadPage(kListing, request.page_size, request.page_token));
  const auto list = [this, &sight](std::string from, size_t limit) {
    return sight.all ? engine_.List(std::move(from), limit, /*only_pending=*/false)
                     : ListSeen(sight, std::move(from), limit);
  };
  const auto key = [](const DkimDomain& each) { return each.name; };
  const auto size = [](const DkimDomain& each) { return SizeOf(each); };
  CO_ASSIGN_OR_RETURN(Gathered<DkimDomain> gathered,
                      co_await Gather<DkimDomain>(std::move(start.after), start.size, list, key, size));
  if (gathered.more) page.next_page_token = MakePageToken(kListing, gathered.items.back().name);
  page.items = std::move(gathered.items);
  co_return page;
}

Task<absl::StatusOr<std::vector<DkimKeys::Named>>> DkimKeys::Rotate(std::string domain) {
  CO_ASSIGN_OR_RETURN(const std::string name, CheckDomainName("domain", domain));
  CO_ASSIGN_OR_RETURN(const std::vector<DkimKey> keys, co_await engine_.Find(name));
  std::vector<Named> rotated;
  for (const KeyType type : {KeyType::kRsa, KeyType::kEd25519}) {
    const auto of_state = [&](State state) {
      return std::find_if(keys.begin(), keys.end(),
                          [&](const DkimKey& key) { return key.type == type && key.state == state; });
    };
    const auto active = of_state(State::kActive);
    if (active == keys.end()) continue;
    const auto pending = of_state(State::kPending);
    if (pending != keys.end()) {
      rotated.push_back({name, *pending});
      continue;
    }
    NewDkimKey wanted;
    wanted.domain = name;
    wanted.type = type;
    wanted.bits = active->bits;
    CO_ASSIGN_OR_RETURN(Named made, co_await Create(std::move(wanted)));
    rotated.push_back(std::move(made));
  }
  if (!rotated.empty()) co_return rotated;
  co_return WithReason(absl::FailedPreconditionError(absl::StrCat("domain ", name, " has no key that signs")),
                       kReasonNoDkimKey);
}

Task<absl::StatusOr<DkimKey>> DkimKeys::FindKey(std::string domain, std::string selector) {
  CO_ASSIGN_OR_RETURN(std::vector<DkimKey> keys, co_await engine_.Find(domain));
  for (DkimKey& key : keys) {
    if (key.selector == selector) co_return std::move(key);
  }
  co_return rules::NoDkimKey(domain, selector);
}

Task<absl::StatusOr<DkimKeys::Named>> DkimKeys::Activate(std::string domain, std::string selector,
                                                         int64_t expected_version) {
  Named named;
  CO_ASSIGN_OR_RETURN(named.domain, CheckDomainName("domain", domain));
  CO_ASSIGN_OR_RETURN(const std::string checked, CheckSelector(selector));
  CO_RETURN_IF_ERROR(
      co_await engine_.Activate(named.domain, checked, expected_version, Micros(clock_.Now())));
  CO_ASSIGN_OR_RETURN(named.key, co_await FindKey(named.domain, checked));
  co_return named;
}

Task<absl::Status> DkimKeys::Delete(std::string domain, std::string selector, int64_t expected_version,
                                    bool even_active) {
  CO_ASSIGN_OR_RETURN(std::string name, CheckDomainName("domain", domain));
  CO_ASSIGN_OR_RETURN(std::string checked, CheckSelector(selector));
  co_return co_await engine_.Delete(std::move(name), std::move(checked), expected_version, even_active);
}

// ---- The DNS

DkimKeys::Look& DkimKeys::LookOf(const std::string& domain, const std::string& selector) {
  return looks_[absl::StrCat(domain, absl::string_view("\0", 1), selector)];
}

DkimSighting DkimKeys::SightingOf(const std::string& domain, const std::string& selector) {
  const Look* const look = looks_.Find(absl::StrCat(domain, absl::string_view("\0", 1), selector));
  return look == nullptr ? DkimSighting() : look->sighting;
}

Task<absl::StatusOr<std::vector<DkimKeys::Wanted>>> DkimKeys::NextLooks() {
  std::vector<Wanted> wanted;
  // Asked for before the keys are read.
  const int64_t version = directory_.Version();
  if (version != 0 && version == none_pending_version_) co_return wanted;
  const std::string from = looked_at_;
  CO_ASSIGN_OR_RETURN(const std::vector<DkimDomain> domains,
                      co_await engine_.List(from, kMaxLooks, /*only_pending=*/true));
  looked_at_ = domains.size() < kMaxLooks ? "" : domains.back().name;
  if (domains.empty() && from.empty()) none_pending_version_ = version;
  const absl::Time now = clock_.Now();
  for (const DkimDomain& domain : domains) {
    for (const DkimKey& key : domain.keys) {
      if (key.state != State::kPending || wanted.size() >= kMaxLooks) continue;
      Look& look = LookOf(domain.name, key.selector);
      if (look.next_time > now) continue;
      look.next_time = now + std::clamp((now - key.create_time) / kLooksOfAge, kShortestLook, kLongestLook);
      wanted.push_back({domain.name, key.selector});
    }
  }
  co_return wanted;
}

Task<absl::Status> DkimKeys::Note(Wanted seen, std::optional<std::vector<std::string>> records) {
  const absl::StatusOr<DkimKey> key = co_await FindKey(seen.domain, seen.selector);
  if (absl::IsNotFound(key.status())) co_return absl::OkStatus();
  if (!key.ok()) co_return key.status();
  if (key->state != State::kPending) co_return absl::OkStatus();
  Look& look = LookOf(seen.domain, seen.selector);
  look.sighting.time = clock_.Now();
  look.sighting.kind = DkimSighting::Kind::kFailed;
  if (!records.has_value()) co_return absl::OkStatus();
  const mailauth::Published published = mailauth::Compare(*records, key->type, key->public_key);
  look.sighting.kind = KindOf(published);
  if (published != mailauth::Published::kSame) co_return absl::OkStatus();
  const absl::Status activated =
      co_await engine_.Activate(seen.domain, seen.selector, /*expected_version=*/0, Micros(clock_.Now()));
  // It was deleted, or retired by a newer one, meanwhile.
  if (absl::IsNotFound(activated) || ReasonOf(activated) == kReasonDkimKeyRetired) co_return absl::OkStatus();
  if (activated.ok() && observer_ != nullptr) observer_->Activated(seen.domain, seen.selector);
  co_return activated;
}

// ---- Secrets

absl::StatusOr<mailauth::SigningKey> DkimKeys::Open(const std::string& domain, const DkimKey& key) const {
  const std::string name = absl::StrCat("key ", key.selector, " of ", domain, " cannot be opened");
  if (!box_.has_value()) return NoSecretsKey(name);
  const absl::StatusOr<std::string> opened =
      box_->Open(key.sealed_private_key, Purpose(domain, key.selector));
  if (absl::IsFailedPrecondition(opened.status())) {
    return absl::DataLossError(absl::StrCat(
        name,
        ": --secrets_key_file has another key than the one that it was sealed under; put that back, or "
        "make the domain a new key"));
  }
  if (!opened.ok()) return absl::DataLossError(absl::StrCat(name, ": ", opened.status().message()));
  return mailauth::SigningKey::FromPkcs8(*opened);
}

}  // namespace mailstead::stored
