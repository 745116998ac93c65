#include "smtpd/inbound/pipeline/chunk_decoder.h"

namespace mailstead::smtp {

void ChunkDecoder::BareCr(std::string& out) {
  after_cr_ = false;
  if (bare_line_ends_ == BareLineEnds::kNormalize) {
    out += "\r\n";
  } else {
    saw_bare_line_end_ = true;
    out += '\r';
  }
}

void ChunkDecoder::Decode(absl::string_view in, std::string& out) {
  static constexpr absl::string_view kSpecial("\r\n\0", 3);
  while (!in.empty()) {
    if (after_cr_) {
      if (in.front() == '\n') {
        out += "\r\n";
        after_cr_ = false;
        in.remove_prefix(1);
        continue;
      }
      BareCr(out);
    }
    const size_t plain = in.find_first_of(kSpecial);
    out.append(in.data(), plain == absl::string_view::npos ? in.size() : plain);
    if (plain == absl::string_view::npos) return;
    switch (in[plain]) {
      case '\r':
        after_cr_ = true;
        break;
      case '\n':
        if (bare_line_ends_ == BareLineEnds::kRefuse) saw_bare_line_end_ = true;
        out += bare_line_ends_ == BareLineEnds::kNormalize ? "\r\n" : "\n";
        break;
      default:
        saw_nul_ = true;
        out += '\0';
    }
    in.remove_prefix(plain + 1);
  }
}

void ChunkDecoder::Finish(std::string& out) {
  if (after_cr_) BareCr(out);
}

}  // namespace mailstead::smtp
