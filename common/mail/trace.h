// The fields that stand in front of a message's content (RFC 5321 section 4.4, RFC 6409 section 8). This is
// the one place that writes them and that knows how content begins behind them. They are made when the
// message has ended, so that what is known only then can stand in them; the content itself stays as it came.
// Pure.
//
//   HeaderReader header({&submission});          common/mail/header_reader.h
//   ... all of the message was fed to it ...
//   trace = ReceivedField(info);
//   submission.AppendMissing(info, trace);       for submitted mail
//   EndTrace(header, trace);
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/mail/header_reader.h"

namespace mailstead {

// How a message came to us.
struct TraceInfo {
  // What the client called itself: anything without control characters.
  std::string helo;
  // "192.0.2.1" or "2001:db8::1".
  std::string client_address;
  // Our own name.
  std::string hostname;
  std::string delivery_id;
  // The recipient if there is one only: a list would tell each who else got it (RFC 5321 section 7.2).
  std::string recipient;
  // "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; empty without TLS.
  std::string tls_version;
  std::string tls_cipher;
  // Set when the client said EHLO.
  bool esmtp = false;
  // Set when the client has logged in.
  bool authenticated = false;
  // Set when MAIL had SMTPUTF8.
  bool smtputf8 = false;
  // Set when it came by a call of an API, from `client_address`, which may be empty. RFC 5321 section 4.4 lets "with" name
  // protocols that are registered only, and none of these is an API: so there is none, but a comment.
  bool by_call = false;
  absl::Time time;
};

// "Received: ..." with its CRLF (RFC 5321 section 4.4), in ASCII: a field of ours must not be why a host on the way has to
// take SMTPUTF8. A client that called itself something else than a domain or an address literal has its address in the place
// of its name, and the name in a comment of its own, where each character that the field cannot have is a '?'. A recipient
// whose local part is not ASCII is not named.
std::string ReceivedField(const TraceInfo& info);
// The protocol by which it came: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP... (RFC 6531
// section 4.3).
std::string WithProtocol(const TraceInfo& info);

// Looks for the fields that a submitted message must have (RFC 5322 section 3.6) and a submission server adds
// (RFC 6409 sections 8.1 and 8.2).
class SubmissionFields : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override;
  // Appends "Date: ..." and "Message-ID: ..." with their CRLF, each if the message, seen whole, has none.
  void AppendMissing(const TraceInfo& info, std::string& trace) const;
  // Its Message-ID, or the one that AppendMissing gives it: without angle brackets, at most kMaxMessageIdBytes.
  std::string MessageId(const TraceInfo& info) const;

 private:
  bool has_date_ = false;
  bool has_message_id_ = false;
  std::string message_id_;
};

// A line (RFC 5322 section 2.1.1).
inline constexpr size_t kMaxMessageIdBytes = 998;

// What stands between the angle brackets of a Message-ID field's value, or all of it where there are none.
std::string MessageIdOf(absl::string_view value);

// Appends what must stand between the trace and the content: an empty line when the content does not begin
// with a field, so that its first line becomes neither a part of our last field nor a broken line of the
// header. Nothing where the trace has one already. `header` has seen the first line of the message at least.
void EndTrace(const HeaderReader& header, std::string& trace);

}  // namespace mailstead
