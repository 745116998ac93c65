// What must be known of a message before it is offered to another host, found out as its octets come by. Pure; any
// split of the octets gives the same.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "common/mail/header_reader.h"
#include "common/text/line_check.h"

namespace mailstead::smtp::outbound {

struct Content {
  uint64_t size_bytes = 0;
  // It has an octet over 127: the host must offer 8BITMIME (RFC 6152).
  bool eight_bit = false;
  // A header field has UTF-8: the host must offer SMTPUTF8 (RFC 6531). A field with octets over 127 that are no UTF-8
  // is of an older kind, which SMTPUTF8 does not make better: eight_bit alone.
  bool utf8_header = false;
  // It has a CR or LF that is not part of CRLF, or a NUL: it goes to nobody (RFC 5321 sections 2.3.8 and 4.1.1.4).
  bool bad_octets = false;

  bool operator==(const Content&) const = default;
};

class ContentCheck {
 public:
  ContentCheck() : header_({&fields_}) {}
  ContentCheck(const ContentCheck&) = delete;
  ContentCheck& operator=(const ContentCheck&) = delete;

  // Octets of the message, in order.
  void Feed(absl::string_view octets);
  // The message has ended. Once.
  Content Finish();

 private:
  class Fields : public HeaderObserver {
   public:
    void OnField(const HeaderField& field) override;
    bool utf8 = false;
  };

  Fields fields_;
  HeaderReader header_;
  LineCheck lines_;
  Content content_;
};

}  // namespace mailstead::smtp::outbound
