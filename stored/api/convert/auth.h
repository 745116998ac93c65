// Logins between the API and core.
#pragma once

#include "common/sasl/step.h"
#include "mailstead/frontend/v1/auth.pb.h"

namespace mailstead::stored {

sasl::Start FromProto(const frontend::v1::AuthenticateStart& start);
frontend::v1::Verdict::Result ToProto(sasl::Verdict verdict);

}  // namespace mailstead::stored
