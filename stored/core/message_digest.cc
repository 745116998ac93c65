#include "stored/core/message_digest.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "common/mail/mime/addresses.h"
#include "common/mail/mime/date.h"
#include "common/mail/mime/message.h"
#include "common/mail/mime/message_ids.h"
#include "common/mail/mime/words.h"
#include "common/text/utf8.h"

namespace mailstead::stored {
namespace {

// Fed at a time: in a header, so that a body is not read for it; and in a multipart, between two looks.
constexpr size_t kHeaderStepBytes = 1024;
constexpr size_t kBodyStepBytes = 16 << 10;

// SECURITY: of what a stranger wrote so much is decoded at most, whatever is kept of it in the end: a field may have 32 KiB,
// and each of its words a character set of its own that has to be looked up.
constexpr size_t kMaxDecodedBytes = 4096;

constexpr absl::string_view kSearchedNames[] = {"subject", "from", "message-id", "date"};

std::string Kept(absl::string_view text, size_t max_bytes) {
  const absl::string_view kept = Utf8Prefix(text, max_bytes);
  return std::string(kept.data(), kept.size());
}

absl::string_view ValueOf(const mime::Message& message, absl::string_view name) {
  const mime::Field* const field = message.FindField(name);
  return field == nullptr ? absl::string_view() : absl::string_view(field->value).substr(0, kMaxDecodedBytes);
}

std::vector<engine::SearchedAddress> Addresses(absl::string_view value, const mime::Charsets& charsets) {
  std::vector<engine::SearchedAddress> addresses;
  size_t left = engine::kMaxKeptFromBytes;
  for (const mime::MailboxGroup& group : mime::ParseAddressList(value, charsets).groups) {
    for (const mime::Mailbox& mailbox : group.mailboxes) {
      // An address is kept whole or not at all.
      std::string address = mime::OneLine(charsets.Decode("", mailbox.address));
      if (address.size() > left) return addresses;
      left -= address.size();
      std::string name = Kept(mailbox.name, left);
      left -= name.size();
      if (address.empty() && name.empty()) continue;
      addresses.push_back({std::move(name), std::move(address)});
    }
  }
  return addresses;
}

// Those fields that `message` has.
void TakeFields(const mime::Message& message, const mime::Charsets& charsets,
                engine::SearchedFields& fields) {
  if (message.FindField("Subject") != nullptr) {
    fields.subject =
        Kept(mime::DecodeText(ValueOf(message, "Subject"), charsets), engine::kMaxKeptSubjectBytes);
  }
  if (message.FindField("From") != nullptr) fields.from = Addresses(ValueOf(message, "From"), charsets);
  if (message.FindField("Message-ID") != nullptr) {
    const std::vector<std::string> ids = mime::ParseMessageIds(ValueOf(message, "Message-ID"));
    fields.message_id = ids.empty() ? "" : mime::OneLine(charsets.Decode("", ids.front()));
    if (fields.message_id.size() > engine::kMaxKeptMessageIdBytes) fields.message_id.clear();
  }
  if (message.FindField("Date") != nullptr) {
    const std::optional<mime::Date> date = mime::ParseDate(ValueOf(message, "Date"));
    fields.date = date.has_value() ? std::optional(date->time) : std::nullopt;
  }
}

// A submission's trace has a Date or Message-ID that its sender left out; most have none of these.
bool HasSearchedField(absl::string_view trace) {
  for (const absl::string_view line : absl::StrSplit(trace, '\n')) {
    for (const absl::string_view name : kSearchedNames) {
      if (absl::StartsWithIgnoreCase(line, name)) return true;
    }
  }
  return false;
}

}  // namespace

MessageDigest::MessageDigest() : parser_(std::in_place, charsets_) {}

void MessageDigest::Feed(absl::string_view content) {
  while (!content.empty() && parser_.has_value()) {
    const absl::string_view step = content.substr(0, header_ended_ ? kBodyStepBytes : kHeaderStepBytes);
    content.remove_prefix(step.size());
    parser_->Feed(step);
    Look(parser_->so_far(), !parser_->in_header());
  }
}

void MessageDigest::Look(const mime::Message& message, bool last_part_has_header) {
  const size_t part_count = message.parts.size() - (last_part_has_header ? 0 : 1);
  if (part_count == 0) return;
  if (!header_ended_) {
    header_ended_ = true;
    TakeFields(message, charsets_, fields_);
  }
  for (; part_count_ < part_count; ++part_count_) {
    fields_.has_attachment = fields_.has_attachment || mime::IsAttachment(message.parts[part_count_]);
  }
  // Destroys the message.
  if (fields_.has_attachment || !message.parts.front().has_parts) parser_.reset();
}

engine::SearchedFields MessageDigest::Finish(absl::string_view trace) {
  if (parser_.has_value()) Look(parser_->Finish(), true);
  if (trace == "\r\n" || absl::EndsWith(trace, "\r\n\r\n")) fields_ = {};
  if (HasSearchedField(trace)) {
    // What stands in front counts.
    mime::Parser parser(charsets_);
    parser.Feed(trace);
    TakeFields(parser.Finish(), charsets_, fields_);
  }
  fields_.known = true;
  return std::move(fields_);
}

}  // namespace mailstead::stored
