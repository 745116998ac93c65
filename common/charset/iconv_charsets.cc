#include "common/charset/iconv_charsets.h"

#include <iconv.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

namespace mailstead {
namespace {

constexpr absl::string_view kReplacement = "\xef\xbf\xbd";

// What mail calls a set, and what the C library does. Where writers say the old set and mean the one that has it in it,
// as browsers know, it is the latter.
constexpr std::pair<absl::string_view, const char*> kNames[] = {
    {"big5", "BIG5-HKSCS"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"gb18030", "GB18030"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"iso-2022-jp-2", "ISO-2022-JP-2"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"windows-31j", "CP932"},
    {"cp932", "CP932"},
    {"euc-jp", "EUC-JP"},
    {"euc-kr", "UHC"},
    {"ks_c_5601-1987", "UHC"},
    {"cp949", "UHC"},
    {"iso-2022-kr", "ISO-2022-KR"},
    {"utf-7", "UTF-7"},
};

class IconvDecoder : public mime::CharsetDecoder {
 public:
  // Owns `descriptor`.
  explicit IconvDecoder(iconv_t descriptor) : descriptor_(descriptor) {}
  ~IconvDecoder() override { iconv_close(descriptor_); }
  IconvDecoder(const IconvDecoder&) = delete;
  IconvDecoder& operator=(const IconvDecoder&) = delete;

  void Feed(absl::string_view bytes, std::string& text) override {
    waiting_.append(bytes.data(), bytes.size());
    char* in = waiting_.data();
    size_t left = waiting_.size();
    while (left > 0) {
      if (Convert(&in, &left, text)) break;
      // What was written goes out, and more of it comes in.
      if (errno == E2BIG) continue;
      // The rest of a character comes later; none that mail is written in has so many bytes.
      if (errno == EINVAL && left < kMaxCharacterBytes) break;
      text.append(kReplacement.data(), kReplacement.size());
      ++in;
      --left;
    }
    waiting_.erase(0, waiting_.size() - left);
  }

  void Finish(std::string& text) override {
    if (!waiting_.empty()) text.append(kReplacement.data(), kReplacement.size());
    waiting_.clear();
    // Some sets hold a character back that the next one may change.
    Convert(nullptr, nullptr, text);
  }

 private:
  static constexpr size_t kMaxCharacterBytes = 16;

  bool Convert(char** in, size_t* left, std::string& text) {
    char buffer[4'096];
    char* out = buffer;
    size_t out_left = sizeof buffer;
    const bool all = iconv(descriptor_, in, left, &out, &out_left) != static_cast<size_t>(-1);
    const int error = errno;
    text.append(buffer, sizeof buffer - out_left);
    errno = error;
    return all;
  }

  const iconv_t descriptor_;
  std::string waiting_;
};

}  // namespace

std::unique_ptr<mime::CharsetDecoder> IconvCharsets::Open(absl::string_view name) const {
  for (const auto& [known, library_name] : kNames) {
    if (name != known) continue;
    const iconv_t descriptor = iconv_open("UTF-8", library_name);
    if (descriptor == reinterpret_cast<iconv_t>(-1)) return nullptr;
    return std::make_unique<IconvDecoder>(descriptor);
  }
  return nullptr;
}

}  // namespace mailstead
