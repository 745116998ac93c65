#include "webd/openapi/document.h"

#include <google/protobuf/descriptor.pb.h>

#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "webd/connect/code.h"
#include "webd/openapi/json_writer.h"
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
constexpr absl::string_view kDescription =
    "Every method of mailstead.store.v1 by the Connect protocol (https://connectrpc.com/docs/protocol), and "
    "paths for browsers and "
    "programs without a client of it. Messages are written as protobuf's JSON has them: int64 as text, bytes "
    "in base64, and what has "
    "its default value is left out. In a request a field that its schema has not is an error; in an answer "
    "there may be new ones.";
constexpr absl::string_view kEnvelopesDescription =
    "A stream: each message in an envelope of Connect's (a byte of flags, four bytes of length, the message "
    "as JSON), and in the last "
    "one how it ended.";

class Document {
 public:
  explicit Document(std::string package) : schemas_(std::move(package)) {}

  std::string Write(const std::vector<const FileDescriptor*>& files) {
    json_.BeginObject();
    json_.Text("openapi", "3.1.0");
    WriteInfo();
    json_.BeginArray("servers");
    json_.BeginObject();
    json_.Text("url", "/");
    json_.EndObject();
    json_.EndArray();
    WriteSecurity();
    WriteTags(files);
    json_.BeginObject("paths");
    WriteRoutes();
    for (const FileDescriptor* const file : files) {
      for (int i = 0; i < file->service_count(); ++i) WriteService(*file->service(i));
    }
    json_.EndObject();
    WriteComponents();
    json_.EndObject();
    return json_.Take();
  }

 private:
  void WriteInfo() {
    json_.BeginObject("info");
    json_.Text("title", "Mailstead");
    json_.Text("version", "v1");
    json_.Text("description", kDescription);
    json_.EndObject();
  }

  void WriteSecurity() {
    json_.BeginArray("security");
    json_.BeginObject();
    json_.Texts("key", {});
    json_.EndObject();
    json_.EndArray();
  }

  void WriteTag(absl::string_view name, absl::string_view description) {
    json_.BeginObject();
    json_.Text("name", name);
    json_.Text("description", description);
    json_.EndObject();
  }

  void WriteTags(const std::vector<const FileDescriptor*>& files) {
    json_.BeginArray("tags");
    WriteTag("Paths", "What is for browsers and programs without a client of the Connect protocol.");
    for (const FileDescriptor* const file : files) {
      for (int i = 0; i < file->service_count(); ++i) {
        WriteTag(file->service(i)->name(), CommentOf(*file->service(i)));
      }
    }
    json_.EndArray();
  }

  // --- The methods

  void WriteService(const ServiceDescriptor& service) {
    for (int i = 0; i < service.method_count(); ++i) {
      const MethodDescriptor& method = *service.method(i);
      json_.BeginObject(absl::StrCat("/", service.full_name(), "/", method.name()));
      WritePost(method);
      const bool streams = method.client_streaming() || method.server_streaming();
      if (MethodKindOf(method).no_side_effects && !streams) WriteGet(method);
      json_.EndObject();
    }
  }

  void WriteHead(const MethodDescriptor& method, absl::string_view suffix) {
    json_.Text("operationId", absl::StrCat(method.service()->name(), "_", method.name(), suffix));
    json_.Texts("tags", {method.service()->name()});
    json_.Text("summary", method.name());
    json_.Text("description", CommentOf(method));
  }

  void WritePost(const MethodDescriptor& method) {
    const bool streams = method.client_streaming() || method.server_streaming();
    json_.BeginObject("post");
    WriteHead(method, "");
    json_.BeginObject("requestBody");
    json_.Bool("required", true);
    WriteContent(streams ? kEnvelopes : kJson, *method.input_type(), streams);
    json_.EndObject();
    WriteResponses(method, streams);
    json_.EndObject();
  }

  void WriteGet(const MethodDescriptor& method) {
    json_.BeginObject("get");
    WriteHead(method, "_get");
    json_.BeginArray("parameters");
    json_.BeginObject();
    json_.Text("name", "encoding");
    json_.Text("in", "query");
    json_.Bool("required", true);
    json_.BeginObject("schema");
    json_.Text("type", "string");
    json_.Texts("enum", {"json"});
    json_.EndObject();
    json_.EndObject();
    json_.BeginObject();
    json_.Text("name", "message");
    json_.Text("in", "query");
    json_.Bool("required", true);
    json_.Text("description", "The request as JSON.");
    WriteContent(kJson, *method.input_type(), /*streams=*/false);
    json_.EndObject();
    json_.EndArray();
    WriteResponses(method, /*streams=*/false);
    json_.EndObject();
  }

