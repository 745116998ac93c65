#include "stored/api/sending_journal.h"

#include "common/base/reason.h"
#include "common/obs/log.h"

namespace mailstead::stored {
namespace {

using Why = engine::SendingPause::Why;

absl::string_view NameOf(Why why) {
  switch (why) {
    case Why::kNone:
      return "none";
    case Why::kOperator:
      return "operator";
    case Why::kNewRecipients:
      return "new_recipients";
    case Why::kRefusals:
      return "refusals";
  }
  return "none";
}

}  // namespace

void SendingJournal::Refused(AccountId account, const absl::Status& why) {
  const bool paused = ReasonOf(why) == kReasonSendingPaused;
  counter_.CountSendingRefused(paused ? "paused" : "limit");
  obs::LogWarning("sending_refused", {{"account", account.value}, {"error", why.message()}});
}

void SendingJournal::Paused(AccountId account, Why why, const engine::SendingSlot& hour,
                            const engine::SendingSlot& day) {
  counter_.CountSendingPaused(NameOf(why));
  obs::LogError("sending_paused", {{"account", account.value},
                                   {"why", NameOf(why)},
                                   {"hour_recipients", hour.recipients},
                                   {"hour_new", hour.new_recipients},
                                   {"day_recipients", day.recipients},
                                   {"day_delivered", day.delivered},
                                   {"day_refused", day.refused}});
}

void SendingJournal::Resumed(AccountId account) {
  obs::LogInfo("sending_resumed", {{"account", account.value}});
}

}  // namespace mailstead::stored
