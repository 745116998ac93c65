// Why a login has ended while its session goes on, as the store tells front-ends.
#pragma once

namespace mailstead::store {

enum class LoginEnd {
  // The account was disabled, removed or renamed, or got another password.
  kAccountChanged,
  // An operator has ended the session. The account may log in again as it did.
  kSessionEnded,
};

}  // namespace mailstead::store
