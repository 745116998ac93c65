// What the operator asks for.
#include <openssl/sha.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "stored/engine/memory/engine_impl.h"

namespace mailstead::engine {
namespace {

using State = MemoryStore::State;

constexpr int64_t kVerifyMessages = 256;
absl::Status Verify(const KeptBody& body, const std::string& sha256) {
  const std::string& content = body.content;
  unsigned char sum[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), sum);
  if (absl::string_view(reinterpret_cast<const char*>(sum), sizeof(sum)) == sha256) {
    return absl::OkStatus();
  }
  return absl::DataLossError("the content differs from its SHA-256");
}

}  // namespace

Task<absl::StatusOr<EngineStatus>> MemoryUpkeep::Status() {
  EngineStatus status;
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    shared_.ForgetLeases();
    status.engine = "memory";
    status.incarnation = state.incarnation;
    status.domain_count = static_cast<int64_t>(state.domains.size());
    status.account_count = static_cast<int64_t>(state.accounts.size());
    status.alias_count = static_cast<int64_t>(state.aliases.size());
    for (const auto& [id, account] : state.accounts) {
      status.message_count += account.mailbox.message_count;
      status.message_bytes += account.mailbox.message_bytes;
      for (const auto& [number, deleted] : account.trash) {
        ++status.trash_message_count;
        status.trash_message_bytes += deleted.message.entry.size_bytes();
      }
      if (rules::IsHeld(shared_.StateOf(account))) ++status.open_maildrop_count;
    }
    for (const auto& [lease_id, lease] : state.leases) {
      const absl::Duration remaining = shared_.DeadlineOf(lease_id) - shared_.LeaseNow();
      if (remaining > absl::ZeroDuration()) status.leases.push_back({lease_id, lease.holder, remaining});
    }
  }
  co_await shared_.End();
  co_return status;
}

Task<absl::StatusOr<VerifyStep>> MemoryUpkeep::Verify(AccountId account, VerifyCursor from) {
  absl::StatusOr<VerifyStep> step = VerifyStep();
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    if (account.value != 0 && state.Find(account) == nullptr) {
      step = rules::NoAccount(absl::StrCat(account.value));
    } else {
      using Place = VerifyCursor::Place;
      const auto check = [&](VerifyCursor at, const KeptBody& body, const std::string& sha256) {
        if (at <= from || step->checked_count == kVerifyMessages) return;
        ++step->checked_count;
        const absl::Status verified = engine::Verify(body, sha256);
        if (!verified.ok()) step->damaged.push_back({at.account, at.message, verified});
        from = at;
      };
      for (const auto& [id, kept] : state.accounts) {
        if (account.value != 0 && id != account) continue;
        for (const auto& [number, message] : kept.messages) {
          check({Place::kMailboxes, id, number}, *message.body, message.entry.sha256);
        }
      }
      for (const auto& [id, kept] : state.accounts) {
        if (account.value != 0 && id != account) continue;
        for (const auto& [number, deleted] : kept.trash) {
          check({Place::kTrash, id, number}, *deleted.message.body, deleted.message.entry.sha256);
        }
      }
      for (const auto& [id, queued] : state.queue.messages) {
        if (account.value != 0) break;
        check({Place::kQueue, AccountId(), MessageId{id.value}}, *queued.body, queued.entry.entry.sha256);
      }
      if (step->checked_count == kVerifyMessages) step->next = from;
    }
  }
  co_await shared_.End();
  co_return step;
}

Task<absl::Status> MemoryUpkeep::Sweep(absl::Duration receipt_age) {
  if (stopped_) co_return absl::CancelledError("the engine is being closed");
  {
    State& state = shared_.state();
    absl::MutexLock lock(&state.mutex);
    std::erase_if(state.receipts, [&](const auto& receipt) {
      return rules::IsOld(receipt.second.time, shared_.Now(), receipt_age);
    });
  }
  co_await shared_.End();
  co_return absl::OkStatus();
}

}  // namespace mailstead::engine
