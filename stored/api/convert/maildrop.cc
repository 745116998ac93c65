#include "stored/api/convert/maildrop.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

namespace v1 = frontend::v1;

constexpr size_t kNumberBytes = 8;

std::string Number(int64_t value) {
  std::string bytes(kNumberBytes, '\0');
  for (size_t i = 0; i < kNumberBytes; ++i) {
    bytes[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * (kNumberBytes - 1 - i)));
  }
  return bytes;
}

int64_t NumberAt(absl::string_view bytes, size_t offset) {
  uint64_t value = 0;
  for (size_t i = 0; i < kNumberBytes; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return static_cast<int64_t>(value);
}

}  // namespace

void ToProto(absl::Span<const engine::MaildropEntry> entries, v1::MaildropEntries& proto) {
  size_t unique_id_bytes = 0;
  for (const engine::MaildropEntry& entry : entries) unique_id_bytes += entry.unique_id.size() + 1;
  proto.mutable_message_ids()->Reserve(static_cast<int>(entries.size()));
  proto.mutable_sizes_bytes()->Reserve(static_cast<int>(entries.size()));
  proto.mutable_unique_ids()->reserve(unique_id_bytes);
  for (const engine::MaildropEntry& entry : entries) {
    proto.add_message_ids(entry.id.value);
    proto.add_sizes_bytes(entry.size_bytes);
    proto.mutable_unique_ids()->append(entry.unique_id).push_back('\n');
  }
}

void ToProto(const engine::OpenedMaildrop& opened, v1::OpenMaildropResponse& proto) {
  proto.set_token(Number(opened.token.value));
  proto.set_version(opened.version);
  proto.set_basis(opened.since_known_version ? v1::OpenMaildropResponse::BASIS_KNOWN_VERSION
                                             : v1::OpenMaildropResponse::BASIS_NOTHING);
  if (!opened.entries.empty()) ToProto(opened.entries, *proto.mutable_entries());
  for (const MessageId removed : opened.removed) proto.add_removed_message_ids(removed.value);
  proto.set_message_count(opened.message_count);
  if (opened.more) proto.set_next_page_token(MakePosition({opened.entries.back().id, opened.last}));
}

absl::StatusOr<engine::LockToken> ReadLockToken(absl::string_view token) {
  if (token.size() != kNumberBytes) return FieldError("token", "must be that of OpenMaildrop");
  return engine::LockToken{NumberAt(token, 0)};
}

std::string MakePosition(const MaildropPosition& position) {
  return absl::StrCat(Number(position.after.value), Number(position.last.value));
}

absl::StatusOr<MaildropPosition> ReadPosition(absl::string_view token) {
  if (token.size() != 2 * kNumberBytes) {
    return FieldError("page_token", "must be the next_page_token of the page before");
  }
  return MaildropPosition{MessageId{NumberAt(token, 0)}, MessageId{NumberAt(token, kNumberBytes)}};
}

}  // namespace mailstead::stored
