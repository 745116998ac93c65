#include "stored/core/srs.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/text/utf8.h"
#include "stored/core/digest.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

constexpr size_t kSecretBytes = 24;
// An SRS1 address whose first host is ours holds an SRS0 address of ours.
constexpr int kMaxLayers = 3;
// Tries to change the secrets, which another call changed in between.
constexpr int kTries = 3;
constexpr size_t kForgottenAtOnce = 1000;
constexpr size_t kSha1Bytes = 20;

std::string HmacSha1(absl::string_view key, absl::string_view text) {
  std::string mac(kSha1Bytes, '\0');
  unsigned size = 0;
  const unsigned char* const made = HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
                                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                         reinterpret_cast<unsigned char*>(mac.data()), &size);
  CHECK(made != nullptr && size == kSha1Bytes);
  return mac;
}

srs::Digest DigestUnder(std::string secret) {
  return [secret = std::move(secret)](absl::string_view text) { return HmacSha1(secret, text); };
}

// SECURITY: a secret opens as the one that it is only.
std::string Purpose(int64_t number) { return absl::StrCat("srs", absl::string_view("\0", 1), number); }

// RFC 4648 section 6 in lower case; `bytes` are a multiple of 5.
std::string Base32(absl::string_view bytes) {
  constexpr absl::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  std::string text;
  uint64_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 5; count -= 5) text.push_back(kDigits[bits >> (count - 5) & 31]);
  }
  return text;
}

// 80 bits that nobody can foresee who does not have the secret, and the same for the same sender.
std::string NameOf(absl::string_view secret, absl::string_view sender) {
  constexpr size_t kNameBytes = srs::kNameCharacters * 5 / 8;
  return Base32(HmacSha256(secret, absl::StrCat("sender ", sender)).substr(0, kNameBytes));
}

absl::Status CheckSecret(absl::string_view secret) {
  if (secret.size() < Srs::kMinSecretBytes || secret.size() > Srs::kMaxSecretBytes) {
    return FieldError("secret", "must have 16 to 256 bytes");
  }
  if (!IsValidUtf8(secret) || HasControlCharacter(secret)) {
    return FieldError("secret", "must be text without control characters");
  }
  return absl::OkStatus();
}

}  // namespace

Srs::Srs(engine::SrsEngine& engine, engine::DirectoryEngine& directory, const Clock& clock,
         absl::string_view secrets_key, SrsOptions options)
    : engine_(engine),
      directory_(directory),
      clock_(clock),
      box_(secrets_key.empty() ? std::nullopt : std::optional<SecretBox>(secrets_key)),
      options_(std::move(options)) {}

int64_t Srs::lifetime_days() const {
  return absl::ToInt64Hours(absl::Ceil(options_.lifetime, absl::Hours(24))) / 24;
}

bool Srs::IsHere(const Address& address) const {
  return enabled() && !address.is_literal() &&
         NormalizeDomain(address.domain).value_or("") == options_.domain;
}

absl::Status Srs::CheckOn() const {
  if (enabled()) return absl::OkStatus();
  return WithReason(absl::FailedPreconditionError("the store was started without --srs_domain"),
                    kReasonSrsOff);
}

// ---- Secrets

Task<absl::Status> Srs::Load() {
  if (!box_.has_value()) {
    co_return WithReason(
        absl::FailedPreconditionError("SRS needs secrets: the store was started without --secrets_key_file"),
        kReasonNoSecretsKey);
  }
  CO_ASSIGN_OR_RETURN(const std::vector<engine::SrsSecret> kept, co_await engine_.ListSecrets());
  std::vector<Secret> secrets;
  for (const engine::SrsSecret& secret : kept) {
    absl::StatusOr<std::string> text = box_->Open(secret.sealed, Purpose(secret.number));
    if (!text.ok()) {
      co_return absl::Status(
          text.status().code(),
          absl::StrCat("secret ", secret.number, " of SRS cannot be opened: ", text.status().message()));
    }
    secrets.push_back({secret.number, *std::move(text), secret.create_time});
  }
  secrets_ = std::move(secrets);
  co_return absl::OkStatus();
}

