// What mail programs are told of how they reach this server, so that people need to type an address and a password only: as
// Thunderbird asks (https://www.ietf.org/archive/id/draft-ietf-mailmaint-autoconfig-00.html) and as Outlook does (MS-OXDSCLI). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "webd/http/request_head.h"

namespace mailstead::web {

// A request of Outlook's is a few hundred bytes.
inline constexpr size_t kMaxAutodiscoverBytes = 16'384;

struct Host {
  std::string name;
  uint16_t port = 0;

  bool operator==(const Host&) const = default;
};

// Where mail programs reach the listeners from outside. A host without a name: there is no such listener for them.
struct MailSettings {
  // POP3 with TLS from the first byte.
  Host pop3s;
  // Submission so.
  Host submissions;
  // Submission with STARTTLS.
  Host submission;

  // Mail can be read and sent: else nothing is told.
  bool complete() const {
    return !pop3s.name.empty() && !(submissions.name.empty() && submission.name.empty());
  }
};

// "host:port", the name as it is in the DNS. InvalidArgument.
absl::StatusOr<Host> ParseHost(absl::string_view text);

// The domain that a request of Thunderbird's is about: of its emailaddress, or else of the host that it asks. InvalidArgument:
// there is none.
absl::StatusOr<std::string> DomainOfRequest(const RequestHead& head);
// config-v1.1.xml. `domain` is one of ours.
std::string ConfigFor(absl::string_view domain, const MailSettings& settings);

// The address that a request of Outlook's is about. InvalidArgument.
absl::StatusOr<std::string> AddressOfAutodiscover(absl::string_view body);
std::string AutodiscoverFor(absl::string_view address, const MailSettings& settings);

}  // namespace mailstead::web
