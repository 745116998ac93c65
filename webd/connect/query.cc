#include "webd/connect/query.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "webd/http/percent.h"

namespace mailstead::web {
namespace {

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
        PercentDecoded(equals == absl::string_view::npos ? "" : part.substr(equals + 1), PlusSign::kBlank);
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