Task<absl::Status> Srs::Begin() {
  if (!enabled()) co_return absl::OkStatus();
  if (!secrets_.empty()) co_return absl::OkStatus();
  CO_RETURN_IF_ERROR(co_await Load());
  if (!secrets_.empty()) co_return absl::OkStatus();
  std::vector<engine::SrsSecret> first;
  first.push_back({1, box_->Seal(absl::Base64Escape(RandomBytes(kSecretBytes)), Purpose(1)),
                   absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()))});
  const absl::Status made = co_await engine_.SetSecrets(std::move(first), 0);
  // Aborted: another call was faster, and what it made is there.
  if (!made.ok() && !absl::IsAborted(made)) co_return made;
  co_return co_await Load();
}

absl::Time Srs::EndOf(size_t index) const {
  if (index + 1 >= secrets_.size()) return absl::InfiniteFuture();
  // What it signed last has the stamp of its day, or of one before it.
  return secrets_[index + 1].create_time + absl::Hours(24) * (lifetime_days() + 1);
}

std::vector<srs::Digest> Srs::Digests() const {
  std::vector<srs::Digest> digests;
  for (size_t i = secrets_.size(); i-- > 0;) {
    if (clock_.Now() < EndOf(i)) digests.push_back(DigestUnder(secrets_[i].text));
  }
  return digests;
}

Task<absl::StatusOr<std::vector<SrsSecretInfo>>> Srs::List() {
  CO_RETURN_IF_ERROR(CheckOn());
  CO_RETURN_IF_ERROR(co_await Begin());
  std::vector<SrsSecretInfo> infos;
  for (size_t i = 0; i < secrets_.size(); ++i) {
    if (EndOf(i) <= clock_.Now()) continue;
    infos.push_back({secrets_[i].number, secrets_[i].create_time, i + 1 == secrets_.size(), EndOf(i)});
  }
  co_return infos;
}

Task<absl::StatusOr<SrsSecretInfo>> Srs::Rotate(std::string secret, bool drop_old) {
  CO_RETURN_IF_ERROR(CheckOn());
  if (secret.empty()) {
    secret = absl::Base64Escape(RandomBytes(kSecretBytes));
  } else {
    CO_RETURN_IF_ERROR(CheckSecret(secret));
  }
  for (int tries = 1;; ++tries) {
    CO_RETURN_IF_ERROR(co_await Load());
    std::vector<engine::SrsSecret> next;
    const int64_t newest = secrets_.empty() ? 0 : secrets_.back().number;
    for (size_t i = 0; i < secrets_.size() && !drop_old; ++i) {
      if (EndOf(i) <= clock_.Now()) continue;
      next.push_back({secrets_[i].number, box_->Seal(secrets_[i].text, Purpose(secrets_[i].number)),
                      secrets_[i].create_time});
    }
    while (next.size() >= kMaxSecrets) next.erase(next.begin());
    // Engines keep microseconds.
    const absl::Time now = absl::FromUnixMicros(absl::ToUnixMicros(clock_.Now()));
    next.push_back({newest + 1, box_->Seal(secret, Purpose(newest + 1)), now});
    const absl::Status set = co_await engine_.SetSecrets(std::move(next), newest);
    if (absl::IsAborted(set) && tries < kTries) continue;
    CO_RETURN_IF_ERROR(set);
    CO_RETURN_IF_ERROR(co_await Load());
    co_return SrsSecretInfo{newest + 1, now, true, absl::InfiniteFuture()};
  }
}

// ---- There

Task<absl::StatusOr<bool>> Srs::IsOurs(std::string domain) {
  if (domain == options_.domain) co_return true;
  std::vector<std::string> keys;
  keys.push_back(absl::StrCat("@", domain));
  CO_ASSIGN_OR_RETURN(const std::vector<engine::Place> places, co_await directory_.LookUp(std::move(keys)));
  co_return places.front().domain.has_value();
}

