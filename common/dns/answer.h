// What the DNS says to a question, as those see it who ask. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/dns/message.h"

namespace mailstead::dns {

enum class Outcome {
  // There are records of the type.
  kAnswer,
  // The name exists, and has none of the type.
  kNoData,
  // The name does not exist (NXDOMAIN).
  kNoName,
  // Nobody knows: it may be any of the others. Whoever asks tries again later, and takes nothing for granted. What
  // fails DNSSEC's validation is here, too.
  kFailed,
};

// Why an outcome is kFailed.
enum class Failure {
  kNone,
  // No answer before the deadline.
  kTimeout,
  // No server could be reached.
  kUnreachable,
  kServFail,
  kRefused,
  // Another error that the server tells.
  kErrorCode,
  // Not an answer to the question, or not one at all.
  kGarbled,
  // Longer than DNS over TCP carries, or more records than we take.
  kTooLarge,
  // The server does not resolve for us: what it did not find may exist.
  kNoRecursion,
  // The server does not know EDNS (RFC 6891), and so nothing of DNSSEC: what it says would look insecure without being
  // so.
  kNoEdns,
  // Too many questions at once.
  kBusy,
  // The resolver was stopped.
  kStopped,
};

absl::string_view OutcomeText(Outcome outcome);
absl::string_view FailureText(Failure failure);

struct Answer {
  Outcome outcome = Outcome::kFailed;
  Failure failure = Failure::kNone;
  // DNSSEC proves the outcome, every alias on the way included, and a resolver said so that is trusted. Never when
  // kFailed.
  bool secure = false;
  // Where the aliases led: the owner of the records, or the name that is missing or has none.
  std::string canonical_name;
  // Of the type that was asked for. Empty unless kAnswer.
  std::vector<Record> records;
  // How long it may be kept, within the limits of limits.h.
  absl::Duration ttl;

  // What it costs to keep, about.
  size_t memory_bytes() const;
};

Answer Failed(Failure failure);

// `trusted`: whether the server's word and the way to it are good enough to believe its AD bit.
Answer MakeAnswer(const absl::StatusOr<Response>& response, bool trusted);

}  // namespace mailstead::dns
