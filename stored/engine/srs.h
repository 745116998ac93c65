// What the store keeps for SRS (common/mailauth/srs.h): the secrets that its addresses are signed with, and senders whose
// addresses are too long to stand in one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/task.h"

namespace mailstead::engine {

struct SrsSecret {
  // 1 and up, in the order in which they were made.
  int64_t number = 0;
  // Sealed; opaque here.
  std::string sealed;
  absl::Time create_time;
  bool operator==(const SrsSecret&) const = default;
};

// A sender that is kept, by its day (since 1970) and a name that is random enough never to be chosen for two.
struct SrsSender {
  int64_t day = 0;
  std::string name;
  std::string address;
  bool operator==(const SrsSender&) const = default;
};

class SrsEngine {
 public:
  virtual ~SrsEngine() = default;

  // By number, ascending.
  virtual Task<absl::StatusOr<std::vector<SrsSecret>>> ListSecrets() = 0;
  // Makes these all that there are, in one commit: so few that they are read and written whole. Aborted: the greatest number
  // there was not `newest` (0: there are none).
  virtual Task<absl::Status> SetSecrets(std::vector<SrsSecret> secrets, int64_t newest) = 0;

  // On disk when it is OK; nothing is written when it is there.
  virtual Task<absl::Status> KeepSender(SrsSender sender) = 0;
  // NotFound.
  virtual Task<absl::StatusOr<SrsSender>> FindSender(int64_t day, std::string name) = 0;
  // Forgets at most `limit` of those of days before `day`, and says how many.
  virtual Task<absl::StatusOr<size_t>> ForgetSenders(int64_t day, size_t limit) = 0;
};

}  // namespace mailstead::engine
