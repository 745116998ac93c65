// Option tables: one row says all that there is to say of a flag. Its name and the help go to --help, the
// environment's name and docs/flags.md; the default is what the variable holds already, so it is written
// once, where the variable is declared; and what is allowed is checked from here.
//
//   config::Options OptionsOf(Flags& flags) {
//     return {
//         Flag("max_recipients", flags.max_recipients, Between(1, 100'000), "recipients in one transaction"),
//         Flag("data_timeout", flags.data_timeout, Between(absl::Seconds(1), absl::Hours(24)), "how long ..."),
//         Flag("tls_cert", flags.cert_file, "PEM file with the certificate chain, leaf first"),
//     };
//   }
//
// What concerns several flags is checked by the program after that (Checker).
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/flags/marshalling.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/config/config.h"

namespace mailstead::config {

// One row. Made by Flag; refers to the variable, which outlives it.
struct Option {
  std::string name;
  std::string help;
  // The default as --help shows it.
  std::string default_text;
  // May be given as --name and --noname.
  bool is_switch = false;
  // Sets the variable. InvalidArgument says what is allowed, and the variable stays: "must be true or false".
  std::function<absl::Status(absl::string_view text)> set;
  // Reports a value that was written as it should be, but cannot be. May be empty.
  std::function<void(Checker&)> check;
};

using Options = std::vector<Option>;

// Puts the rows of `more` behind those of `options`.
void Append(Options& options, Options more);

// Runs the check of each row.
void CheckOptions(const Options& options, Checker& check);

template <typename T>
struct Interval {
  T min;
  T max;
};

// The ends are included. Sizes are numbers of bytes.
constexpr Interval<int64_t> Between(int64_t min, int64_t max) { return {min, max}; }
constexpr Interval<absl::Duration> Between(absl::Duration min, absl::Duration max) { return {min, max}; }

// OK, or what is wrong with a text; not called for an empty one.
using TextCheck = absl::Status (*)(const std::string&);

namespace internal {

std::string AllowedNumbers(absl::string_view min, absl::string_view max);

// What is allowed for a T; `parser_error` is what its own parser said.
template <typename T>
std::string Allowed(std::string parser_error) {
  if constexpr (std::is_same_v<T, bool>) return "must be true or false";
  if constexpr (std::is_same_v<T, absl::Duration>) {
    return "must be a duration such as 500ms, 10s, 5m or 1h30m";
  }
  if constexpr (std::integral<T> && !std::is_same_v<T, bool>) {
    return AllowedNumbers(std::to_string(std::numeric_limits<T>::min()),
                          std::to_string(std::numeric_limits<T>::max()));
  }
  if constexpr (std::floating_point<T>) return "must be a number";
  return parser_error.empty() ? "is not a value of this flag" : std::move(parser_error);
}

template <typename T>
absl::Status Parse(absl::string_view text, T& into) {
  T value{};
  std::string error;
  if (!absl::ParseFlag(text, &value, &error)) return absl::InvalidArgumentError(Allowed<T>(std::move(error)));
  into = std::move(value);
  return absl::OkStatus();
}

template <typename T>
std::string Text(const T& value) {
  if constexpr (std::is_same_v<T, absl::Duration>) {
    return absl::FormatDuration(value);
  } else {
    return absl::UnparseFlag(value);
  }
}

Option NumberFlag(std::string name, int64_t default_value, std::function<void(int64_t)> assign,
                  Interval<int64_t> allowed, std::string help);
Option WordFlag(std::string name, size_t default_index, std::function<void(size_t)> assign,
                std::vector<absl::string_view> words, std::string help);

}  // namespace internal

// Any value that Abseil's flags can parse (AbslParseFlag): truth values, texts, numbers, durations, types of
// one's own.
template <typename T>
Option Flag(std::string name, T& variable, std::string help) {
  return {.name = std::move(name),
          .help = std::move(help),
          .default_text = internal::Text(variable),
          .is_switch = std::is_same_v<T, bool>,
          .set = [&variable](absl::string_view text) { return internal::Parse(text, variable); },
          .check = nullptr};
}

// A whole number within bounds.
template <std::integral T>
Option Flag(std::string name, T& variable, Interval<int64_t> allowed, std::string help) {
  return internal::NumberFlag(
      std::move(name), static_cast<int64_t>(variable),
      [&variable](int64_t value) { variable = static_cast<T>(value); }, allowed, std::move(help));
}

Option Flag(std::string name, absl::Duration& variable, Interval<absl::Duration> allowed, std::string help);
Option Flag(std::string name, std::string& variable, TextCheck check, std::string help);

// A list: its items are written with commas in between, and `check` is asked of each.
Option Flag(std::string name, std::vector<std::string>& variable, TextCheck check, std::string help);

template <typename T>
concept Enumeration = std::is_enum_v<T>;

// One of some words, each with its value. The variable's own value is among them.
template <Enumeration Enum>
Option Flag(std::string name, Enum& variable, std::vector<std::pair<absl::string_view, Enum>> words,
            std::string help) {
  std::vector<absl::string_view> texts;
  std::vector<Enum> values;
  size_t default_index = 0;
  for (const auto& [text, value] : words) {
    if (value == variable) default_index = values.size();
    texts.push_back(text);
    values.push_back(value);
  }
  return internal::WordFlag(
      std::move(name), default_index,
      [&variable, values = std::move(values)](size_t index) { variable = values[index]; }, std::move(texts),
      std::move(help));
}

}  // namespace mailstead::config
