// Schemas (JSON Schema 2020-12, as OpenAPI 3.1 has it) of messages, as protobuf's JSON writes them.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "webd/openapi/json_writer.h"

namespace mailstead::web {

class Schemas {
 public:
  // Types of this package are named without it.
  explicit Schemas(std::string package) : package_(std::move(package)) {}

  // A schema that refers to that of a message, which All will have.
  void WriteReference(const google::protobuf::Descriptor& message, JsonWriter& json);
  // Members of an object: all that were referred to, by their names, and what these refer to.
  void WriteAll(JsonWriter& json);

 private:
  std::string NameOf(absl::string_view full_name) const;
  void WriteMessage(const google::protobuf::Descriptor& message, JsonWriter& json);
  void WriteEnum(const google::protobuf::EnumDescriptor& type, JsonWriter& json);
  void WriteField(const google::protobuf::FieldDescriptor& field, JsonWriter& json);
  // Members of the schema of one value.
  void WriteValue(const google::protobuf::FieldDescriptor& field, JsonWriter& json);
  void Refer(const std::string& name, JsonWriter& json);

  const std::string package_;
  absl::btree_map<std::string, const google::protobuf::Descriptor*> messages_;
  absl::btree_map<std::string, const google::protobuf::EnumDescriptor*> enums_;
};

// A comment without its line breaks and indents: in paragraphs.
std::string CommentText(absl::string_view comment);

// What the comment in front of something says. Empty: nothing, or the descriptors came without their source.
template <typename Descriptor>
std::string CommentOf(const Descriptor& descriptor) {
  google::protobuf::SourceLocation location;
  return descriptor.GetSourceLocation(&location) ? CommentText(location.leading_comments) : "";
}

}  // namespace mailstead::web
