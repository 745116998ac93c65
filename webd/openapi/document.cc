#include "webd/openapi/document.h"

#include <google/protobuf/descriptor.pb.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "webd/connect/code.h"
#include "webd/openapi/schemas.h"
#include "webd/routes/route.h"
#include "webd/translate/methods.h"

// Of the build: embedded.
extern const char kMailsteadStoreDescriptors[];
extern const size_t kMailsteadStoreDescriptorsBytes;

namespace mailstead::web {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

constexpr absl::string_view kJson = "application/json";
constexpr absl::string_view kEnvelopes = "application/connect+json";
constexpr absl::string_view kEvents = "text/event-stream";
constexpr absl::string_view kDescription =
    "Every method of mailstead.store.v1 by the Connect protocol (https://connectrpc.com/docs/protocol), and "
    "paths for "
    "browsers and programs without a client of it. Messages are written as protobuf's JSON has them: int64 "
    "as text, "
    "bytes in base64, and what has its default value is left out. In a request a field that its schema has "
    "not is an "
    "error; in an answer there may be new ones.";
constexpr absl::string_view kEnvelopesDescription =
    "A stream: each message in an envelope of Connect's (a byte of flags, four bytes of length, the message "
    "as JSON), "
    "and in the last one how it ended.";

Json Tag(absl::string_view name, absl::string_view description) {
  return {{"name", name}, {"description", description}};
}

Json Content(absl::string_view type, Json schema) {
  Json content = Json::object();
  content[std::string(type)] = {{"schema", std::move(schema)}};
  return content;
}

Json Described(absl::string_view description) { return {{"description", description}}; }

Json ErrorSchema() {
  Json codes = Json::array();
  for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    codes.push_back(CodeName(static_cast<absl::StatusCode>(code)));
  }
  const Json text = {{"type", "string"}};
  const Json detail = {{"type", "object"},
                       {"required", {"type", "value"}},
                       {"properties", {{"type", text}, {"value", text}, {"debug", {{"type", "object"}}}}}};
  return {{"type", "object"},
          {"required", {"code", "message"}},
          {"properties",
           {{"code", {{"type", "string"}, {"enum", std::move(codes)}}},
            {"message", text},
            {"details", {{"type", "array"}, {"items", detail}}}}}};
}

// Of all that is not named.
Json ErrorResponse() { return {{"$ref", "#/components/responses/Error"}}; }

// --- The methods

class Methods {
 public:
  explicit Methods(std::string package) : schemas_(std::move(package)) {}

  void AddTo(Json& paths, const ServiceDescriptor& service) {
    for (int i = 0; i < service.method_count(); ++i) {
      const MethodDescriptor& method = *service.method(i);
      const bool streams = method.client_streaming() || method.server_streaming();
      Json& path = paths[absl::StrCat("/", service.full_name(), "/", method.name())];
      path["post"] = Post(method, streams);
      if (MethodKindOf(method).no_side_effects && !streams) path["get"] = Get(method);
    }
  }
  Schemas& schemas() { return schemas_; }

 private:
  static Json Head(const MethodDescriptor& method, absl::string_view suffix) {
    return {{"operationId", absl::StrCat(method.service()->name(), "_", method.name(), suffix)},
            {"tags", Json::array({method.service()->name()})},
            {"summary", method.name()},
            {"description", CommentOf(method)}};
  }

  Json Post(const MethodDescriptor& method, bool streams) {
    Json operation = Head(method, "");
    operation["requestBody"] = {{"required", true}, {"content", ContentOf(*method.input_type(), streams)}};
    operation["responses"] = Responses(method, streams);
    return operation;
  }

  Json Get(const MethodDescriptor& method) {
    Json operation = Head(method, "_get");
    operation["parameters"] =
        Json::array({{{"name", "encoding"},
                      {"in", "query"},
                      {"required", true},
                      {"schema", {{"type", "string"}, {"enum", Json::array({"json"})}}}},
                     {{"name", "message"},
                      {"in", "query"},
                      {"required", true},
                      {"description", "The request as JSON."},
                      {"content", ContentOf(*method.input_type(), /*streams=*/false)}}});
    operation["responses"] = Responses(method, /*streams=*/false);
    return operation;
  }

