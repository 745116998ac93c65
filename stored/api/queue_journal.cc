#include "stored/api/queue_journal.h"

#include "absl/strings/str_cat.h"
#include "common/obs/log.h"

namespace mailstead::stored {
namespace {

absl::string_view EventOf(QueueEvent::Kind kind) {
  switch (kind) {
    case QueueEvent::Kind::kDelivered:
      return "recipient_delivered";
    case QueueEvent::Kind::kFailed:
      return "recipient_failed";
    case QueueEvent::Kind::kDeferred:
      return "recipient_deferred";
    case QueueEvent::Kind::kExpired:
      return "recipient_expired";
    case QueueEvent::Kind::kCancelled:
      return "recipient_cancelled";
    case QueueEvent::Kind::kDelayTold:
      return "delay_told";
  }
  return "recipient_deferred";
}

}  // namespace

void QueueJournal::Happened(const QueueEvent& event) {
  counter_.CountQueueEvent(event.kind);
  obs::LogInfo(EventOf(event.kind),
               {{"queued", event.message.value},
                {"delivery", event.delivery_id},
                {"from", event.reverse_path.empty() ? absl::string_view("<>") : absl::string_view(event.reverse_path)},
                {"to", event.recipient},
                {"attempts", event.attempt_count},
                {"host", event.reply.host},
                {"code", event.reply.code},
                {"status", event.reply.status},
                {"reply", event.reply.text},
                {"queued_at", absl::FormatTime(absl::RFC3339_sec, event.queue_time, absl::UTCTimeZone())}});
}

void QueueJournal::NoticeDropped(QueueId message, const std::string& reverse_path, const absl::Status& why) {
  counter_.CountDroppedNotice();
  obs::LogWarning("notice_dropped", {{"queued", message.value}, {"from", reverse_path}, {"error", why.ToString()}});
}

}  // namespace mailstead::stored
