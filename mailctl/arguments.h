// The words of a command after its name: positional arguments and options, checked and typed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailstead::ctl {

// "--quota_bytes=SIZE"; also written "--quota_bytes SIZE" and "--quota-bytes=SIZE".
struct Option {
  absl::string_view name;
  // Stands for the value in help texts; empty for a switch, which takes none.
  absl::string_view value;
  absl::string_view help;
  // What completion offers and the parser allows, separated by '|'; empty allows anything.
  absl::string_view choices = {};
  // "-o FILE"; 0 for none.
  char letter = 0;
};

struct Positional {
  absl::string_view name;
  bool optional = false;
  // Takes all words that are left. Only the last positional may.
  bool repeated = false;
};

class Arguments {
 public:
  Arguments() = default;
  Arguments(std::vector<std::string> positionals, std::map<std::string, std::vector<std::string>> options)
      : positionals_(std::move(positionals)), options_(std::move(options)) {}

  const std::vector<std::string>& positionals() const { return positionals_; }
  // Empty when the optional one is absent.
  std::string positional(size_t index) const;

  bool Has(absl::string_view option) const;
  // The last value given, or `otherwise`.
  std::string Get(absl::string_view option, absl::string_view otherwise = "") const;
  // Every value given, in order.
  std::vector<std::string> GetAll(absl::string_view option) const;

  // Usage errors that name the option; nullopt when it is absent.
  absl::StatusOr<std::optional<bool>> GetBool(absl::string_view option) const;
  absl::StatusOr<std::optional<uint64_t>> GetCount(absl::string_view option) const;
  // Bytes; "10M" and "10MiB" are 10 * 1024 * 1024. K, M, G, T.
  absl::StatusOr<std::optional<uint64_t>> GetBytes(absl::string_view option) const;
  // "30s", "1m30s". More than zero.
  absl::StatusOr<std::optional<absl::Duration>> GetDuration(absl::string_view option) const;

 private:
  std::vector<std::string> positionals_;
  std::map<std::string, std::vector<std::string>> options_;
};

// A whole number from 1, as ids are. Usage error that names it as `what`.
absl::StatusOr<uint64_t> ParseId(absl::string_view what, absl::string_view text);

}  // namespace mailstead::ctl
