// Values that many messages have, between the API and core.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/repeated_field.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/store/ids.h"

namespace mailstead::stored {

void ToProto(absl::Time time, google::protobuf::Timestamp& proto);
void ToProto(absl::Duration duration, google::protobuf::Duration& proto);
// FieldError when it is out of the ranges of google.protobuf.Duration, or negative.
absl::StatusOr<absl::Duration> FromProto(absl::string_view field, const google::protobuf::Duration& proto);

// FieldError "update_mask" when it is empty or names a field that is not in `allowed`.
absl::Status CheckMask(const google::protobuf::FieldMask& mask,
                       std::initializer_list<absl::string_view> allowed);
bool HasPath(const google::protobuf::FieldMask& mask, absl::string_view path);

// An etag is a version, and opaque to callers.
std::string MakeEtag(int64_t version);
// The version; 0 (any) for an empty etag. Aborted with kReasonEtagMismatch for what is no etag: it is none of
// the present state.
absl::StatusOr<int64_t> ReadEtag(absl::string_view etag);

// FieldError when an id is less than 1.
absl::StatusOr<std::vector<MessageId>> MessageIds(absl::string_view field,
                                                  const google::protobuf::RepeatedField<int64_t>& ids);

}  // namespace mailstead::stored
