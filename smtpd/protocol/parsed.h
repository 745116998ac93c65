// What a parser of the SMTP grammar gives: a value, or one of the few ways a command can be wrong.
#pragma once

#include <utility>
#include <variant>

namespace mailstead::smtp {

enum class ParseError {
  // The words are not in the order of the grammar.
  kSyntax,
  // What stands between the angle brackets is no mailbox.
  kBadAddress,
  // A parameter that no offered extension defines (RFC 5321 section 4.1.1.11: 555).
  kUnknownParameter,
  // A known parameter with an impossible value, or given twice.
  kBadParameter,
  // Non-ASCII without SMTPUTF8 (RFC 6531 section 3.5).
  kNeedsSmtpUtf8,
  // The text is not base64 (RFC 4954 section 4).
  kBadBase64,
};

template <typename T>
class [[nodiscard]] Parsed {
 public:
  Parsed(T value) : result_(std::move(value)) {}  // NOLINT: a parser returns either
  Parsed(ParseError error) : result_(error) {}    // NOLINT
  bool ok() const { return std::holds_alternative<T>(result_); }
  ParseError error() const { return std::get<ParseError>(result_); }
  const T& operator*() const& { return std::get<T>(result_); }
  T&& operator*() && { return std::get<T>(std::move(result_)); }
  const T* operator->() const { return &std::get<T>(result_); }

 private:
  std::variant<T, ParseError> result_;
};

}  // namespace mailstead::smtp
