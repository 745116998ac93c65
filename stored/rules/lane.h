// Whose mail takes turns with that of others in the queue (engine::NewQueued::lane), and whether it was made here.
//
//   "account NUMBER"      submitted by an account that had logged in
//   "operator DOMAIN"     given by an operator or an application; the sender's domain
//   "notice here"         made by the store itself
//   DOMAIN, or nothing    what strangers sent, and is sent on: the sender's domain
//
// A domain has no space: whatever a stranger calls himself, his mail is not taken for ours. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/store/ids.h"

namespace mailstead::rules {

inline constexpr absl::string_view kNoticeLane = "notice here";
inline constexpr absl::string_view kAccountLane = "account ";
inline std::string AccountLane(AccountId account) { return absl::StrCat(kAccountLane, account.value); }
// The inverse; absent: it is another one.
inline std::optional<AccountId> AccountOfLane(absl::string_view lane) {
  int64_t number = 0;
  if (!absl::ConsumePrefix(&lane, kAccountLane) || !absl::SimpleAtoi(lane, &number)) return std::nullopt;
  return AccountId{number};
}
inline std::string OperatorLane(absl::string_view sender_domain) {
  return absl::StrCat("operator ", sender_domain);
}

// Mail of this lane says in From who wrote it, and that was checked or is ours to say.
inline bool IsMadeHere(absl::string_view lane) { return lane.find(' ') != absl::string_view::npos; }

}  // namespace mailstead::rules
