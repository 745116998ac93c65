#include "common/mail/mime/part_decoder.h"

#include "absl/strings/match.h"

namespace mailstead::mime {

PartDecoder::PartDecoder(const Part& part, const Charsets& charsets, TextAs text_as)
    // A multipart is what it is, whatever it says of its encoding.
    : transfer_(absl::StartsWith(part.media_type, "multipart/") ? Encoding::kBinary : part.encoding) {
  if (text_as != TextAs::kUtf8 || !part.is_text()) return;
  charset_ = charsets.Open(part.Find("charset"));
  if (charset_ == nullptr) charset_ = charsets.Open("");
}

void PartDecoder::Feed(absl::string_view bytes, std::string& out) {
  if (charset_ == nullptr) return transfer_.Feed(bytes, &out);
  bytes_.clear();
  transfer_.Feed(bytes, &bytes_);
  charset_->Feed(bytes_, out);
}

void PartDecoder::Finish(std::string& out) {
  if (charset_ == nullptr) return transfer_.Finish(&out);
  bytes_.clear();
  transfer_.Finish(&bytes_);
  charset_->Feed(bytes_, out);
  charset_->Finish(out);
}

}  // namespace mailstead::mime
