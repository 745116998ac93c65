#include "stored/core/webhooks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/random.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/text/base64.h"
#include "stored/rules/change.h"
#include "stored/rules/directory.h"
#include "stored/rules/webhook.h"

namespace mailstead::stored {
namespace {

using State = engine::Webhook::State;

constexpr absl::string_view kSecretPrefix = "whsec_";
constexpr size_t kMadeSecretBytes = 32;
constexpr size_t kIdCharacters = 16;

std::string Purpose(const engine::Webhook& webhook) { return absl::StrCat("webhook ", webhook.id); }

absl::Status NoSecretsKey() {
  return WithReason(
      absl::FailedPreconditionError("the secret of a webhook cannot be kept: the store was started "
                                    "without --secrets_key_file"),
      kReasonNoSecretsKey);
}

}  // namespace

absl::Status CheckWebhookUrl(absl::string_view field, absl::string_view url) {
  if (url.size() > kMaxWebhookUrlBytes) return FieldError(field, "must have at most 2048 characters");
  const auto is_printable = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::all_of(url.begin(), url.end(), is_printable)) {
    return FieldError(field, "must have printable ASCII characters only, and no spaces");
  }
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "https://") && !absl::ConsumePrefix(&rest, "http://")) {
    return FieldError(field, "must begin with https:// or http://");
  }
  const absl::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty()) return FieldError(field, "must have a host");
  if (absl::StrContains(authority, '@')) return FieldError(field, "must not have a user or a password");
  const auto is_host = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(".-_:[]", c);
  };
  if (!std::all_of(authority.begin(), authority.end(), is_host)) {
    return FieldError(field, "must name a host, and a port where there is one");
  }
  if (absl::StrContains(url, '#')) return FieldError(field, "must not have a fragment");
  return absl::OkStatus();
}

absl::Status CheckWebhookSecret(absl::string_view secret) {
  absl::string_view text = secret;
  if (absl::ConsumePrefix(&text, kSecretPrefix)) {
    const std::optional<std::string> bytes = DecodeBase64(text);
    if (bytes.has_value() && bytes->size() >= kMinWebhookSecretBytes &&
        bytes->size() <= kMaxWebhookSecretBytes) {
      return absl::OkStatus();
    }
  }
  return FieldError("secret", "must be \"whsec_\" and the base64 of 24 to 64 bytes");
}

Webhooks::Webhooks(engine::Engine& engine, const Clock& clock, Executor& executor,
                   absl::string_view secrets_key)
    : engine_(engine),
      clock_(clock),
      box_(secrets_key.empty() ? std::nullopt : std::optional<SecretBox>(std::in_place, secrets_key)),
      creations_(executor) {}

Task<absl::StatusOr<Webhooks::Created>> Webhooks::Create(std::string url, std::string filter,
                                                         std::string secret) {
  CO_RETURN_IF_ERROR(CheckWebhookUrl("url", url));
  Created created;
  engine::Webhook webhook;
  webhook.id = RandomId(kIdCharacters);
  CO_ASSIGN_OR_RETURN(webhook.sealed_secret, SealSecret(webhook, std::move(secret), created.made_secret));
  webhook.url = std::move(url);
  webhook.filter = std::move(filter);
  webhook.create_time = clock_.Now();
  created.kept.webhook = rules::Created(std::move(webhook));
  created.kept.progress.cursor = {engine_.changes().Bounds().last, MessageId{0}};
  created.kept.progress.incarnation = engine_.upkeep().Incarnation();
  CO_RETURN_IF_ERROR(co_await engine_.webhooks().Create(created.kept));
  co_return created;
}

absl::StatusOr<std::string> Webhooks::SealSecret(const engine::Webhook& webhook, std::string secret,
                                                 std::string& made) const {
  if (secret.empty()) {
    made = secret = absl::StrCat(kSecretPrefix, absl::Base64Escape(RandomBytes(kMadeSecretBytes)));
  }
  RETURN_IF_ERROR(CheckWebhookSecret(secret));
  if (!box_.has_value()) return NoSecretsKey();
  return box_->Seal(secret, Purpose(webhook));
}

Task<absl::StatusOr<engine::KeptWebhook>> Webhooks::Update(std::string id, int64_t expected_version,
                                                           std::optional<std::string> url,
                                                           std::optional<std::string> filter) {
  if (url.has_value()) CO_RETURN_IF_ERROR(CheckWebhookUrl("webhook.url", *url));
  engine::WebhookUpdate update;
  update.id = std::move(id);
  update.expected_version = expected_version;
  update.url = std::move(url);
  update.filter = std::move(filter);
  update.time = clock_.Now();
  co_return co_await engine_.webhooks().Update(std::move(update));
}

Task<absl::StatusOr<Webhooks::Created>> Webhooks::RotateSecret(std::string id, int64_t expected_version,
                                                               std::string secret, absl::Duration overlap) {
  if (overlap < absl::ZeroDuration() || overlap > kMaxWebhookOverlap) {
    co_return FieldError("overlap", "must be 0 to 30 days");
  }
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept, co_await engine_.webhooks().Find(id));
  Created rotated;
  engine::WebhookUpdate update;
  CO_ASSIGN_OR_RETURN(update.sealed_secret, SealSecret(kept.webhook, std::move(secret), rotated.made_secret));
  update.id = std::move(id);
  update.expected_version = expected_version;
  update.time = clock_.Now();
  update.old_secret_expire_time = update.time + overlap;
  CO_ASSIGN_OR_RETURN(rotated.kept, co_await engine_.webhooks().Update(std::move(update)));
  co_return rotated;
}

