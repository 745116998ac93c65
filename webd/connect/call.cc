#include "webd/connect/call.h"

#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "webd/connect/query.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kJsonType = "application/json";
constexpr absl::string_view kProtoType = "application/proto";
constexpr absl::string_view kStreamJsonType = "application/connect+json";
constexpr absl::string_view kStreamProtoType = "application/connect+proto";

// https://connectrpc.com/docs/protocol#unary-request: ten digits at most, of milliseconds.
constexpr size_t kMaxTimeoutDigits = 10;

// Those that mean something once only. SECURITY: of two, we and a proxy might each take another.
constexpr absl::string_view kSingleFields[] = {"authorization",      "content-type",
                                               "content-encoding",   "connect-protocol-version",
                                               "connect-timeout-ms", "connect-content-encoding"};

// "application/json; charset=utf-8": what is in front of the parameters, and whether these are such as we can read.
struct MediaType {
  std::string name;
  bool readable = true;
};

MediaType ParseMediaType(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ';');
  MediaType type{.name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts.front()))};
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string parameter = absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts[i]));
    if (absl::StartsWith(parameter, "charset=") && parameter != "charset=utf-8" &&
        parameter != "charset=\"utf-8\"") {
      type.readable = false;
    }
  }
  return type;
}

std::optional<Codec> CodecOf(const MediaType& type, bool streaming) {
  if (!type.readable) return std::nullopt;
  if (type.name == (streaming ? kStreamJsonType : kJsonType)) return Codec::kJson;
  if (type.name == (streaming ? kStreamProtoType : kProtoType)) return Codec::kProto;
  return std::nullopt;
}

// Whether gzip is among what the client takes: "gzip, br", "gzip;q=0.5"; not "gzip;q=0".
bool TakesGzip(absl::string_view accepted) {
  for (const absl::string_view item : absl::StrSplit(accepted, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(item, ';');
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts.front()), "gzip")) continue;
    for (size_t i = 1; i < parts.size(); ++i) {
      const absl::string_view weight = absl::StripAsciiWhitespace(parts[i]);
      double value = 1;
      if (absl::StartsWithIgnoreCase(weight, "q=") && absl::SimpleAtod(weight.substr(2), &value) &&
          value == 0) {
        return false;
      }
    }
    return true;
  }
  return false;
}

absl::Status ReadPacking(absl::string_view encoding, CallForm& form) {
  if (encoding.empty() || absl::EqualsIgnoreCase(encoding, "identity")) return absl::OkStatus();
  if (!absl::EqualsIgnoreCase(encoding, "gzip")) {
    return absl::UnimplementedError("a request may be compressed by gzip only");
  }
  form.request_packed = true;
  return absl::OkStatus();
}

absl::Status ReadTimeout(absl::string_view text, CallForm& form) {
  int64_t ms = 0;
  if (text.size() > kMaxTimeoutDigits || !absl::c_all_of(text, absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &ms)) {
    return absl::InvalidArgumentError("Connect-Timeout-Ms must be a number of ten digits at most");
  }
  form.timeout = absl::Milliseconds(ms);
  return absl::OkStatus();
}

absl::Status ReadAuthorization(absl::string_view value, CallForm& form) {
  // SECURITY: it goes into a header of gRPC's, which ends a program that gives it what no header can have.
  const bool printable = absl::c_all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
  if (!printable || !absl::StartsWithIgnoreCase(value, "Bearer ")) {
    return WithReason(absl::UnauthenticatedError("a key is asked for: Authorization: Bearer KEY"),
                      kReasonNoCredential);
  }
  form.authorization = std::string(value);
  return absl::OkStatus();
}

