#include "mailctl/commands/damage_text.h"

#include "absl/strings/str_cat.h"
#include "mailctl/output.h"

namespace mailstead::ctl {

std::string DamageText(const v1::VerifyMessagesResponse::Damage& damage) {
  const std::string place =
      damage.account_id() == "0" ? "queue" : absl::StrCat("mailbox ", damage.account_id());
  return absl::StrCat(place, " message ", damage.message_id(), ": ", Printable(damage.error().message()));
}

}  // namespace mailstead::ctl
