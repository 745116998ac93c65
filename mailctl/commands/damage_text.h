// A message that is not as it came in, in words for a person.
#pragma once

#include <string>

#include "mailctl/client.h"

namespace mailstead::ctl {

// "mailbox 3 message 17: the content differs from its SHA-256"; of the queue: "queue message 17: ...".
std::string DamageText(const v1::VerifyMessagesResponse::Damage& damage);

}  // namespace mailstead::ctl
