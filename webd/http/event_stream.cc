#include "webd/http/event_stream.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailstead::web {

std::string Write(const ServerSentEvent& event) {
  std::string text = absl::StrCat("event: ", event.event, "\n");
  if (event.id.has_value()) absl::StrAppend(&text, "id: ", *event.id, "\n");
  for (const absl::string_view line : absl::StrSplit(event.data, '\n')) {
    absl::StrAppend(&text, "data: ", line, "\n");
  }
  absl::StrAppend(&text, "\n");
  return text;
}

// An event without data only sets the last event's id.
std::string WriteSignOfLife(absl::string_view id, absl::string_view comment) {
  return absl::StrCat(": ", comment, "\nid: ", id, "\n\n");
}

}  // namespace mailstead::web
