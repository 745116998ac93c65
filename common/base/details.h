// What an error tells programs beside its code, text and reason (common/base/reason.h): facts by name, how long to wait
// before the same call is repeated, and every field that is wrong. Over gRPC they are ErrorInfo's metadata, RetryInfo and
// BadRequest (common/rpc/errors.h). All of it stays with the status, also through a batch.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace mailstead {

// An error goes through gRPC's trailers, of which a client takes 8 KiB in all.
inline constexpr size_t kMaxMetadata = 8;
inline constexpr size_t kMaxMetadataKeyBytes = 64;
inline constexpr size_t kMaxMetadataValueBytes = 128;
// More are counted.
inline constexpr size_t kMaxViolations = 100;

// A fact about the error: ("scope", "mail.read"). Keys are lower case with underscores, and ours. The last value of a key
// counts; beyond kMaxMetadata keys new ones are left out, and a longer value is cut. Both are UTF-8.
absl::Status WithMetadata(absl::Status status, absl::string_view key, absl::string_view value);
// Sorted by key.
std::vector<std::pair<std::string, std::string>> MetadataOf(const absl::Status& status);

// The same call may succeed after `delay`, and hardly before. Not negative.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);
// None: nobody said so.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);
// The same error; one that has no delay gets the usual one of its reason, where waiting helps whoever called: of a store
// that is away or busy, a full disk, a maildrop that somebody holds.
absl::Status WithUsualRetryDelay(absl::Status status);

// At most `max_bytes` of UTF-8 text, cut between characters.
absl::string_view CutText(absl::string_view text, size_t max_bytes);

// A field that is wrong.
struct FieldViolation {
  // As in the .proto, from the request on: "envelope.recipients[3].address".
  std::string field;
  std::string description;
  // One of those of common/base/reason.h where this field has its own; mostly empty.
  std::string reason;
};

// `violations` in place of those that the error has; FieldOf gives the first one's field. Beyond kMaxViolations they are
// left out and counted. None: the same error.
absl::Status WithViolations(absl::Status status, absl::Span<const FieldViolation> violations);
// Those of WithViolations, or the one of FieldError and WithField. In their order.
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);
// How many violations the error had beside these.
size_t ViolationsLeftOut(const absl::Status& status);

// Gathers what is wrong with a request, so that its caller hears of all of it at once:
//
//   Violations wrong;
//   wrong.Add(CheckName(request.name()));
//   const std::string address = wrong.Take(NormalizeAddress("account.address", request.address()));
//   RETURN_IF_ERROR(wrong.Result());
class Violations {
 public:
  // Takes in the fields that `status` names; OK adds nothing. An error that names none (it is not about a field) becomes
  // the Result, if it is the first of its kind.
  void Add(const absl::Status& status);
  void Add(absl::string_view field, absl::string_view description, absl::string_view reason = {});
  // The value, or an empty one when there is none, whose error is added.
  template <typename Value>
  Value Take(absl::StatusOr<Value> value) {
    if (value.ok()) return *std::move(value);
    Add(value.status());
    return Value();
  }

  bool empty() const { return violations_.empty() && other_.ok(); }
  const std::vector<FieldViolation>& list() const { return violations_; }
  // OK when nothing is wrong. An error that is about no field comes first. Else InvalidArgument, which names every field;
  // its text is that of the first, and how many more there are.
  absl::Status Result() const;

 private:
  std::vector<FieldViolation> violations_;
  absl::Status other_;
};

}  // namespace mailstead
