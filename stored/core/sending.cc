#include "stored/core/sending.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/details.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "stored/core/digest.h"
#include "stored/rules/directory.h"

namespace mailstead::stored {
namespace {

using Why = engine::SendingPause::Why;

absl::Status Paused() {
  return WithReason(
      absl::PermissionDeniedError("the account's sending is paused, as its password may be known to others"),
      kReasonSendingPaused);
}

std::string DigestOf(absl::string_view address) {
  const absl::StatusOr<Address> parsed = ParseAddress(address);
  const absl::StatusOr<std::string> normalized = parsed.ok() ? parsed->Normalized() : std::string(address);
  return Sha256(normalized.ok() ? *normalized : std::string(address));
}

std::string KeyOf(AccountId account) { return absl::StrCat(account.value); }

}  // namespace

Task<absl::StatusOr<engine::Sending*>> AccountSending::Find(AccountId account) {
  const std::string key = KeyOf(account);
  if (engine::Sending* remembered = remembered_.Find(key)) co_return remembered;
  CO_ASSIGN_OR_RETURN(engine::Sending read, co_await engine_.Find(account));
  // Another call may have read it meanwhile, and counted.
  if (engine::Sending* remembered = remembered_.Find(key)) co_return remembered;
  engine::Sending& made = remembered_[key];
  made = std::move(read);
  co_return &made;
}

absl::Status AccountSending::Refuse(AccountId account, absl::Status why) {
  if (observer_ != nullptr) observer_->Refused(account, why);
  return why;
}

Task<absl::Status> AccountSending::KeepUse(AccountId account) {
  const auto [place, is_first] = writing_.try_emplace(account);
  if (!is_first) {
    Arrival<absl::Status> written;
    place->second.push_back(&written);
    co_return co_await written;
  }
  absl::Status written = co_await WriteUse(account);
  // The others' write is not waited for here.
  Start(KeepForOthers(account));
  co_return written;
}

Task<void> AccountSending::KeepForOthers(AccountId account) {
  for (;;) {
    const std::vector<Arrival<absl::Status>*> waiting = std::exchange(writing_[account], {});
    if (waiting.empty()) break;
    const absl::Status written = co_await WriteUse(account);
    for (Arrival<absl::Status>* const one : waiting) one->Set(written);
  }
  writing_.erase(account);
}

Task<absl::Status> AccountSending::WriteUse(AccountId account) {
  const engine::Sending* const remembered = remembered_.Find(KeyOf(account));
  if (remembered == nullptr) co_return absl::OkStatus();
  engine::SendingUse use = remembered->use;
  co_return co_await engine_.KeepUse(account, std::move(use));
}

Task<absl::StatusOr<bool>> AccountSending::IsPaused(AccountId account) {
  CO_ASSIGN_OR_RETURN(const engine::Sending* sending, co_await Find(account));
  co_return sending->settings.pause.why != Why::kNone;
}

Task<absl::Status> AccountSending::Check(AccountId account) {
  CO_ASSIGN_OR_RETURN(const bool paused, co_await IsPaused(account));
  co_return paused ? Refuse(account, Paused()) : absl::OkStatus();
}

Task<absl::StatusOr<AccountSending::Counted>> AccountSending::Count(AccountId account,
                                                                    std::vector<std::string> addresses) {
  Counted counted{account, clock_.Now(), {}};
  std::vector<std::string> digests;
  for (const std::string& address : addresses) digests.push_back(DigestOf(address));
  CO_ASSIGN_OR_RETURN(engine::Sending * sending, co_await Find(account));
  // Nothing is awaited from here until it is counted: no other message comes in between.
  if (sending->settings.pause.why != Why::kNone) co_return Refuse(account, Paused());
  if (addresses.empty()) co_return counted;
  const rules::SendingBounds bounds = rules::BoundsOf(sending->settings.limits, options_.bounds);
  const auto recipients = static_cast<int64_t>(addresses.size());
  if (const auto over = rules::OverLimit(sending->use, bounds, recipients, counted.time)) {
    if (over->when == absl::InfiniteFuture()) {
      co_return Refuse(account, WithReason(absl::InvalidArgumentError(absl::StrCat(
                                               "the message has ", recipients,
                                               " recipients, and the account may have ", over->limit)),
                                           kReasonTooManyRecipients));
    }
    const std::string when =
        absl::FormatTime("%Y-%m-%d %H:%M UTC", over->when + absl::Seconds(59), absl::UTCTimeZone());
    co_return Refuse(
        account,
        WithRetryDelay(WithReason(absl::ResourceExhaustedError(absl::StrCat(
                                      "the account may have ", over->limit, "; this message from ", when)),
                                  kReasonSendingLimit),
                       over->when - counted.time));
  }
  counted.counts = {.messages = 1, .recipients = recipients};
  bool remembers = false;
  for (const std::string& digest : digests) {
    if (rules::IsKnown(sending->known, digest)) continue;
    ++counted.counts.new_recipients;
    rules::Remember(sending->known, digest);
    remembers = true;
  }
  rules::Count(sending->use, counted.counts, counted.time);
  std::string known = remembers ? sending->known : "";
  CO_RETURN_IF_ERROR(co_await KeepUse(account));
  if (remembers) CO_RETURN_IF_ERROR(co_await engine_.KeepKnown(account, std::move(known)));
  CO_ASSIGN_OR_RETURN(const bool paused, co_await Judge(account));
  if (!paused) co_return counted;
  co_await TakeBack(std::move(counted));
  co_return Refuse(account, Paused());
}

Task<void> AccountSending::TakeBack(Counted counted) {
  engine::Sending* const sending = remembered_.Find(KeyOf(counted.account));
  if (sending == nullptr || counted.counts.messages == 0) co_return;
  // Whom it wanted to write to is known from now on; that it wanted to is a sign all the same.
  counted.counts.new_recipients = 0;
  rules::Uncount(sending->use, counted.counts, counted.time);
  // Where it cannot be written, a restart has counted a message too many.
  (void)co_await KeepUse(counted.account);
}

Task<absl::StatusOr<bool>> AccountSending::Judge(AccountId account) {
  CO_ASSIGN_OR_RETURN(const engine::Sending* sending, co_await Find(account));
  if (sending->settings.pause.why != Why::kNone) co_return true;
  if (sending->settings.limits.trusted) co_return false;
  const Why why = rules::WhyToPause(sending->use, options_.thresholds, clock_.Now());
  if (why == Why::kNone) co_return false;
  CO_RETURN_IF_ERROR(co_await SetPause(account, why));
  co_return true;
}

Task<absl::Status> AccountSending::SetPause(AccountId account, Why why) {
  CO_ASSIGN_OR_RETURN(engine::Sending * sending, co_await Find(account));
  if (sending->settings.pause.why != Why::kNone) co_return absl::OkStatus();
  const absl::Time now = clock_.Now();
  // Engines keep microseconds. It holds at once, whatever becomes of the disk.
  sending->settings.pause = {why, absl::FromUnixMicros(absl::ToUnixMicros(now))};
  const engine::SendingSettings settings = sending->settings;
  if (observer_ != nullptr) {
    observer_->Paused(account, why, rules::InHour(sending->use, now), rules::InDay(sending->use, now));
  }
  co_return co_await engine_.SetSettings(account, settings);
}

Task<void> AccountSending::NoteOutcomes(AccountId account, int64_t delivered, int64_t refused) {
  if (delivered == 0 && refused == 0) co_return;
  const absl::StatusOr<engine::Sending*> sending = co_await Find(account);
  // A sign that is lost: the next ones are not.
  if (!sending.ok()) co_return;
  rules::Count((*sending)->use, {.delivered = delivered, .refused = refused}, clock_.Now());
  (void)co_await KeepUse(account);
  if (refused != 0) (void)co_await Judge(account);
}

// ---- Operators

Task<absl::StatusOr<AccountSending::State>> AccountSending::Get(AccountId account) {
  CO_ASSIGN_OR_RETURN(const engine::Sending* sending, co_await Find(account));
  const absl::Time now = clock_.Now();
  co_return State{sending->settings, rules::BoundsOf(sending->settings.limits, options_.bounds),
                  rules::InHour(sending->use, now), rules::InDay(sending->use, now)};
}

Task<absl::Status> AccountSending::SetLimits(AccountId account, engine::SendingLimits limits,
                                             int64_t expected_version) {
  CO_ASSIGN_OR_RETURN(engine::Sending * sending, co_await Find(account));
  CO_RETURN_IF_ERROR(rules::CheckVersion(expected_version, rules::VersionOf(sending->settings.limits)));
  sending->settings.limits = limits;
  const engine::SendingSettings settings = sending->settings;
  co_return co_await engine_.SetSettings(account, settings);
}

Task<absl::Status> AccountSending::Pause(AccountId account) {
  co_return co_await SetPause(account, Why::kOperator);
}

Task<absl::Status> AccountSending::Resume(AccountId account) {
  CO_ASSIGN_OR_RETURN(engine::Sending * sending, co_await Find(account));
  const bool was_paused = sending->settings.pause.why != Why::kNone;
  engine::SendingSettings settings = sending->settings;
  settings.pause = {};
  CO_RETURN_IF_ERROR(co_await engine_.SetSettings(account, settings));
  CO_ASSIGN_OR_RETURN(sending, co_await Find(account));
  sending->settings.pause = {};
  rules::ForgetSigns(sending->use);
  CO_RETURN_IF_ERROR(co_await KeepUse(account));
  if (was_paused && observer_ != nullptr) observer_->Resumed(account);
  co_return absl::OkStatus();
}

Task<absl::Status> AccountSending::Forget(AccountId account) {
  remembered_.Erase(KeyOf(account));
  co_return co_await engine_.Forget(account);
}

}  // namespace mailstead::stored