  void WriteContent(absl::string_view type, const google::protobuf::Descriptor& message, bool streams) {
    json_.BeginObject("content");
    json_.BeginObject(type);
    json_.Key("schema");
    if (streams) {
      json_.BeginObject();
      json_.Text("description", kEnvelopesDescription);
      json_.BeginArray("x-messages");
      schemas_.WriteReference(message, json_);
      json_.EndArray();
      json_.EndObject();
    } else {
      schemas_.WriteReference(message, json_);
    }
    json_.EndObject();
    json_.EndObject();
  }

  void WriteResponses(const MethodDescriptor& method, bool streams) {
    json_.BeginObject("responses");
    json_.BeginObject("200");
    json_.Text("description", streams ? "The stream, also when it fails." : "The answer.");
    WriteContent(streams ? kEnvelopes : kJson, *method.output_type(), streams);
    json_.EndObject();
    WriteOtherResponses();
    json_.EndObject();
  }

  void WriteOtherResponses() {
    json_.BeginObject("default");
    json_.Text("$ref", "#/components/responses/Error");
    json_.EndObject();
  }

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

  void WriteParameter(const Parameter& parameter) {
    json_.BeginObject();
    json_.Text("name", parameter.name);
    json_.Text("in", parameter.in);
    if (parameter.in == "path") json_.Bool("required", true);
    json_.Text("description", parameter.description);
    json_.BeginObject("schema");
    if (parameter.is_list) {
      json_.Text("type", "array");
      json_.BeginObject("items");
    }
    json_.Text("type", parameter.type);
    if (!parameter.format.empty()) json_.Text("format", parameter.format);
    if (parameter.in == "path" && parameter.type == "string") json_.Number("minLength", 1);
    if (parameter.type == "integer") json_.Number("minimum", 1);
    if (parameter.is_list) json_.EndObject();
    json_.EndObject();
    json_.EndObject();
  }

  void WriteRouteHead(absl::string_view id, absl::string_view summary, absl::string_view description) {
    json_.Text("operationId", id);
    json_.Texts("tags", {"Paths"});
    json_.Text("summary", summary);
    json_.Text("description", description);
  }

  // An answer whose body is no JSON.
  void WriteBytesResponse(absl::string_view status, absl::string_view description, absl::string_view type) {
    json_.BeginObject(status);
    json_.Text("description", description);
    json_.BeginObject("content");
    json_.BeginObject(type);
    json_.BeginObject("schema");
    if (type == "text/event-stream") json_.Text("type", "string");
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
  }
  void WriteEmptyResponse(absl::string_view status, absl::string_view description) {
    json_.BeginObject(status);
    json_.Text("description", description);
    json_.EndObject();
  }

  void WriteBytesOperation(absl::string_view verb, absl::string_view id, absl::string_view summary,
                           absl::string_view type, bool of_part) {
    json_.BeginObject(verb);
    WriteRouteHead(id, summary,
                   "Always an attachment, under a name that is safe to write to. Takes one range, If-Match, "
                   "If-None-Match and "
                   "If-Range. The scope is mail.read.");
    json_.BeginArray("parameters");
    WriteParameter({"account", "path", "The account's address, or its account_id."});
    WriteParameter({"message_id", "path", "Which message.", "integer", "int64"});
    if (of_part) WriteParameter({"part_id", "path", "Which part of it: Part.partId."});
    WriteParameter({"Range", "header", "One range of bytes: bytes=0-99."});
    json_.EndArray();
    json_.BeginObject("responses");
    WriteBytesResponse("200", "All of it.", type);
    WriteBytesResponse("206", "The range.", type);
    WriteEmptyResponse("304", "The client has it.");
    WriteOtherResponses();
    json_.EndObject();
    json_.EndObject();
  }

  void WriteRoutes() {
    json_.BeginObject(kRawPath);
    WriteBytesOperation("get", "raw", "A message as it is stored", "message/rfc822", false);
    WriteBytesOperation("head", "raw_head", "What GET says of it", "message/rfc822", false);
    json_.EndObject();
    json_.BeginObject(kPartPath);
    WriteBytesOperation(
        "get", "part", "A part of a message without its transfer encoding, as an attachment is", "*/*", true);
    WriteBytesOperation("head", "part_head", "What GET says of it", "*/*", true);
    json_.EndObject();
    WriteWatch();
  }

