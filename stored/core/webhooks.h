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
#include "stored/engine/engine.h"
#include "stored/engine/webhook.h"

namespace mailstead::stored {

inline constexpr size_t kMaxWebhookUrlBytes = 2048;
// Of a secret, without its prefix and base64, as the Standard Webhooks specification has it.
inline constexpr size_t kMinWebhookSecretBytes = 24;
inline constexpr size_t kMaxWebhookSecretBytes = 64;

// FieldError "url".
absl::Status CheckWebhookUrl(absl::string_view url);
// FieldError "secret".
absl::Status CheckWebhookSecret(absl::string_view secret);

// A webhook that a front-end sends. An error: its secret cannot be opened, and it is not sent.
struct ServedWebhook {
  engine::KeptWebhook kept;
  absl::StatusOr<std::string> secret;
};

// Used on the executor's thread.
class Webhooks {
 public:
  // `secrets_key` is what secrets are sealed under; empty: there are no webhooks.
  Webhooks(engine::Engine& engine, const Clock& clock, absl::string_view secrets_key);

  struct Created {
    engine::KeptWebhook kept;
    // Empty: it was given.
    std::string made_secret;
  };
  // Begins with what comes from now on. `filter` is as a consumer keeps it; `secret` may be empty. FieldError "url", "secret";
  // FailedPrecondition with kReasonNoSecretsKey; the errors of the engine.
  Task<absl::StatusOr<Created>> Create(std::string url, std::string filter, std::string secret);
  // Sends again; one whose place is not kept any more from now on.
  Task<absl::StatusOr<engine::KeptWebhook>> Resume(std::string id);
  Task<absl::Status> Delete(std::string id);
  // OK: what it is to send next is kept. OutOfRange with kReasonCursorExpired.
  absl::Status CheckPlace(const engine::WebhookProgress& progress) const;

  // Those that the lease sends, and up to `new_limit` more that nobody sends. FailedPrecondition with kReasonNoLease.
  Task<absl::StatusOr<std::vector<ServedWebhook>>> Claim(std::string lease_id, size_t new_limit);
  // The webhook, for who sends it. Aborted with kReasonWebhookFenced.
  Task<absl::StatusOr<engine::KeptWebhook>> FindFenced(std::string id, int64_t fence);

 private:
  absl::StatusOr<std::string> OpenSecret(const engine::Webhook& webhook) const;
  Task<absl::Status> TakeAway(std::string id);

  engine::Engine& engine_;
  const Clock& clock_;
  const std::optional<SecretBox> box_;
};

}  // namespace mailstead::stored