Task<absl::StatusOr<std::string>> Srs::Keep(std::string sender, int64_t day) {
  std::string name = NameOf(secrets_.back().text, sender);
  const std::string local_part = srs::RewriteKept(name, day, form(), DigestUnder(secrets_.back().text));
  engine::SrsSender kept{day, std::move(name), std::move(sender)};
  CO_RETURN_IF_ERROR(co_await engine_.KeepSender(std::move(kept)));
  co_return local_part;
}

Task<absl::StatusOr<std::string>> Srs::SenderFor(const engine::QueuedMessage& message) {
  const std::string& path = message.envelope.reverse_path;
  const bool is_sent_on = absl::c_any_of(message.recipients, [](const engine::QueuedRecipient& recipient) {
    return !recipient.forwarded_for.empty();
  });
  if (!enabled() || path.empty() || !is_sent_on) co_return path;
  CO_ASSIGN_OR_RETURN(Address sender, ParseAddress(path));
  bool is_host = !sender.is_literal();
  if (is_host) {
    CO_ASSIGN_OR_RETURN(sender.domain, NormalizeDomain(sender.domain));
    CO_ASSIGN_OR_RETURN(const bool ours, co_await IsOurs(sender.domain));
    if (ours) co_return path;
  }
  CO_RETURN_IF_ERROR(co_await Begin());
  const int64_t day = srs::DayOf(message.queue_time);
  std::string local_part;
  if (is_host) {
    absl::StatusOr<std::string> rewritten =
        srs::Rewrite(sender, day, form(), DigestUnder(secrets_.back().text));
    if (rewritten.ok() && rewritten->size() <= kMaxLocalPartBytes) local_part = *std::move(rewritten);
  }
  if (local_part.empty()) {
    CO_ASSIGN_OR_RETURN(local_part, co_await Keep(path, day));
  }
  co_return Address{std::move(local_part), options_.domain}.ToString();
}

// ---- And back

Task<absl::StatusOr<SrsSenderFound>> Srs::Reverse(Address address) {
  CO_RETURN_IF_ERROR(co_await Begin());
  SrsSenderFound found;
  for (int layer = 0; layer < kMaxLayers; ++layer) {
    srs::Reversed reversed =
        srs::Reverse(address.local_part, srs::DayOf(clock_.Now()), lifetime_days(), form(), Digests());
    if (reversed.outcome == srs::Reversed::Outcome::kForged) co_return found;
    found.outcome = SrsSenderFound::Outcome::kExpired;
    if (reversed.outcome == srs::Reversed::Outcome::kExpired) co_return found;
    std::string text;
    if (reversed.outcome == srs::Reversed::Outcome::kKept) {
      absl::StatusOr<engine::SrsSender> kept = co_await engine_.FindSender(reversed.day, reversed.name);
      if (absl::IsNotFound(kept.status())) co_return found;
      if (!kept.ok()) co_return kept.status();
      text = std::move(kept->address);
    } else {
      text = reversed.sender.ToString();
    }
    absl::StatusOr<Address> sender = ParseAddress(text);
    if (!sender.ok()) break;
    if (!Reads(*sender)) {
      found.outcome = SrsSenderFound::Outcome::kSender;
      found.sender = *std::move(sender);
      co_return found;
    }
    address = *std::move(sender);
  }
  found.outcome = SrsSenderFound::Outcome::kForged;
  co_return found;
}

Task<absl::StatusOr<SrsSenderFound>> Srs::Decode(std::string text) {
  CO_RETURN_IF_ERROR(CheckOn());
  absl::StatusOr<Address> address = ParseAddress(text);
  if (!address.ok()) co_return FieldError("address", address.status().message());
  if (!Reads(*address)) {
    co_return FieldError("address",
                         absl::StrCat("must be of ", options_.domain, " and begin with SRS0= or SRS1="));
  }
  co_return co_await Reverse(*std::move(address));
}

Task<absl::StatusOr<bool>> Srs::ForgetOld() {
  if (!enabled()) co_return false;
  CO_ASSIGN_OR_RETURN(
      const size_t count,
      co_await engine_.ForgetSenders(srs::DayOf(clock_.Now()) - lifetime_days() - 1, kForgottenAtOnce));
  co_return count == kForgottenAtOnce;
}

}  // namespace mailstead::stored
