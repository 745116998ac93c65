#include "stored/api/convert/values.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/reason.h"

namespace mailstead::stored {
namespace {

constexpr int64_t kMaxProtoSeconds = 315'576'000'000;  // google.protobuf.Duration
constexpr char kEtagMark = 'v';

}  // namespace

void ToProto(absl::Time time, google::protobuf::Timestamp& proto) {
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void ToProto(absl::Duration duration, google::protobuf::Duration& proto) {
  const absl::Duration bounded = std::clamp(duration, absl::ZeroDuration(), absl::Seconds(kMaxProtoSeconds));
  const int64_t seconds = absl::ToInt64Seconds(bounded);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(bounded - absl::Seconds(seconds))));
}

absl::StatusOr<absl::Duration> FromProto(absl::string_view field, const google::protobuf::Duration& proto) {
  if (proto.seconds() < 0 || proto.seconds() > kMaxProtoSeconds || proto.nanos() < 0 ||
      proto.nanos() > 999'999'999) {
    return FieldError(field, "must be a duration of 0 or more");
  }
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

absl::Status CheckMask(const google::protobuf::FieldMask& mask,
                       std::initializer_list<absl::string_view> allowed) {
  const std::string choice = absl::StrJoin(allowed, ", ");
  if (mask.paths().empty())
    return FieldError("update_mask", absl::StrCat("must name what to change: ", choice));
  for (const std::string& path : mask.paths()) {
    if (std::find(allowed.begin(), allowed.end(), path) == allowed.end()) {
      return FieldError("update_mask", absl::StrCat("may have: ", choice));
    }
  }
  return absl::OkStatus();
}

bool HasPath(const google::protobuf::FieldMask& mask, absl::string_view path) {
  return std::find(mask.paths().begin(), mask.paths().end(), path) != mask.paths().end();
}

std::string MakeEtag(int64_t version) { return absl::StrCat(absl::string_view(&kEtagMark, 1), version); }

absl::StatusOr<int64_t> ReadEtag(absl::string_view etag) {
  if (etag.empty()) return 0;
  int64_t version = 0;
  if (etag.front() != kEtagMark || !absl::SimpleAtoi(etag.substr(1), &version) || version < 1) {
    return WithReason(absl::AbortedError("the etag is not the present one"), kReasonEtagMismatch);
  }
  return version;
}

absl::StatusOr<std::vector<MessageId>> MessageIds(absl::string_view field,
                                                  const google::protobuf::RepeatedField<int64_t>& ids) {
  std::vector<MessageId> result;
  result.reserve(ids.size());
  for (int i = 0; i < ids.size(); ++i) {
    if (ids[i] < 1) return FieldError(absl::StrCat(field, "[", i, "]"), "must be 1 or more");
    result.push_back(MessageId{ids[i]});
  }
  return result;
}

}  // namespace mailstead::stored
