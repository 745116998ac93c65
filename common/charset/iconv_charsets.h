// The character sets of East Asia, and UTF-7, by iconv(3) of the C library.
//
// SECURITY: only names of a list of our own reach iconv_open(), which loads a module by name and has had faults in some
// that nobody writes mail in.
#pragma once

#include <memory>

#include "absl/strings/string_view.h"
#include "common/mail/mime/charset.h"

namespace mailstead {

class IconvCharsets : public mime::ForeignCharsets {
 public:
  // Null as well when the C library's module is not installed. May be called from any thread; the first call for a set
  // reads files.
  std::unique_ptr<mime::CharsetDecoder> Open(absl::string_view name) const override;
};

}  // namespace mailstead
