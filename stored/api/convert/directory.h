// The directory between the API and core.
#pragma once

#include "absl/status/statusor.h"
#include "mailstead/frontend/v1/delivery.pb.h"
#include "mailstead/store/v1/directory.pb.h"
#include "stored/core/directory.h"
#include "stored/core/password.h"
#include "stored/core/recipients.h"
#include "stored/engine/types.h"

namespace mailstead::stored {

store::v1::MtaSts ToProto(engine::MtaSts mta_sts);
void ToProto(const engine::Domain& domain, store::v1::Domain& proto);
void ToProto(const engine::Account& account, store::v1::Account& proto);
void ToProto(const engine::Alias& alias, store::v1::Alias& proto);
void ToProto(const Resolution& resolution, const ResolutionPath& path,
             store::v1::ResolveAddressResponse& proto);
void ToProto(const Resolution& resolution, frontend::v1::ResolveRecipientResponse& proto);

NewDomain FromProto(const store::v1::CreateDomainRequest& request);
DomainUpdate FromProto(const store::v1::UpdateDomainRequest& request);
Password FromProto(const store::v1::Password& password);
// FieldError.
absl::StatusOr<NewAccount> FromProto(const store::v1::CreateAccountRequest& request);
// FieldError; Aborted with kReasonEtagMismatch.
AccountUpdate FromProto(const store::v1::UpdateAccountRequest& request);

}  // namespace mailstead::stored
