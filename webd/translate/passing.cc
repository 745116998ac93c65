#include "webd/translate/passing.h"

#include <google/rpc/status.pb.h>

#include <map>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "webd/translate/error_body.h"

namespace mailstead::web {
namespace {

constexpr absl::string_view kDetails = "grpc-status-details-bin";

// Of HTTP, of Connect, and of gRPC itself.
constexpr absl::string_view kOwnFields[] = {"accept",    "accept-encoding",   "connection", "host",
                                            "te",        "transfer-encoding", "user-agent", "expect",
                                            "keep-alive"};

bool IsOwn(absl::string_view name) {
  return absl::c_linear_search(kOwnFields, name) || absl::StartsWith(name, "content-") ||
         absl::StartsWith(name, "connect-") || absl::StartsWith(name, "grpc-");
}

bool IsBinary(absl::string_view name) { return absl::EndsWith(name, "-bin"); }

std::string Padless(absl::string_view bytes) {
  const std::string padded = absl::Base64Escape(bytes);
  return padded.substr(0, padded.find('='));
}

std::string ValueOf(const std::string& name, const std::string& value) {
  return IsBinary(name) ? Padless(value) : value;
}

// What the server has sent as its error; without it the code and the message that gRPC has.
google::rpc::Status ErrorOf(const CallEnd& end) {
  google::rpc::Status error;
  for (const auto& [name, value] : end.trailing) {
    if (name == kDetails && error.ParseFromString(value)) return error;
  }
  error.Clear();
  error.set_code(static_cast<int>(end.status.code()));
  error.set_message(std::string(end.status.message()));
  return error;
}

// {"name": ["value", ...]}, or nothing.
std::string MetadataBody(const Metadata& metadata) {
  std::map<std::string, std::string> lists;
  for (const auto& [name, value] : metadata) {
    if (IsOwn(name)) continue;
    std::string& list = lists[name];
    absl::StrAppend(&list, list.empty() ? "" : ",", JsonString(ValueOf(name, value)));
  }
  std::string json;
  for (const auto& [name, list] : lists) {
    absl::StrAppend(&json, json.empty() ? "" : ",", JsonString(name), ":[", list, "]");
  }
  return json.empty() ? "" : absl::StrCat("\"metadata\":{", json, "}");
}

}  // namespace

Metadata MetadataOf(const RequestHead& head) {
  Metadata metadata;
  for (const HeaderField& field : head.fields) {
    if (IsOwn(field.name)) continue;
    if (!IsBinary(field.name)) {
      metadata.emplace_back(field.name, field.value);
      continue;
    }
    for (const absl::string_view part : absl::StrSplit(field.value, ',')) {
      std::string bytes;
      if (absl::Base64Unescape(absl::StripAsciiWhitespace(part), &bytes))
        metadata.emplace_back(field.name, bytes);
    }
  }
  return metadata;
}

std::vector<HeaderField> FieldsOf(const Metadata& metadata, absl::string_view prefix) {
  std::vector<HeaderField> fields;
  for (const auto& [name, value] : metadata) {
    if (!IsOwn(name)) fields.push_back({absl::StrCat(prefix, name), ValueOf(name, value)});
  }
  return fields;
}

std::string PassedErrorBody(const CallEnd& end) { return ErrorBody(ErrorOf(end)); }

std::string PassedEndOfStream(const CallEnd& end) {
  const std::string metadata = MetadataBody(end.trailing);
  if (end.status.ok()) return absl::StrCat("{", metadata, "}");
  return absl::StrCat("{\"error\":", PassedErrorBody(end), metadata.empty() ? "" : ",", metadata, "}");
}

absl::StatusCode PassedCode(const CallEnd& end) { return static_cast<absl::StatusCode>(ErrorOf(end).code()); }

}  // namespace mailstead::web
