#include <string>

#include "absl/strings/match.h"
#include "common/base/check.h"
#include "common/mail/mime/addresses.h"
#include "common/mail/mime/content_field.h"
#include "common/mail/mime/date.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/message_ids.h"
#include "common/mail/mime/words.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

// What comes out of a field is shown, logged and put into other fields.
void CheckLine(absl::string_view text) {
  CHECK(IsValidUtf8(text) && text.find_first_of("\r\n") == text.npos && !absl::StrContains(text, '\0'));
}

}  // namespace

void Run(absl::string_view input) {
  const mime::Charsets charsets;
  CheckLine(mime::DecodeText(input, charsets));
  CHECK(mime::EncodedWordBytes(input) <= input.size());
  size_t count = 0;
  for (const mime::MailboxGroup& group : mime::ParseAddressList(input, charsets).groups) {
    CheckLine(group.name);
    count += group.mailboxes.size() + (group.is_group ? 1 : 0);
    for (const mime::Mailbox& mailbox : group.mailboxes) {
      CheckLine(mailbox.name);
      CheckLine(mailbox.address);
    }
  }
  CHECK(count <= mime::kMaxAddressCount);
  const mime::ContentField field = mime::ParseContentField(input, charsets);
  CHECK(field.parameters.size() <= mime::kMaxParameterCount);
  for (size_t i = 0; i < field.parameters.size(); ++i) {
    CheckLine(field.parameters[i].value);
    CHECK(field.Find(field.parameters[i].name).data() == field.parameters[i].value.data());
  }
  CHECK(mime::ParseMessageIds(input).size() <= mime::kMaxMessageIdCount);
  const auto date = mime::ParseDate(input);
  if (date) CHECK(date->time > absl::FromUnixSeconds(-2'300'000'000) && date->offset_minutes < 100 * 60);
}

}  // namespace mailstead::fuzz
