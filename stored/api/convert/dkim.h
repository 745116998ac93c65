// Keys that sign mail, between the API and core.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "mailstead/frontend/v1/signing.pb.h"
#include "mailstead/store/v1/dkim.pb.h"
#include "stored/core/dkim_keys.h"
#include "stored/core/dkim_signer.h"

namespace mailstead::stored {

// Without its private half.
void ToProto(const std::string& domain, const engine::DkimKey& key, const DkimSighting& sighting,
             store::v1::DkimKey& proto);
// FieldError.
absl::StatusOr<NewDkimKey> FromProto(const store::v1::CreateDkimKeyRequest& request);

SigningRequest FromProto(const frontend::v1::SignMessageRequest& request);

}  // namespace mailstead::stored
