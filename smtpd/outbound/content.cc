#include "smtpd/outbound/content.h"

#include "common/text/utf8.h"

namespace mailstead::smtp::outbound {

void ContentCheck::Fields::OnField(const HeaderField& field) {
  // A field that was cut may end within a character.
  if (!IsAscii(field.raw) && (field.cut || IsValidUtf8(field.raw))) utf8 = true;
}

void ContentCheck::Feed(absl::string_view octets) {
  content_.size_bytes += octets.size();
  if (!content_.eight_bit) content_.eight_bit = !IsAscii(octets);
  if (!header_.ended()) header_.Feed(octets);
  lines_.Feed(octets);
}

Content ContentCheck::Finish() {
  header_.Finish();
  lines_.Finish();
  content_.utf8_header = fields_.utf8;
  content_.bad_octets = lines_.saw_bare_line_end() || lines_.saw_nul();
  return content_;
}

}  // namespace mailstead::smtp::outbound