  void WriteWatch() {
    json_.BeginObject(kWatchPath);
    json_.BeginObject("get");
    WriteRouteHead("watch", "The change feed as Server-Sent Events",
                   "WatchService.Watch: one of account, domain, all or consumer. The name of an event is "
                   "that of its member in "
                   "WatchEvent (delivered, deleted, ...), its id the cursor, its data WatchEvent as JSON. "
                   "The last event is end, with "
                   "the error as JSON.");
    json_.BeginArray("parameters");
    WriteParameter({"account", "query", "Addresses or account ids.", "string", "", true});
    WriteParameter({"domain", "query", "All accounts of a domain."});
    WriteParameter({"all", "query", "All that the key may see.", "boolean"});
    WriteParameter({"kind", "query", "Only these: delivered, deleted, account, submission, restored.",
                    "string", "", true});
    WriteParameter({"start", "query", "now or oldest."});
    WriteParameter({"cursor", "query", "Go on behind this event: its id. Last-Event-ID goes before it."});
    WriteParameter({"consumer", "query", "Watch as this consumer."});
    WriteParameter({"view", "query", "Of messages that have come: summary, headers, parsed, raw."});
    WriteParameter({"text_limit_bytes", "query", "As in WatchRequest.", "integer", "int64"});
    WriteParameter({"heartbeat_seconds", "query", "Silence that ends with a comment.", "integer", "int32"});
    WriteParameter({"max_unacknowledged", "query", "As in WatchRequest.", "integer", "int32"});
    WriteParameter({"Last-Event-ID", "header", "The id of the last event that was dealt with."});
    json_.EndArray();
    json_.BeginObject("responses");
    WriteBytesResponse("200", "The events.", "text/event-stream");
    WriteOtherResponses();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
  }

  // --- What they refer to

  void WriteComponents() {
    json_.BeginObject("components");
    json_.BeginObject("securitySchemes");
    json_.BeginObject("key");
    json_.Text("type", "http");
    json_.Text("scheme", "bearer");
    json_.Text("description", "A key of mailctl key create.");
    json_.EndObject();
    json_.EndObject();
    json_.BeginObject("responses");
    json_.BeginObject("Error");
    json_.Text("description", "Why it failed: docs/store-api-errors.md.");
    json_.BeginObject("content");
    json_.BeginObject(kJson);
    json_.BeginObject("schema");
    json_.Text("$ref", "#/components/schemas/ConnectError");
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.BeginObject("schemas");
    WriteErrorSchema();
    schemas_.WriteAll(json_);
    json_.EndObject();
    json_.EndObject();
  }

  void WriteErrorSchema() {
    json_.BeginObject("ConnectError");
    json_.Text("type", "object");
    json_.Texts("required", {"code", "message"});
    json_.BeginObject("properties");
    json_.BeginObject("code");
    json_.Text("type", "string");
    json_.BeginArray("enum");
    for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
      json_.Text(CodeName(static_cast<absl::StatusCode>(code)));
    }
    json_.EndArray();
    json_.EndObject();
    json_.BeginObject("message");
    json_.Text("type", "string");
    json_.EndObject();
    json_.BeginObject("details");
    json_.Text("type", "array");
    json_.BeginObject("items");
    json_.Text("type", "object");
    json_.Texts("required", {"type", "value"});
    json_.BeginObject("properties");
    for (const absl::string_view name : {"type", "value"}) {
      json_.BeginObject(name);
      json_.Text("type", "string");
      json_.EndObject();
    }
    json_.BeginObject("debug");
    json_.Text("type", "object");
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
    json_.EndObject();
  }

  JsonWriter json_;
  Schemas schemas_;
};

}  // namespace

std::string OpenApiDocument(const DescriptorPool& pool, const std::vector<std::string>& names) {
  std::vector<const FileDescriptor*> files;
  for (const std::string& name : names) {
    files.push_back(pool.FindFileByName(name));
    CHECK(files.back() != nullptr);
  }
  return Document(files.front()->package()).Write(files);
}

std::string StoreOpenApiDocument() {
  google::protobuf::FileDescriptorSet set;
  CHECK(set.ParseFromArray(kMailsteadStoreDescriptors, static_cast<int>(kMailsteadStoreDescriptorsBytes)));
  DescriptorPool pool;
  for (const google::protobuf::FileDescriptorProto& file : set.file()) CHECK(pool.BuildFile(file) != nullptr);
  return OpenApiDocument(pool, StoreFiles());
}

}  // namespace mailstead::web
