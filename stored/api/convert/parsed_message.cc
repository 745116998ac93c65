#include "stored/api/convert/parsed_message.h"

#include <google/protobuf/repeated_ptr_field.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "common/mail/mime/addresses.h"
#include "common/mail/mime/date.h"
#include "common/mail/mime/defect.h"
#include "common/mail/mime/message_ids.h"
#include "common/mail/mime/words.h"
#include "common/text/utf8.h"
#include "stored/api/convert/values.h"

namespace mailstead::stored {
namespace {

namespace v1 = store::v1;

// What is told at most: with 1 MiB of texts, and the summary, less than 4 MiB.
constexpr size_t kMaxFieldsBytes = 768 << 10;
constexpr size_t kMaxAddressesBytes = 384 << 10;
constexpr size_t kMaxIdsBytes = 128 << 10;
constexpr size_t kMaxPartsBytes = 1280 << 10;
// Of one item beside its texts, as it is encoded.
constexpr size_t kItemBytes = 16;

// Counts what is told, of which there may be so much.
class Room {
 public:
  explicit Room(size_t bytes) : left_(bytes) {}
  bool Take(size_t bytes) {
    const bool fits = bytes + kItemBytes <= left_;
    if (fits) left_ -= bytes + kItemBytes;
    return fits;
  }

