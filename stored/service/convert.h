// Between the messages of the API and the types of core. Only .cc files of this folder include this.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <initializer_list>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailstead/store/v1/admin.pb.h"
#include "mailstead/store/v1/auth.pb.h"
#include "mailstead/store/v1/directory.pb.h"
#include "mailstead/store/v1/mailbox.pb.h"
#include "stored/core/authenticator.h"
#include "stored/core/delivery.h"
#include "stored/core/directory.h"
#include "stored/engine/types.h"

namespace mailstead::store {

void ToProto(absl::Time time, google::protobuf::Timestamp& proto);
void ToProto(absl::Duration duration, google::protobuf::Duration& proto);
// FieldError when it is out of the ranges of google.protobuf.Duration, or negative.
absl::StatusOr<absl::Duration> FromProto(absl::string_view field, const google::protobuf::Duration& proto);

// FieldError "update_mask" when it is empty or names a field that is not in `allowed`.
absl::Status CheckMask(const google::protobuf::FieldMask& mask,
                       std::initializer_list<absl::string_view> allowed);
bool HasPath(const google::protobuf::FieldMask& mask, absl::string_view path);

void ToProto(const Domain& domain, v1::Domain& proto);
void ToProto(const Account& account, v1::Account& proto);
void ToProto(const AccountDetails& details, v1::Account& proto);
void ToProto(const Alias& alias, v1::Alias& proto);
void ToProto(const Resolution& resolution, v1::ResolveRecipientResponse& proto);
void ToProto(const EngineStatus& status, v1::GetStatusResponse& proto);
// All fields; OpenMaildrop sets only the first three.
void ToProto(const MessageSummary& message, v1::MessageSummary& proto);
void ToListing(const MessageSummary& message, v1::MessageSummary& proto);
void ToProto(const AuthStep& step, v1::AuthenticateResponse& proto);

NewAccount FromProto(const v1::CreateAccountRequest& request);
Password FromProto(const v1::Password& password);
AuthStart FromProto(const v1::AuthenticateStart& start);
Envelope FromProto(const v1::DeliverEnvelope& envelope);

}  // namespace mailstead::store
