// Server-Sent Events (HTML, section 9.2 "Server-sent events") as bytes.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::web {

inline constexpr absl::string_view kEventStreamType = "text/event-stream";

struct ServerSentEvent {
  // One line.
  absl::string_view event;
  // What the client sends as Last-Event-ID when it comes again; one line without NUL. Empty: that it sends none; nullopt: as
  // before.
  std::optional<std::string> id;
  absl::string_view data;
};

std::string Write(const ServerSentEvent& event);

// Moves the id and is told to nobody; `comment` is one line.
std::string WriteSignOfLife(absl::string_view id, absl::string_view comment);

}  // namespace mailstead::web
