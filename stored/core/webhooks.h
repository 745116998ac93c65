// Webhooks: who may send which of them, and their secrets, which are sealed (secret_box.h) and opened only for who sends.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "stored/core/secret_box.h"
#include "stored/core/turns.h"
#include "stored/engine/engine.h"
#include "stored/engine/webhook.h"

namespace mailstead::stored {

inline constexpr size_t kMaxWebhookUrlBytes = 2048;
// Of a secret, without its prefix and base64, as the Standard Webhooks specification has it.
inline constexpr size_t kMinWebhookSecretBytes = 24;
inline constexpr size_t kMaxWebhookSecretBytes = 64;

// FieldError of `field`.
absl::Status CheckWebhookUrl(absl::string_view field, absl::string_view url);
// FieldError "secret".
absl::Status CheckWebhookSecret(absl::string_view secret);

// How long the secret before the present one may count.
inline constexpr absl::Duration kMaxWebhookOverlap = absl::Hours(30 * 24);

// What a webhook signs with.
struct WebhookSecrets {
  std::string present;
  // The one before it, while it counts; else empty.
  std::string old;
};

// A webhook that a front-end sends. An error: its secret cannot be opened, and it is not sent.
struct ServedWebhook {
  engine::KeptWebhook kept;
  absl::StatusOr<WebhookSecrets> secrets;
};

// Used on the executor's thread.
class Webhooks {
 public:
  // `secrets_key` is what secrets are sealed under; empty: there are no webhooks.
  Webhooks(engine::Engine& engine, const Clock& clock, Executor& executor, absl::string_view secrets_key);

  // With a secret, which is told this once where it was made here.
  struct Created {
    engine::KeptWebhook kept;
    // Empty: it was given.
    std::string made_secret;
  };
  // Begins with what comes from now on. `filter` is as a consumer keeps it; `secret` may be empty. FieldError "url", "secret";
  // FailedPrecondition with kReasonNoSecretsKey; the errors of the engine.
  Task<absl::StatusOr<Created>> Create(std::string url, std::string filter, std::string secret);
  // An absent member stays as it is. FieldError "webhook.url".
  Task<absl::StatusOr<engine::KeptWebhook>> Update(std::string id, int64_t expected_version,
                                                   std::optional<std::string> url,
                                                   std::optional<std::string> filter);
  // `secret` as of Create. FieldError "secret", "overlap"; FailedPrecondition with kReasonNoSecretsKey.
  Task<absl::StatusOr<Created>> RotateSecret(std::string id, int64_t expected_version, std::string secret,
                                             absl::Duration overlap);
  Task<absl::StatusOr<engine::KeptWebhook>> Pause(std::string id, int64_t expected_version);
  // Sends again; one whose place is not kept any more from now on.
  Task<absl::StatusOr<engine::KeptWebhook>> Resume(std::string id, int64_t expected_version);
  Task<absl::Status> Delete(std::string id, int64_t expected_version);
  // Whether the old secret counts now.
  bool OldSecretCounts(const engine::Webhook& webhook) const;
  // OK: what it is to send next is kept. OutOfRange with kReasonCursorExpired.
  absl::Status CheckPlace(const engine::WebhookProgress& progress) const;
  // For who counts before Create.
  Turns& creations() { return creations_; }

  // Those that the lease sends, and up to `new_limit` more that nobody sends. FailedPrecondition with kReasonNoLease.
  Task<absl::StatusOr<std::vector<ServedWebhook>>> Claim(std::string lease_id, size_t new_limit);
  // The webhook, for who sends it. Aborted with kReasonWebhookFenced.
  Task<absl::StatusOr<engine::KeptWebhook>> FindFenced(std::string id, int64_t fence);

 private:
  // Seals `secret`, or one that it makes where that is empty, and gives back then.
  absl::StatusOr<std::string> SealSecret(const engine::Webhook& webhook, std::string secret,
                                         std::string& made) const;
  absl::StatusOr<WebhookSecrets> OpenSecrets(const engine::Webhook& webhook) const;
  Task<absl::StatusOr<engine::KeptWebhook>> SetState(std::string id, int64_t expected_version,
                                                     engine::Webhook::State state);
  Task<absl::Status> TakeAway(std::string id, int64_t expected_version);

  engine::Engine& engine_;
  const Clock& clock_;
  const std::optional<SecretBox> box_;
  Turns creations_;
};

}  // namespace mailstead::stored
