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

absl::Status CheckWebhookUrl(absl::string_view url) {
  if (url.size() > kMaxWebhookUrlBytes) return FieldError("url", "must have at most 2048 characters");
  const auto is_printable = [](char c) { return c > ' ' && c < '\x7f'; };
  if (!std::all_of(url.begin(), url.end(), is_printable)) {
    return FieldError("url", "must have printable ASCII characters only, and no spaces");
  }
  absl::string_view rest = url;
  if (!absl::ConsumePrefix(&rest, "https://") && !absl::ConsumePrefix(&rest, "http://")) {
    return FieldError("url", "must begin with https:// or http://");
  }
  const absl::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (authority.empty()) return FieldError("url", "must have a host");
  if (absl::StrContains(authority, '@')) return FieldError("url", "must not have a user or a password");
  const auto is_host = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains(".-_:[]", c);
  };
  if (!std::all_of(authority.begin(), authority.end(), is_host)) {
    return FieldError("url", "must name a host, and a port where there is one");
  }
  if (absl::StrContains(url, '#')) return FieldError("url", "must not have a fragment");
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

Webhooks::Webhooks(engine::Engine& engine, const Clock& clock, absl::string_view secrets_key)
    : engine_(engine),
      clock_(clock),
      box_(secrets_key.empty() ? std::nullopt : std::optional<SecretBox>(std::in_place, secrets_key)) {}

Task<absl::StatusOr<Webhooks::Created>> Webhooks::Create(std::string url, std::string filter,
                                                         std::string secret) {
  CO_RETURN_IF_ERROR(CheckWebhookUrl(url));
  Created created;
  if (secret.empty()) {
    secret = absl::StrCat(kSecretPrefix, absl::Base64Escape(RandomBytes(kMadeSecretBytes)));
    created.made_secret = secret;
  }
  CO_RETURN_IF_ERROR(CheckWebhookSecret(secret));
  if (!box_.has_value()) co_return NoSecretsKey();
  engine::Webhook& webhook = created.kept.webhook;
  webhook.id = RandomId(kIdCharacters);
  webhook.url = std::move(url);
  webhook.filter = std::move(filter);
  webhook.sealed_secret = box_->Seal(secret, Purpose(webhook));
  webhook.create_time = clock_.Now();
  created.kept.progress.cursor = {engine_.changes().Bounds().last, MessageId{0}};
  created.kept.progress.incarnation = engine_.upkeep().Incarnation();
  CO_RETURN_IF_ERROR(co_await engine_.webhooks().Create(created.kept));
  co_return created;
}

absl::Status Webhooks::CheckPlace(const engine::WebhookProgress& progress) const {
  if (progress.incarnation != engine_.upkeep().Incarnation()) {
    return rules::CursorExpired("the store was restored since the webhook got there");
  }
  return rules::CheckCursor(progress.cursor, engine_.changes().Bounds());
}

Task<absl::StatusOr<engine::KeptWebhook>> Webhooks::Resume(std::string id) {
  CO_ASSIGN_OR_RETURN(const engine::KeptWebhook kept, co_await engine_.webhooks().Find(id));
  if (!CheckPlace(kept.progress).ok()) {
    const engine::ChangeCursor now{engine_.changes().Bounds().last, MessageId{0}};
    CO_RETURN_IF_ERROR((co_await engine_.webhooks().Reset(id, now, engine_.upkeep().Incarnation())).status());
  }
  if (kept.webhook.state == State::kActive) co_return co_await engine_.webhooks().Find(std::move(id));
  co_return co_await engine_.webhooks().SetState(std::move(id), State::kActive);
}

Task<absl::Status> Webhooks::Delete(std::string id) {
  // One that is being removed is not there.
  CO_RETURN_IF_ERROR((co_await engine_.webhooks().Find(id)).status());
  co_return co_await TakeAway(std::move(id));
}

Task<absl::Status> Webhooks::TakeAway(std::string id) {
  while (true) {
    const absl::StatusOr<bool> more = co_await engine_.webhooks().Delete(id);
    // Another one has done it.
    if (absl::IsNotFound(more.status())) co_return absl::OkStatus();
    if (!more.ok()) co_return more.status();
    if (!*more) co_return absl::OkStatus();
  }
}

absl::StatusOr<std::string> Webhooks::OpenSecret(const engine::Webhook& webhook) const {
  if (!box_.has_value()) return NoSecretsKey();
  return box_->Open(webhook.sealed_secret, Purpose(webhook));
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
      CO_RETURN_IF_ERROR(co_await TakeAway(kept.webhook.id));
      continue;
    }
    if (kept.webhook.state != State::kActive) continue;
    absl::StatusOr<std::string> secret = OpenSecret(kept.webhook);
    if (!secret.ok()) {
      served.push_back({std::move(kept), secret.status()});
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
    served.push_back({std::move(kept), std::move(secret)});
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
