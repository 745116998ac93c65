#include "stored/engine/rocksdb/records/coder.h"

namespace mailstead::engine {
namespace {

constexpr int64_t kGiven = 1;
constexpr int64_t kSuccess = 2;
constexpr int64_t kFailure = 4;
constexpr int64_t kDelay = 8;

constexpr int64_t kEightBitMime = 1;
constexpr int64_t kSmtpUtf8 = 2;
constexpr int64_t kRequireTls = 4;
constexpr int64_t kAllParameterBits = 7;

}  // namespace

int64_t NotifyBits(const DsnNotify& notify) {
  return (notify.given ? kGiven : 0) | (notify.success ? kSuccess : 0) | (notify.failure ? kFailure : 0) |
         (notify.delay ? kDelay : 0);
}

DsnNotify NotifyOf(int64_t bits) {
  return {(bits & kGiven) != 0, (bits & kSuccess) != 0, (bits & kFailure) != 0, (bits & kDelay) != 0};
}

int64_t ParameterBits(const Envelope& envelope) {
  return (envelope.eight_bit_mime ? kEightBitMime : 0) | (envelope.smtputf8 ? kSmtpUtf8 : 0) |
         (envelope.require_tls ? kRequireTls : 0);
}

void DecodeParameters(Decoder& decoder, Envelope& envelope) {
  int64_t dsn_return;
  int64_t parameters;
  decoder.Number(dsn_return, static_cast<int64_t>(DsnReturn::kHeaders))
      .String(envelope.dsn_envelope_id)
      .Number(parameters, kAllParameterBits);
  envelope.dsn_return = static_cast<DsnReturn>(dsn_return);
  envelope.eight_bit_mime = (parameters & kEightBitMime) != 0;
  envelope.smtputf8 = (parameters & kSmtpUtf8) != 0;
  envelope.require_tls = (parameters & kRequireTls) != 0;
}

void DecodeRecipients(Decoder& decoder, std::vector<EnvelopeRecipient>& recipients) {
  size_t count;
  decoder.Count(count);
  for (size_t i = 0; i < count && !decoder.failed(); ++i) {
    EnvelopeRecipient& recipient = recipients.emplace_back();
    int64_t notify;
    decoder.String(recipient.address)
        .Number(notify, kAllNotifyBits)
        .String(recipient.original_recipient)
        .Flag(recipient.remote);
    recipient.notify = NotifyOf(notify);
  }
}

}  // namespace mailstead::engine
