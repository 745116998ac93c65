#include "common/mail/mime/message.h"

namespace mailstead::mime {

absl::string_view Part::Find(absl::string_view parameter) const {
  for (const Parameter& candidate : parameters) {
    if (candidate.name == parameter) return candidate.value;
  }
  return "";
}

bool IsAttachment(const Part& part) {
  if (absl::StartsWith(part.media_type, "multipart/")) return false;
  if (part.disposition == "attachment") return true;
  const bool is_shown_in_text = absl::StartsWith(part.media_type, "image/") && !part.content_id.empty();
  return !part.file_name.empty() && !is_shown_in_text;
}

const Field* Message::FindField(absl::string_view name) const {
  for (const Field& field : fields) {
    if (field.Is(name)) return &field;
  }
  return nullptr;
}

const Part* Message::FindPart(absl::string_view id) const {
  for (const Part& part : parts) {
    if (part.id == id) return &part;
  }
  return nullptr;
}

}  // namespace mailstead::mime