absl::Status Webhooks::CheckPlace(const engine::WebhookProgress& progress) const {
  if (progress.incarnation != engine_.upkeep().Incarnation()) {
    return rules::CursorExpired("the store was restored since the webhook got there");
  }
  return rules::CheckCursor(progress.cursor, engine_.changes().Bounds());
}

Task<absl::StatusOr<engine::KeptWebhook>> Webhooks::SetState(std::string id, int64_t expected_version,
                                                             State state) {
  engine::WebhookUpdate update;
  update.id = std::move(id);
  update.expected_version = expected_version;
  update.state = state;
  update.time = clock_.Now();
  co_return co_await engine_.webhooks().Update(std::move(update));
}

Task<absl::StatusOr<engine::KeptWebhook>> Webhooks::Pause(std::string id, int64_t expected_version) {
  co_return co_await SetState(std::move(id), expected_version, State::kPaused);
}

Task<absl::StatusOr<engine::KeptWebhook>> Webhooks::Resume(std::string id, int64_t expected_version) {
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept, co_await engine_.webhooks().Find(id));
  if (!CheckPlace(kept.progress).ok()) {
    const engine::ChangeCursor now{engine_.changes().Bounds().last, MessageId{0}};
    const absl::StatusOr<engine::KeptWebhook> reset =
        co_await engine_.webhooks().Reset(id, expected_version, now, engine_.upkeep().Incarnation());
    CO_RETURN_IF_ERROR(reset.status());
  }
  if (kept.webhook.state != State::kActive) {
    co_return co_await SetState(std::move(id), expected_version, State::kActive);
  }
  CO_RETURN_IF_ERROR(rules::CheckVersion(expected_version, kept.webhook.version));
  co_return co_await engine_.webhooks().Find(std::move(id));
}

Task<absl::Status> Webhooks::Delete(std::string id, int64_t expected_version) {
  // One that is being removed is not there.
  CO_RETURN_IF_ERROR((co_await engine_.webhooks().Find(id)).status());
  co_return co_await TakeAway(std::move(id), expected_version);
}

Task<absl::Status> Webhooks::TakeAway(std::string id, int64_t expected_version) {
  while (true) {
    const absl::StatusOr<bool> more = co_await engine_.webhooks().Delete(id, expected_version);
    // Another one has done it.
    if (absl::IsNotFound(more.status())) co_return absl::OkStatus();
    if (!more.ok()) co_return more.status();
    if (!*more) co_return absl::OkStatus();
  }
}

bool Webhooks::OldSecretCounts(const engine::Webhook& webhook) const {
  return !webhook.old_sealed_secret.empty() && clock_.Now() < webhook.old_secret_expire_time;
}

absl::StatusOr<WebhookSecrets> Webhooks::OpenSecrets(const engine::Webhook& webhook) const {
  if (!box_.has_value()) return NoSecretsKey();
  WebhookSecrets secrets;
  ASSIGN_OR_RETURN(secrets.present, box_->Open(webhook.sealed_secret, Purpose(webhook)));
  if (OldSecretCounts(webhook)) {
    ASSIGN_OR_RETURN(secrets.old, box_->Open(webhook.old_sealed_secret, Purpose(webhook)));
  }
  return secrets;
}

Task<absl::StatusOr<std::vector<ServedWebhook>>> Webhooks::Claim(std::string lease_id, size_t new_limit) {
  if (!engine_.leases().IsLive(lease_id)) {
    co_return WithReason(absl::FailedPreconditionError("the lease is not known: renew it first"),
                         kReasonNoLease);
  }
  CO_ASSIGN_OR_RETURN(std::vector<engine::KeptWebhook> all, co_await engine_.webhooks().List());
  std::vector<ServedWebhook> served;
  for (engine::KeptWebhook& kept : all) {
    if (kept.webhook.state == State::kRemoved) {
      // A removal that a restart has interrupted.
      CO_RETURN_IF_ERROR(co_await TakeAway(kept.webhook.id, 0));
      continue;
    }
    if (kept.webhook.state != State::kActive) continue;
    absl::StatusOr<WebhookSecrets> secrets = OpenSecrets(kept.webhook);
    if (!secrets.ok()) {
      served.push_back({std::move(kept), secrets.status()});
      continue;
    }
    if (kept.progress.lease_id != lease_id) {
      if (new_limit == 0 || engine_.leases().IsLive(kept.progress.lease_id)) continue;
      absl::StatusOr<engine::KeptWebhook> claimed =
          co_await engine_.webhooks().Claim(kept.webhook.id, lease_id);
      if (absl::IsNotFound(claimed.status())) continue;
      if (!claimed.ok()) co_return claimed.status();
      if (claimed->progress.lease_id != lease_id) continue;
      kept = *std::move(claimed);
      --new_limit;
    }
    served.push_back({std::move(kept), std::move(secrets)});
  }
  co_return served;
}

Task<absl::StatusOr<engine::KeptWebhook>> Webhooks::FindFenced(std::string id, int64_t fence) {
  CO_ASSIGN_OR_RETURN(engine::KeptWebhook kept, co_await engine_.webhooks().Find(id));
  const bool is_sender = kept.webhook.state == State::kActive && fence != 0 && kept.progress.fence == fence;
  if (!is_sender) co_return rules::WebhookFenced(id);
  co_return kept;
}

}  // namespace mailstead::stored
