// Keys, between the API and core. FieldErrors name the fields of the request.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mailstead/store/v1/key.pb.h"
#include "stored/core/keys.h"

namespace mailstead::stored {

// `use`: null for a key that was never used.
void ToProto(const engine::Key& key, const engine::KeyUse* use, absl::Time now, store::v1::Key& proto);
// All of a new key.
absl::StatusOr<KeyChange> FromProto(const store::v1::Key& key);
// What the mask names.
absl::StatusOr<KeyChange> FromProto(const store::v1::UpdateKeyRequest& request);

}  // namespace mailstead::stored