  Json ContentOf(const google::protobuf::Descriptor& message, bool streams) {
    Json schema = schemas_.ReferenceTo(message);
    if (!streams) return Content(kJson, std::move(schema));
    return Content(kEnvelopes, {{"description", kEnvelopesDescription},
                                {"x-messages", Json::array({std::move(schema)})}});
  }

  Json Responses(const MethodDescriptor& method, bool streams) {
    return {{"200",
             {{"description", streams ? "The stream, also when it fails." : "The answer."},
              {"content", ContentOf(*method.output_type(), streams)}}},
            {"default", ErrorResponse()}};
  }

  Schemas schemas_;
};

// --- The paths beside them

struct Parameter {
  absl::string_view name;
  absl::string_view in;
  absl::string_view description;
  absl::string_view type = "string";
  absl::string_view format = "";
  // More than one may be given.
  bool is_list = false;
};

Json ToJson(const Parameter& parameter) {
  Json schema = {{"type", parameter.type}};
  if (!parameter.format.empty()) schema["format"] = parameter.format;
  if (parameter.in == "path" && parameter.type == "string") schema["minLength"] = 1;
  if (parameter.type == "integer") schema["minimum"] = 1;
  if (parameter.is_list) schema = {{"type", "array"}, {"items", std::move(schema)}};
  Json json = {{"name", parameter.name}, {"in", parameter.in}};
  if (parameter.in == "path") json["required"] = true;
  json["description"] = parameter.description;
  json["schema"] = std::move(schema);
  return json;
}

Json Operation(absl::string_view id, absl::string_view summary, absl::string_view description,
               const std::vector<Parameter>& parameters, Json responses) {
  Json list = Json::array();
  for (const Parameter& parameter : parameters) list.push_back(ToJson(parameter));
  responses["default"] = ErrorResponse();
  return {
      {"operationId", id},          {"tags", Json::array({"Paths"})}, {"summary", summary},
      {"description", description}, {"parameters", std::move(list)},  {"responses", std::move(responses)}};
}

// An answer whose body is no JSON.
Json BytesResponse(absl::string_view description, absl::string_view type) {
  Json schema = Json::object();
  if (type == kEvents) schema["type"] = "string";
  return {{"description", description}, {"content", Content(type, std::move(schema))}};
}

Json BytesOperation(absl::string_view id, absl::string_view summary, absl::string_view type, bool of_part) {
  std::vector<Parameter> parameters = {{"account", "path", "The account's address, or its account_id."},
                                       {"message_id", "path", "Which message.", "integer", "int64"}};
  if (of_part) parameters.push_back({"part_id", "path", "Which part of it: Part.partId."});
  parameters.push_back({"Range", "header", "One range of bytes: bytes=0-99."});
  return Operation(id, summary,
                   "Always an attachment, under a name that is safe to write to. Takes one range, If-Match, "
                   "If-None-Match and If-Range. The scope is mail.read.",
                   parameters,
                   {{"200", BytesResponse("All of it.", type)},
                    {"206", BytesResponse("The range.", type)},
                    {"304", Described("The client has it.")}});
}

