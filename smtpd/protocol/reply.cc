#include "smtpd/protocol/reply.h"

#include "absl/strings/str_cat.h"

namespace mailstead::smtp {

void AppendReply(int code, absl::string_view enhanced, absl::string_view text, std::string& out) {
  while (true) {
    const size_t end = text.find('\n');
    const bool last = end == absl::string_view::npos;
    absl::StrAppend(&out, code, last ? " " : "-", enhanced, enhanced.empty() ? "" : " ", text.substr(0, end),
                    "\r\n");
    if (last) return;
    text.remove_prefix(end + 1);
  }
}

}  // namespace mailstead::smtp
