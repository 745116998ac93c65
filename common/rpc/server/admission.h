// What is asked of a call before it begins, and told when it has ended: the same for every door, once for each call, also
// for each call of a batch. The program that serves says who its callers are and what they may.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/rpc/server/method.h"

namespace mailstead::rpc {

class ServedCall;

// What a caller shows of itself.
struct Credentials {
  // Values of the metadata "authorization".
  std::vector<std::string> authorizations;
  // Common name and DNS names of a certificate that has been verified.
  std::vector<std::string> certificate_names;
  // The address that the call came from, in text.
  std::string peer;
  // The metadata "mailstead-client-address": whom the caller says that it calls for. Nobody need believe it.
  std::string client_address;
};

// Any thread that serves calls.
class Admission {
 public:
  virtual ~Admission() = default;

  // Who shows these; never null, without roles when it is nobody that is known.
  virtual std::shared_ptr<const Caller> Identify(const Credentials& credentials) = 0;
  // Another number than before when Identify may say something else than before: a credential was withdrawn or added.
  virtual int64_t Generation() const = 0;
  // Whether the call may begin: its caller, its deadline, and what is under way already. May shorten its deadline.
  virtual absl::Status Admit(ServedCall& call) = 0;
  // The call has ended, or was refused. Once for each Admit, before the caller hears of it.
  virtual void Ended(const ServedCall& call, const absl::Status& status) = 0;
};

}  // namespace mailstead::rpc