Json WatchOperation() {
  return Operation("watch", "The change feed as Server-Sent Events",
                   "WatchService.Watch: one of account, domain, all or consumer. The name of an event is "
                   "that of its member "
                   "in WatchEvent (delivered, deleted, ...), its id the cursor, its data WatchEvent as JSON. "
                   "The last event is "
                   "end, with the error as JSON.",
                   {{"account", "query", "Addresses or account ids.", "string", "", true},
                    {"domain", "query", "All accounts of a domain."},
                    {"all", "query", "All that the key may see.", "boolean"},
                    {"kind", "query", "Only these: delivered, deleted, account, submission, restored.",
                     "string", "", true},
                    {"start", "query", "now or oldest."},
                    {"cursor", "query", "Go on behind this event: its id. Last-Event-ID goes before it."},
                    {"consumer", "query", "Watch as this consumer."},
                    {"view", "query", "Of messages that have come: summary, headers, parsed, raw."},
                    {"text_limit_bytes", "query", "As in WatchRequest.", "integer", "int64"},
                    {"heartbeat_seconds", "query", "Silence that ends with a comment.", "integer", "int32"},
                    {"max_unacknowledged", "query", "As in WatchRequest.", "integer", "int32"},
                    {"Last-Event-ID", "header", "The id of the last event that was dealt with."}},
                   {{"200", BytesResponse("The events.", kEvents)}});
}

void AddRoutes(Json& paths) {
  constexpr absl::string_view kMail = "message/rfc822";
  constexpr absl::string_view kAny = "*/*";
  constexpr absl::string_view kPart =
      "A part of a message without its transfer encoding, as an attachment is";
  constexpr absl::string_view kHead = "What GET says of it";
  paths[std::string(kRawPath)] = {
      {"get", BytesOperation("raw", "A message as it is stored", kMail, /*of_part=*/false)},
      {"head", BytesOperation("raw_head", kHead, kMail, /*of_part=*/false)}};
  paths[std::string(kPartPath)] = {{"get", BytesOperation("part", kPart, kAny, /*of_part=*/true)},
                                   {"head", BytesOperation("part_head", kHead, kAny, /*of_part=*/true)}};
  paths[std::string(kWatchPath)] = {{"get", WatchOperation()}};
}

}  // namespace

std::string OpenApiDocument(const DescriptorPool& pool, const std::vector<std::string>& names) {
  std::vector<const FileDescriptor*> files;
  for (const std::string& name : names) {
    files.push_back(pool.FindFileByName(name));
    CHECK(files.back() != nullptr);
  }
  Json tags = Json::array();
  tags.push_back(Tag("Paths", "What is for browsers and programs without a client of the Connect protocol."));
  Json paths = Json::object();
  AddRoutes(paths);
  Methods methods(files.front()->package());
  for (const FileDescriptor* const file : files) {
    for (int i = 0; i < file->service_count(); ++i) {
      const ServiceDescriptor& service = *file->service(i);
      tags.push_back(Tag(service.name(), CommentOf(service)));
      methods.AddTo(paths, service);
    }
  }
  Json schemas = {{"ConnectError", ErrorSchema()}};
  methods.schemas().AddAll(schemas);
  const Json error = {{"description", "Why it failed: docs/store-api-errors.md."},
                      {"content", Content(kJson, {{"$ref", "#/components/schemas/ConnectError"}})}};
  const Json key = {{"type", "http"}, {"scheme", "bearer"}, {"description", "A key of mailctl key create."}};
  const Json document = {{"openapi", "3.1.0"},
                         {"info", {{"title", "Mailstead"}, {"version", "v1"}, {"description", kDescription}}},
                         {"servers", Json::array({{{"url", "/"}}})},
                         {"security", Json::array({{{"key", Json::array()}}})},
                         {"tags", std::move(tags)},
                         {"paths", std::move(paths)},
                         {"components",
                          {{"securitySchemes", {{"key", key}}},
                           {"responses", {{"Error", error}}},
                           {"schemas", std::move(schemas)}}}};
  return document.dump();
}

std::string StoreOpenApiDocument() {
  google::protobuf::FileDescriptorSet set;
  CHECK(set.ParseFromArray(kMailsteadStoreDescriptors, static_cast<int>(kMailsteadStoreDescriptorsBytes)));
  DescriptorPool pool;
  for (const google::protobuf::FileDescriptorProto& file : set.file()) CHECK(pool.BuildFile(file) != nullptr);
  return OpenApiDocument(pool, StoreFiles());
}

}  // namespace mailstead::web
