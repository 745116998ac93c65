#include "mailctl/arguments.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

// Digits only: SimpleAtoi alone takes signs and blanks.
bool ParseNumber(absl::string_view text, uint64_t* number) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return false;
  }
  return absl::SimpleAtoi(text, number);
}

bool ParseBytes(absl::string_view text, uint64_t* bytes) {
  std::string unit = absl::AsciiStrToUpper(text);
  absl::string_view rest = unit;
  if (!absl::ConsumeSuffix(&rest, "IB")) absl::ConsumeSuffix(&rest, "B");
  int shift = 0;
  for (const auto& [suffix, bits] : {std::pair<const char*, int>{"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}}) {
    if (absl::ConsumeSuffix(&rest, suffix)) {
      shift = bits;
      break;
    }
  }
  uint64_t number = 0;
  if (!ParseNumber(rest, &number)) return false;
  if (number > std::numeric_limits<uint64_t>::max() >> shift) return false;
  *bytes = number << shift;
  return true;
}

absl::Status BadValue(absl::string_view option, absl::string_view value, absl::string_view allowed) {
  return UsageError(absl::StrCat("--", option, "=", value, ": must be ", allowed));
}

}  // namespace

std::string Arguments::positional(size_t index) const {
  return index < positionals_.size() ? positionals_[index] : std::string();
}

bool Arguments::Has(absl::string_view option) const { return options_.count(std::string(option)) > 0; }

std::string Arguments::Get(absl::string_view option, absl::string_view otherwise) const {
  const auto it = options_.find(std::string(option));
  return it == options_.end() ? std::string(otherwise) : it->second.back();
}

std::vector<std::string> Arguments::GetAll(absl::string_view option) const {
  const auto it = options_.find(std::string(option));
  return it == options_.end() ? std::vector<std::string>() : it->second;
}

absl::StatusOr<std::optional<bool>> Arguments::GetBool(absl::string_view option) const {
  if (!Has(option)) return std::nullopt;
  bool value = false;
  if (!absl::SimpleAtob(Get(option), &value)) return BadValue(option, Get(option), "yes or no");
  return value;
}

absl::StatusOr<std::optional<uint64_t>> Arguments::GetCount(absl::string_view option) const {
  if (!Has(option)) return std::nullopt;
  uint64_t value = 0;
  if (!ParseNumber(Get(option), &value)) return BadValue(option, Get(option), "a whole number");
  return value;
}

absl::StatusOr<std::optional<uint64_t>> Arguments::GetBytes(absl::string_view option) const {
  if (!Has(option)) return std::nullopt;
  uint64_t value = 0;
  if (!ParseBytes(Get(option), &value)) {
    return BadValue(option, Get(option), "a number of bytes, such as 1000000, 500M or 2G");
  }
  return value;
}

absl::StatusOr<std::optional<absl::Duration>> Arguments::GetDuration(absl::string_view option) const {
  if (!Has(option)) return std::nullopt;
  absl::Duration value;
  if (!absl::ParseDuration(Get(option), &value) || value <= absl::ZeroDuration()) {
    return BadValue(option, Get(option), "a time such as 30s or 5m");
  }
  return value;
}

absl::StatusOr<uint64_t> ParseId(absl::string_view what, absl::string_view text) {
  uint64_t id = 0;
  if (!ParseNumber(text, &id) || id == 0) {
    return UsageError(absl::StrCat(what, " ", text, ": must be a whole number from 1"));
  }
  return id;
}

}  // namespace mailstead::ctl
