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

void ToProto(const engine::MaildropEntry& entry, v1::MaildropEntry& proto) {
  proto.set_message_id(entry.id.value);
  proto.set_unique_id(entry.unique_id);
  proto.set_size_bytes(entry.size_bytes);
}

void ToProto(const engine::OpenedMaildrop& opened, v1::OpenMaildropResponse& proto) {
  proto.set_token(Number(opened.token.value));
  proto.set_version(opened.version);
  proto.set_basis(opened.since_known_version ? v1::OpenMaildropResponse::BASIS_KNOWN_VERSION
                                             : v1::OpenMaildropResponse::BASIS_NOTHING);
  proto.mutable_entries()->Reserve(static_cast<int>(opened.entries.size()));
  for (const engine::MaildropEntry& entry : opened.entries) ToProto(entry, *proto.add_entries());
  for (const MessageId removed : opened.removed) proto.add_removed_message_ids(removed.value);
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
