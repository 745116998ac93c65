// Finds out, while a message comes in, what is kept of its header to be listed and searched by (engine::SearchedFields). The
// header is read, and of a multipart as much as it takes to see an attachment; of most other mail no byte of the body.
// What it holds is bounded by common/mail/mime/limits.h. Any split of the bytes gives the same.
#pragma once

#include <cstddef>
#include <optional>

#include "absl/strings/string_view.h"
#include "common/charset/iconv_charsets.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/parser.h"
#include "stored/engine/searched.h"

namespace mailstead::stored {

class MessageDigest {
 public:
  MessageDigest();

  void Feed(absl::string_view content);
  // Nothing that comes can change the answer: it need not be fed.
  bool has_seen_enough() const { return !parser_.has_value(); }
  // The content has ended; `trace` is put in front of it, and an empty line at its end makes all of the content a body
  // (common/mail/trace.h). Once.
  engine::SearchedFields Finish(absl::string_view trace);

 private:
  // Takes from the parser what has come.
  void Look(const mime::Message& message, bool last_part_has_header);

  const IconvCharsets foreign_;
  const mime::Charsets charsets_{&foreign_};
  // Empty once enough was seen.
  std::optional<mime::Parser> parser_;
  bool header_ended_ = false;
  // Parts that were looked at.
  size_t part_count_ = 0;
  engine::SearchedFields fields_;
};

}  // namespace mailstead::stored
