// Schemas (JSON Schema 2020-12, as OpenAPI 3.1 has it) of messages, as protobuf's JSON writes them.
#pragma once

#include <google/protobuf/descriptor.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"

namespace mailstead::web {

// Members stay in the order in which they were set.
using Json = nlohmann::ordered_json;

class Schemas {
 public:
  // Types of this package are named without it.
  explicit Schemas(std::string package) : package_(std::move(package)) {}

  // A schema that refers to that of a message, which All will have.
  Json ReferenceTo(const google::protobuf::Descriptor& message);
  // All that were referred to, by their names, and what these refer to. They are added to `schemas`, an object.
  void AddAll(Json& schemas);

 private:
  std::string NameOf(absl::string_view full_name) const;
  Json SchemaOf(const google::protobuf::Descriptor& message);
  Json SchemaOf(const google::protobuf::EnumDescriptor& type) const;
  Json SchemaOf(const google::protobuf::FieldDescriptor& field);
  // Of one value.
  Json SchemaOfValue(const google::protobuf::FieldDescriptor& field);

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
