#include "webd/connect/query.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailstead::web {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// As forms are written: '+' is a blank.
std::optional<std::string> PercentDecoded(absl::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return decoded;
}

absl::Status Set(absl::string_view name, std::string value, std::optional<std::string>& field) {
  if (field.has_value())
    return absl::InvalidArgumentError(absl::StrCat("the parameter ", name, " is there twice"));
  field = std::move(value);
  return absl::OkStatus();
}

}  // namespace

absl::string_view PathOf(absl::string_view target) {
  if (absl::StartsWithIgnoreCase(target, "http://") || absl::StartsWithIgnoreCase(target, "https://")) {
    const size_t path = target.find('/', target.find("//") + 2);
    target = path == absl::string_view::npos ? "/" : target.substr(path);
  }
  return target.substr(0, target.find('?'));
}

absl::StatusOr<GetQuery> ParseGetQuery(absl::string_view target) {
  const size_t mark = target.find('?');
  std::optional<std::string> encoding, message, base64, compression, connect;
  const absl::string_view query = mark == absl::string_view::npos ? "" : target.substr(mark + 1);
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const size_t equals = part.find('=');
    const absl::string_view name = part.substr(0, equals);
    std::optional<std::string>* const field = name == "encoding"      ? &encoding
                                              : name == "message"     ? &message
                                              : name == "base64"      ? &base64
                                              : name == "compression" ? &compression
                                              : name == "connect"     ? &connect
                                                                      : nullptr;
    if (field == nullptr) continue;
    std::optional<std::string> value =
        PercentDecoded(equals == absl::string_view::npos ? "" : part.substr(equals + 1));
    if (!value.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat("the parameter ", name, " cannot be decoded"));
    }
    if (absl::Status set = Set(name, *std::move(value), *field); !set.ok()) return set;
  }
  if (!encoding.has_value()) return absl::InvalidArgumentError("the parameter encoding is missing");
  if (!message.has_value()) return absl::InvalidArgumentError("the parameter message is missing");
  GetQuery got{.encoding = *std::move(encoding),
               .compression = compression.value_or(""),
               .connect = connect.value_or("")};
  if (base64.value_or("") != "1") {
    got.message = *std::move(message);
  } else if (!absl::WebSafeBase64Unescape(*message, &got.message)) {
    return absl::InvalidArgumentError("the parameter message is no base64 as URLs have it");
  }
  return got;
}

}  // namespace mailstead::web
