// What of a request's head is read for the paths of webd: the path, ranges, conditions; and the names that mail brings.
#include <optional>
#include <string>

#include "common/base/check.h"
#include "common/mail/address.h"
#include "common/text/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "webd/discovery/settings.h"
#include "webd/http/conditions.h"
#include "webd/http/cors.h"
#include "webd/http/disposition.h"
#include "webd/http/percent.h"
#include "webd/http/range.h"
#include "webd/routes/route.h"

namespace mailstead::fuzz {
namespace {

void CheckRange(absl::string_view input) {
  const std::optional<web::RangeSpec> spec = web::ParseRange(input);
  if (!spec.has_value()) return;
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{100}, UINT64_MAX}) {
    const std::optional<web::ByteRange> range = web::Resolve(*spec, size);
    if (range.has_value()) CHECK(range->begin < range->end && range->end <= size);
  }
}

void CheckConditions(absl::string_view input) {
  constexpr absl::string_view kTag = "\"1.a/b\"";
  for (const char* const name : {"if-match", "if-none-match", "if-range"}) {
    const web::RequestHead head{.fields = {{name, std::string(input)}}};
    (void)web::Judge(head, kTag);
    // Nothing that has not the tag in it is taken for it.
    if (input.find(kTag) == absl::string_view::npos)
      CHECK(web::RangeCounts(head, kTag) == (head.Count("if-range") == 0));
  }
}

void CheckName(absl::string_view input) {
  const std::string name = web::SafeFileName(input, "part");
  CHECK(!name.empty() && name.size() <= web::kMaxFileNameBytes && IsValidUtf8(name));
  CHECK(name.find_first_of(std::string("/\\:*?\"<>|%\r\n\0", 13)) == std::string::npos);
  CHECK(name.front() != '.' && name.back() != '.' && name.back() != ' ');
  CHECK(web::SafeFileName(name, "other") == name);
  const std::string field = web::AttachmentNamed(name);
  CHECK(IsAscii(field) && field.find_first_of("\r\n") == std::string::npos);
  const std::string kExtended = "; filename*=UTF-8''";
  const size_t extended = field.find(kExtended);
  CHECK((extended == std::string::npos) == IsAscii(name));
  if (extended != std::string::npos) {
    CHECK(web::PercentDecoded(field.substr(extended + kExtended.size()), web::PlusSign::kItself) == name);
  }
}

}  // namespace

void Run(absl::string_view input) {
  CheckRange(input);
  CheckConditions(input);
  CheckName(input);
  const std::optional<web::Route> route = web::FindRoute(input);
  if (route.has_value())
    CHECK(route->message_id >= 0 && IsValidUtf8(route->account) && IsValidUtf8(route->part_id));
  CHECK(web::PercentDecoded(web::PercentEncoded(input), web::PlusSign::kBlank) == std::string(input));
  (void)web::CheckOrigin(input);
  (void)web::ParseHost(input);
  (void)web::DomainOfRequest({.target = std::string(input)});
  const absl::StatusOr<std::string> address = web::AddressOfAutodiscover(input);
  if (address.ok()) CHECK(ParseAddress(*address).ok() && IsValidUtf8(*address));
}

}  // namespace mailstead::fuzz
