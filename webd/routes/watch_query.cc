#include "webd/routes/watch_query.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/text/utf8.h"
#include "webd/http/percent.h"

namespace mailstead::web {
namespace {

namespace v1 = store::v1;

// Its text, or a number of that kind; false: it cannot be read.
using Setter = bool (*)(const std::string& value, v1::WatchRequest& request);

bool SetCursor(const std::string& value, v1::WatchRequest& request) {
  return !value.empty() && absl::WebSafeBase64Unescape(value, request.mutable_cursor());
}

// "PREFIX_" and `value` in capitals. `parse` takes what a descriptor has, the unspecified value included.
template <typename Enum>
bool ReadEnum(bool (*parse)(const std::string&, Enum*), absl::string_view prefix, const std::string& value,
              Enum& found) {
  return value == absl::AsciiStrToLower(value) &&
         parse(absl::StrCat(prefix, absl::AsciiStrToUpper(value)), &found);
}

bool ParseKind(const std::string& name, v1::WatchKind* kind) { return v1::WatchKind_Parse(name, kind); }
bool ParseStart(const std::string& name, v1::WatchStart* start) { return v1::WatchStart_Parse(name, start); }
bool ParseView(const std::string& name, v1::MessageView* view) { return v1::MessageView_Parse(name, view); }

bool AddKind(const std::string& value, v1::WatchRequest& request) {
  v1::WatchKind kind{};
  if (!ReadEnum(ParseKind, "WATCH_KIND_", value, kind)) return false;
  request.mutable_filter()->add_kinds(kind);
  return true;
}

bool SetStart(const std::string& value, v1::WatchRequest& request) {
  v1::WatchStart start{};
  if (!ReadEnum(ParseStart, "WATCH_START_", value, start)) return false;
  request.set_start(start);
  return true;
}

bool SetView(const std::string& value, v1::WatchRequest& request) {
  v1::MessageView view{};
  if (!ReadEnum(ParseView, "MESSAGE_VIEW_", value, view)) return false;
  request.set_view(view);
  return true;
}

bool SetAll(const std::string& value, v1::WatchRequest& request) {
  request.mutable_filter()->set_all(true);
  return value == "true";
}

template <typename Number>
std::optional<Number> ReadNumber(const std::string& value) {
  Number number = 0;
  if (!absl::SimpleAtoi(value, &number)) return std::nullopt;
  return number;
}

bool SetHeartbeat(const std::string& value, v1::WatchRequest& request) {
  const std::optional<int32_t> seconds = ReadNumber<int32_t>(value);
  request.mutable_heartbeat_interval()->set_seconds(seconds.value_or(0));
  return seconds.has_value();
}

bool SetUnacknowledged(const std::string& value, v1::WatchRequest& request) {
  const std::optional<int32_t> count = ReadNumber<int32_t>(value);
  request.set_max_unacknowledged(count.value_or(0));
  return count.has_value();
}

bool SetTextLimit(const std::string& value, v1::WatchRequest& request) {
  const std::optional<int64_t> bytes = ReadNumber<int64_t>(value);
  request.mutable_text_limit_bytes()->set_value(bytes.value_or(0));
  return bytes.has_value();
}

bool AddAccount(const std::string& value, v1::WatchRequest& request) {
  request.mutable_filter()->add_accounts(value);
  return true;
}
bool SetDomain(const std::string& value, v1::WatchRequest& request) {
  request.mutable_filter()->set_domain(value);
  return !value.empty();
}
bool SetConsumer(const std::string& value, v1::WatchRequest& request) {
  request.set_consumer(value);
  return !value.empty();
}

struct Row {
  absl::string_view name;
  Setter set;
  bool is_list = false;
};
constexpr Row kRows[] = {{"account", AddAccount, true},
                         {"domain", SetDomain},
                         {"all", SetAll},
                         {"kind", AddKind, true},
                         {"start", SetStart},
                         {"cursor", SetCursor},
                         {"consumer", SetConsumer},
                         {"view", SetView},
                         {"text_limit_bytes", SetTextLimit},
                         {"heartbeat_seconds", SetHeartbeat},
                         {"max_unacknowledged", SetUnacknowledged}};

const Row* FindRow(absl::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

absl::Status Wrong(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the parameter ", absl::CHexEscape(name.substr(0, 40)), " ", why));
}

absl::Status SetParameters(absl::string_view query, v1::WatchRequest& request) {
  absl::flat_hash_set<absl::string_view> seen;
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> split =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    const Row* const row = FindRow(split.first);
    // SECURITY: a key does not belong into a URL, which logs and histories keep; and there is no name for it.
    if (row == nullptr) return Wrong(split.first, "is none of this path");
    if (!seen.insert(row->name).second && !row->is_list) return Wrong(row->name, "is there twice");
    const std::optional<std::string> value = PercentDecoded(split.second, PlusSign::kBlank);
    if (!value.has_value() || !IsValidUtf8(*value) || !row->set(*value, request))
      return Wrong(row->name, "cannot be read");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::WatchRequest> ReadWatchQuery(const RequestHead& head) {
  v1::WatchRequest request;
  const size_t mark = head.target.find('?');
  const absl::string_view query =
      mark == std::string::npos ? "" : absl::string_view(head.target).substr(mark + 1);
  if (absl::Status set = SetParameters(query, request); !set.ok()) return set;
  const std::string last(head.Value("last-event-id"));
  // As a client says it whose last event had an empty one.
  if (last.empty() || !request.consumer().empty()) return request;
  request.clear_start();
  if (head.Count("last-event-id") > 1 || !SetCursor(last, request)) {
    return absl::InvalidArgumentError("Last-Event-ID is the id of no event");
  }
  return request;
}

}  // namespace mailstead::web
