// Gives a part as its reader wants it: without its transfer encoding, and a text as UTF-8. Pure; never fails.
//
//   PartDecoder decoder(part, charsets);
//   ... decoder.Feed(bytes, out);     // those from part.body_begin to part.end, in pieces of any size
//   decoder.Finish(out);
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/message.h"
#include "common/mail/mime/transfer_decoder.h"

namespace mailstead::mime {

class PartDecoder {
 public:
  // What a text comes as: UTF-8, or the bytes in its own character set. What is no text comes as its bytes in
  // either case.
  enum class TextAs { kUtf8, kBytes };

  PartDecoder(const Part& part, const Charsets& charsets, TextAs text_as = TextAs::kUtf8);

  // Appends to `out`: at most three times as many bytes as came in, and 3 KiB.
  void Feed(absl::string_view bytes, std::string& out);
  void Finish(std::string& out);

 private:
  TransferDecoder transfer_;
  // Null when the bytes come as they are.
  std::unique_ptr<CharsetDecoder> charset_;
  std::string bytes_;
};

}  // namespace mailstead::mime
