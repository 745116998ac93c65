#include "common/text/line_check.h"

#include <cstddef>

namespace mailstead {
namespace {

// So many bytes are looked at together, without a branch: the compiler makes that a few vector instructions, and a
// message costs less than by a search for each line.
constexpr size_t kBlockBytes = 64;

// Whether there is something to look for in a block. The byte in front of it is there too.
bool IsSuspect(const char* block) {
  const char* const before = block - 1;
  unsigned char suspect = 0;
  for (size_t i = 0; i < kBlockBytes; ++i) {
    const bool lone = (block[i] == '\n') != (before[i] == '\r');
    suspect |= static_cast<unsigned char>(lone | (block[i] == '\0'));
  }
  return suspect != 0;
}

}  // namespace

// An LF stands behind a CR and nowhere else, and nothing else stands there.
void LineCheck::Look(bool after_cr, char c) {
  if ((c == '\n') != after_cr) saw_bare_line_end_ = true;
  if (c == '\0') saw_nul_ = true;
}

void LineCheck::Feed(absl::string_view bytes) {
  if (bytes.empty()) return;
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  Look(after_cr_, *begin);
  const char* at = begin + 1;
  for (; static_cast<size_t>(end - at) >= kBlockBytes; at += kBlockBytes) {
    if (!IsSuspect(at)) continue;
    for (const char* c = at; c != at + kBlockBytes; ++c) Look(c[-1] == '\r', *c);
  }
  for (; at != end; ++at) Look(at[-1] == '\r', *at);
  after_cr_ = end[-1] == '\r';
  at_line_start_ = end[-1] == '\n';
}

void LineCheck::Finish() {
  if (after_cr_) saw_bare_line_end_ = true;
  after_cr_ = false;
}

}  // namespace mailstead
