// Maildrops between the API and core. What clients see of them as bytes is made and read here:
//   token       the lock's fencing number, 8 bytes big-endian
//   page token  the id after which the page begins, and the last one of the listing, 8 bytes big-endian each
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/store/ids.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

void ToProto(const engine::OpenedMaildrop& opened, frontend::v1::OpenMaildropResponse& proto);
void ToProto(absl::Span<const engine::MaildropEntry> entries, frontend::v1::MaildropEntries& proto);

// FieldError "token".
absl::StatusOr<engine::LockToken> ReadLockToken(absl::string_view token);

struct MaildropPosition {
  MessageId after;
  MessageId last;
};
std::string MakePosition(const MaildropPosition& position);
// FieldError "page_token".
absl::StatusOr<MaildropPosition> ReadPosition(absl::string_view token);

}  // namespace mailstead::stored
