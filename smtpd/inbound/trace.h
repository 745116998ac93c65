// The header fields that receipt puts in front of a message. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::smtp {

struct TraceInfo {
  // What the client called itself, checked by IsHeloName.
  std::string helo;
  // "192.0.2.1" or "2001:db8::1".
  std::string client_address;
  // Ours.
  std::string hostname;
  std::string delivery_id;
  // The recipient if there is one only: a list would tell each who else got it (RFC 5321 section 7.2).
  std::string recipient;
  // Empty without TLS.
  std::string tls_version;
  std::string tls_cipher;
  bool esmtp = false;
  bool authenticated = false;
  bool smtp_utf8 = false;
  absl::Time time;
};

// "Received: ..." with its CRLF (RFC 5321 section 4.4).
std::string ReceivedField(const TraceInfo& info);
// The protocol it came with: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP... (RFC 6531
// section 4.3).
std::string WithProtocol(const TraceInfo& info);
// "Date: ..." and "Message-ID: ..." with their CRLF, for a submitted message that lacks them (RFC 6409
// section 8).
std::string DateField(absl::Time time);
std::string MessageIdField(absl::string_view delivery_id, absl::string_view hostname);

}  // namespace mailstead::smtp
