#include "smtpd/inbound/pipeline/chunk_decoder.h"

namespace mailstead::smtp {

void ChunkDecoder::Decode(absl::string_view in, std::string& out) {
  if (bare_line_ends_ == BareLineEnds::kRefuse) {
    out.append(in.data(), in.size());
    return;
  }
  while (!in.empty()) {
    if (waiting_crs_ > 0) {
      const char c = in.front();
      if (c == '\n') {
        out += "\r\n";
        waiting_crs_ = 0;
        in.remove_prefix(1);
        continue;
      }
      if (c == '\r') {
        // The first of three is a line end for itself.
        if (waiting_crs_ == 2) out += "\r\n";
        waiting_crs_ = 2;
        in.remove_prefix(1);
        continue;
      }
      Finish(out);
    }
    const size_t plain = in.find_first_of("\r\n");
    out.append(in.data(), plain == absl::string_view::npos ? in.size() : plain);
    if (plain == absl::string_view::npos) return;
    if (in[plain] == '\r') {
      waiting_crs_ = 1;
    } else {
      out += "\r\n";
    }
    in.remove_prefix(plain + 1);
  }
}

void ChunkDecoder::Finish(std::string& out) {
  for (; waiting_crs_ > 0; --waiting_crs_) out += "\r\n";
}

}  // namespace mailstead::smtp
