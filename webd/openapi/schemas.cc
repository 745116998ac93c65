#include "webd/openapi/schemas.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mailstead::web {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

// The types that protobuf's JSON writes in a way of their own (https://protobuf.dev/programming-guides/json/).
struct WellKnown {
  absl::string_view name;
  absl::string_view type;
  absl::string_view format;
  absl::string_view pattern;
};
constexpr absl::string_view kInt64Pattern = "^-?[0-9]+$";
constexpr absl::string_view kUint64Pattern = "^[0-9]+$";
constexpr WellKnown kWellKnown[] = {
    {"google.protobuf.Timestamp", "string", "date-time", ""},
    {"google.protobuf.Duration", "string", "", R"(^-?[0-9]+(\.[0-9]{1,9})?s$)"},
    {"google.protobuf.FieldMask", "string", "", ""},
    {"google.protobuf.BoolValue", "boolean", "", ""},
    {"google.protobuf.StringValue", "string", "", ""},
    {"google.protobuf.Int32Value", "integer", "int32", ""},
    {"google.protobuf.UInt32Value", "integer", "uint32", ""},
    {"google.protobuf.Int64Value", "string", "int64", kInt64Pattern},
    {"google.protobuf.UInt64Value", "string", "uint64", kUint64Pattern},
    {"google.protobuf.DoubleValue", "number", "double", ""},
};

const WellKnown* FindWellKnown(const std::string& full_name) {
  for (const WellKnown& known : kWellKnown) {
    if (known.name == full_name) return &known;
  }
  return nullptr;
}

Json Type(absl::string_view type, absl::string_view format = "", absl::string_view pattern = "") {
  Json schema = {{"type", type}};
  if (!format.empty()) schema["format"] = format;
  if (!pattern.empty()) schema["pattern"] = pattern;
  return schema;
}

Json Reference(absl::string_view name) { return {{"$ref", absl::StrCat("#/components/schemas/", name)}}; }

// What is given beside others, one of which there may be: "One of: plain, cryptHash."
std::string WithOneof(std::string comment, const FieldDescriptor& field) {
  if (field.real_containing_oneof() == nullptr) return comment;
  std::string names;
  for (int i = 0; i < field.real_containing_oneof()->field_count(); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", field.real_containing_oneof()->field(i)->json_name());
  }
  return absl::StrCat(comment, "\n\nOne of: ", names, ".");
}

}  // namespace

std::string CommentText(absl::string_view comment) {
  std::string text;
  bool at_paragraph = true;
  for (const absl::string_view line : absl::StrSplit(comment, '\n')) {
    const absl::string_view words = absl::StripAsciiWhitespace(line);
    if (words.empty()) {
      at_paragraph = true;
      continue;
    }
    absl::StrAppend(&text, text.empty() ? "" : at_paragraph ? "\n\n" : " ", words);
    at_paragraph = false;
  }
  return text;
}

std::string Schemas::NameOf(absl::string_view full_name) const {
  return std::string(absl::StripPrefix(full_name, absl::StrCat(package_, ".")));
}

Json Schemas::ReferenceTo(const Descriptor& message) {
  const std::string name = NameOf(message.full_name());
  messages_.emplace(name, &message);
  return Reference(name);
}

void Schemas::AddAll(Json& schemas) {
  // What is made refers to more.
  absl::btree_map<std::string, const Descriptor*> done;
  while (done.size() < messages_.size()) {
    const absl::btree_map<std::string, const Descriptor*> known = messages_;
    for (const auto& [name, message] : known) {
      if (done.emplace(name, message).second) schemas[name] = SchemaOf(*message);
    }
  }
  for (const auto& [name, type] : enums_) schemas[name] = SchemaOf(*type);
}

Json Schemas::SchemaOf(const Descriptor& message) {
  Json schema = Type("object");
  if (const std::string comment = CommentOf(message); !comment.empty()) schema["description"] = comment;
  Json& properties = schema["properties"] = Json::object();
  for (int i = 0; i < message.field_count(); ++i) {
    properties[message.field(i)->json_name()] = SchemaOf(*message.field(i));
  }
  return schema;
}

Json Schemas::SchemaOf(const EnumDescriptor& type) const {
  Json names = Json::array();
  std::string description = CommentOf(type);
  for (int i = 0; i < type.value_count(); ++i) {
    absl::StrAppend(&description, "\n\n", type.value(i)->name(), ": ", CommentOf(*type.value(i)));
    names.push_back(type.value(i)->name());
  }
  return {{"type", "string"}, {"description", std::move(description)}, {"enum", std::move(names)}};
}

Json Schemas::SchemaOf(const FieldDescriptor& field) {
  Json schema = Json::object();
  const std::string comment = WithOneof(CommentOf(field), field);
  if (!comment.empty()) schema["description"] = comment;
  if (field.is_map()) {
    schema["type"] = "object";
    schema["additionalProperties"] = SchemaOfValue(*field.message_type()->map_value());
  } else if (field.is_repeated()) {
    schema["type"] = "array";
    schema["items"] = SchemaOfValue(field);
  } else {
    schema.update(SchemaOfValue(field));
  }
  return schema;
}

Json Schemas::SchemaOfValue(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return Type("boolean");
    case FieldDescriptor::CPPTYPE_INT32:
      return Type("integer", "int32");
    case FieldDescriptor::CPPTYPE_UINT32:
      return Type("integer", "uint32");
    case FieldDescriptor::CPPTYPE_INT64:
      return Type("string", "int64", kInt64Pattern);
    case FieldDescriptor::CPPTYPE_UINT64:
      return Type("string", "uint64", kUint64Pattern);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return Type("number");
    case FieldDescriptor::CPPTYPE_STRING: {
      Json schema = Type("string");
      if (field.type() == FieldDescriptor::TYPE_BYTES) schema["contentEncoding"] = "base64";
      return schema;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::string name = NameOf(field.enum_type()->full_name());
      enums_.emplace(name, field.enum_type());
      return Reference(name);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const std::string& full_name = field.message_type()->full_name();
  if (const WellKnown* const known = FindWellKnown(full_name); known != nullptr) {
    return Type(known->type, known->format, known->pattern);
  }
  // Any, Struct and their kin: an object whose members are known where it is read.
  if (absl::StartsWith(full_name, "google.protobuf.")) return Type("object");
  return ReferenceTo(*field.message_type());
}

}  // namespace mailstead::web