// What is said of the call beside its type; the first thing that is wrong.
absl::Status ReadRest(const RequestHead& head, bool needs_key, absl::string_view version,
                      absl::string_view encoding, CallForm& form) {
  for (const absl::string_view name : kSingleFields) {
    if (head.Count(name) > 1) {
      return absl::InvalidArgumentError(absl::StrCat("there is more than one ", name));
    }
  }
  if (needs_key) {
    if (absl::Status read = ReadAuthorization(head.Value("authorization"), form); !read.ok()) return read;
  }
  if (!version.empty()) {
    return absl::InvalidArgumentError("of the Connect protocol there is version 1 only");
  }
  if (head.Count("connect-timeout-ms") > 0) {
    if (absl::Status read = ReadTimeout(head.Value("connect-timeout-ms"), form); !read.ok()) return read;
  }
  return ReadPacking(encoding, form);
}

// Empty when it is good, or not said.
absl::string_view BadVersion(absl::string_view said, absl::string_view good) {
  return said == good ? "" : said;
}

Refusal MethodNotAllowed(const MethodKind& method) {
  const bool by_get = method.no_side_effects && !method.server_streaming && !method.client_streaming;
  return {.http_status = 405,
          // Codes of calls do not fit what is none (https://connectrpc.com/docs/protocol#http-to-error-code).
          .error = absl::UnknownError(by_get ? "this method is called by POST or GET"
                                             : "this method is called by POST"),
          .fields = {{"Allow", by_get ? "POST, GET" : "POST"}}};
}

Refusal UnsupportedType(bool streaming) {
  const std::string types = streaming ? absl::StrCat(kStreamJsonType, ", ", kStreamProtoType)
                                      : absl::StrCat(kJsonType, ", ", kProtoType);
  return {.http_status = 415,
          .error = absl::UnknownError(absl::StrCat("Content-Type must be one of ", types)),
          .fields = {{"Accept-Post", types}}};
}

std::variant<CallForm, Refusal> ReadGet(const RequestHead& head, bool needs_key) {
  if (head.has_body()) return Refusal{400, absl::InvalidArgumentError("a GET has no body here"), {}};
  absl::StatusOr<GetQuery> query = ParseGetQuery(head.target);
  if (!query.ok()) return Refusal{400, query.status(), {}};
  CallForm form{.by_get = true, .pack_response = TakesGzip(head.Value("accept-encoding"))};
  if (query->encoding == "proto") {
    form.codec = Codec::kProto;
  } else if (query->encoding != "json") {
    return Refusal{415, absl::InvalidArgumentError("the parameter encoding must be json or proto"), {}};
  }
  form.message = std::move(query->message);
  form.error = ReadRest(head, needs_key, BadVersion(query->connect, "v1"), query->compression, form);
  return form;
}

}  // namespace

std::variant<CallForm, Refusal> ReadCall(const RequestHead& head, const MethodKind& method, bool needs_key) {
  const bool streaming = method.server_streaming || method.client_streaming;
  if (head.method == "GET" && method.no_side_effects && !streaming) return ReadGet(head, needs_key);
  if (head.method != "POST") return MethodNotAllowed(method);
  const std::optional<Codec> codec = CodecOf(ParseMediaType(head.Value("content-type")), streaming);
  if (!codec.has_value()) return UnsupportedType(streaming);
  CallForm form{
      .codec = *codec,
      .streaming = streaming,
      .pack_response = TakesGzip(head.Value(streaming ? "connect-accept-encoding" : "accept-encoding"))};
  form.error = ReadRest(head, needs_key, BadVersion(head.Value("connect-protocol-version"), "1"),
                        head.Value(streaming ? "connect-content-encoding" : "content-encoding"), form);
  return form;
}

Refusal NoSuchMethod() { return {404, absl::UnimplementedError("there is no such method"), {}}; }

absl::string_view ContentTypeOf(const CallForm& form) {
  if (form.streaming) return form.codec == Codec::kJson ? kStreamJsonType : kStreamProtoType;
  return form.codec == Codec::kJson ? kJsonType : kProtoType;
}

}  // namespace mailstead::web