 private:
  size_t left_;
};

// A string of Protocol Buffers is UTF-8; what the parser gives as it is written may be anything.
std::string Text(absl::string_view text, const mime::Charsets& charsets) {
  return IsValidUtf8(text) ? std::string(text.data(), text.size()) : charsets.Decode("", text);
}

absl::string_view ValueOf(const mime::Message& message, absl::string_view name) {
  const mime::Field* const field = message.FindField(name);
  return field == nullptr ? absl::string_view() : absl::string_view(field->value);
}

// False: not all of it.
bool AddAddresses(const mime::AddressList& list, const mime::Charsets& charsets, Room& room,
                  google::protobuf::RepeatedPtrField<v1::MailAddress>& proto) {
  const auto add = [&](const mime::MailboxGroup& group, const mime::Mailbox& mailbox) {
    std::string address = Text(mailbox.address, charsets);
    if (!room.Take(mailbox.name.size() + address.size() + group.name.size())) return false;
    v1::MailAddress& added = *proto.Add();
    added.set_display_name(mailbox.name);
    added.set_address(std::move(address));
    added.set_group(group.name);
    return true;
  };
  for (const mime::MailboxGroup& group : list.groups) {
    if (group.mailboxes.empty() && !group.name.empty() && !add(group, mime::Mailbox())) return false;
    for (const mime::Mailbox& mailbox : group.mailboxes) {
      if (!add(group, mailbox)) return false;
    }
  }
  return true;
}

void SetDate(absl::string_view value, v1::MessageHeader& proto) {
  const std::optional<mime::Date> date = mime::ParseDate(value);
  if (!date.has_value() || !IsTimestamp(date->time)) return;
  ToProto(date->time, *proto.mutable_date());
  if (date->is_offset_known) proto.mutable_date_offset_minutes()->set_value(date->offset_minutes);
}

// Whether the part is one of a message that is in the message.
bool IsOfInnerMessage(const mime::Message& message, const mime::Part& part) {
  for (size_t at = part.parent; at != mime::kNoParent; at = message.parts[at].parent) {
    if (absl::StartsWith(message.parts[at].media_type, "message/")) return true;
  }
  return false;
}

}  // namespace

bool IsTimestamp(absl::Time time) {
  static const absl::Time first = absl::FromCivil(absl::CivilSecond(1, 1, 1), absl::UTCTimeZone());
  static const absl::Time end = absl::FromCivil(absl::CivilSecond(10'000, 1, 1), absl::UTCTimeZone());
  return time >= first && time < end;
}

void ToProto(const mime::Message& message, const mime::Charsets& charsets, v1::MessageHeader& proto) {
  const mime::DefectSet defects = message.parts.front().defects;
  proto.set_truncated(defects.Has(mime::Defect::kHeaderTooLarge) || defects.Has(mime::Defect::kFieldTooLong));
  Room fields(kMaxFieldsBytes);
  for (const mime::Field& field : message.fields) {
    std::string value = mime::DecodeText(field.value, charsets);
    if (!fields.Take(field.name.size() + value.size())) {
      proto.set_truncated(true);
      break;
    }
    v1::HeaderField& added = *proto.add_fields();
    added.set_name(Text(field.name, charsets));
    added.set_value(std::move(value));
  }
  proto.set_subject(mime::DecodeText(ValueOf(message, "Subject"), charsets));
  SetDate(ValueOf(message, "Date"), proto);

  Room addresses(kMaxAddressesBytes);
  const auto take_addresses = [&](absl::string_view name,
                                  google::protobuf::RepeatedPtrField<v1::MailAddress>& told) {
    const absl::string_view value = ValueOf(message, name);
    if (value.empty()) return;
    if (!AddAddresses(mime::ParseAddressList(value, charsets), charsets, addresses, told)) {
      proto.set_truncated(true);
    }
  };
  take_addresses("From", *proto.mutable_from_addresses());
  take_addresses("Sender", *proto.mutable_sender_addresses());
  take_addresses("Reply-To", *proto.mutable_reply_to_addresses());
  take_addresses("To", *proto.mutable_to_addresses());
  take_addresses("Cc", *proto.mutable_cc_addresses());
  take_addresses("Bcc", *proto.mutable_bcc_addresses());

  Room ids(kMaxIdsBytes);
  const auto take_ids = [&](absl::string_view name, google::protobuf::RepeatedPtrField<std::string>& told) {
    for (const std::string& id : mime::ParseMessageIds(ValueOf(message, name))) {
      std::string text = Text(id, charsets);
      if (!ids.Take(text.size())) return proto.set_truncated(true);
      *told.Add() = std::move(text);
    }
  };
  google::protobuf::RepeatedPtrField<std::string> own_ids;
  take_ids("Message-ID", own_ids);
  if (!own_ids.empty()) proto.set_header_message_id(own_ids.Get(0));
  take_ids("In-Reply-To", *proto.mutable_in_reply_to());
  take_ids("References", *proto.mutable_references());
}

void ToProto(const mime::Message& message, const mime::Part& part, const mime::Charsets& charsets,
             v1::Part& proto) {
  proto.set_part_id(part.id);
  if (part.parent != mime::kNoParent) proto.set_parent_part_id(message.parts[part.parent].id);
  proto.set_media_type(Text(part.media_type, charsets));
  for (const mime::Parameter& parameter : part.parameters) {
    v1::PartParameter& added = *proto.add_parameters();
    added.set_name(Text(parameter.name, charsets));
    added.set_value(Text(parameter.value, charsets));
  }
  proto.set_charset(Text(part.Find("charset"), charsets));
  proto.set_disposition(Text(part.disposition, charsets));
  proto.set_file_name(Text(part.file_name, charsets));
  proto.set_content_id(Text(part.content_id, charsets));
  proto.set_description(Text(part.description, charsets));
  const absl::string_view encoding = mime::EncodingName(part.encoding);
  proto.set_transfer_encoding(encoding.data(), encoding.size());
  proto.set_is_attachment(mime::IsAttachment(part));
  proto.set_size_bytes(static_cast<int64_t>(part.encoded_bytes()));
  proto.set_decoded_size_bytes(static_cast<int64_t>(part.decoded_bytes));
  proto.set_header_offset(static_cast<int64_t>(part.header_begin));
  proto.set_body_offset(static_cast<int64_t>(part.body_begin));
  for (const mime::Defect defect : part.defects.List()) {
    const absl::string_view name = mime::DefectName(defect);
    proto.add_defects(name.data(), name.size());
  }
}

void ToProto(const mime::Message& message, std::vector<PartText>& texts, const mime::Charsets& charsets,
             v1::ParsedMessage& proto) {
  Room room(kMaxPartsBytes);
  for (size_t i = 0; i < message.parts.size(); ++i) {
    const mime::Part& part = message.parts[i];
    v1::Part told;
    ToProto(message, part, charsets, told);
    const bool left_out = part.defects.Has(mime::Defect::kTooManyParts);
    if (left_out) proto.set_truncated(true);
    if (!room.Take(told.ByteSizeLong())) {
      proto.set_truncated(true);
      break;
    }
    told.set_text(std::move(texts[i].text));
    told.set_text_truncated(texts[i].truncated);
    if (told.is_attachment()) {
      proto.add_attachment_part_ids(part.id);
    } else if (!part.has_parts && !IsOfInnerMessage(message, part)) {
      if (part.media_type == "text/plain" && proto.plain_text_part_id().empty())
        proto.set_plain_text_part_id(part.id);
      if (part.media_type == "text/html" && proto.html_text_part_id().empty())
        proto.set_html_text_part_id(part.id);
    }
    *proto.add_parts() = std::move(told);
  }
}

}  // namespace mailstead::stored
