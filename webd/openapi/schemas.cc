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
constexpr WellKnown kWellKnown[] = {
    {"google.protobuf.Timestamp", "string", "date-time", ""},
    {"google.protobuf.Duration", "string", "", R"(^-?[0-9]+(\.[0-9]{1,9})?s$)"},
    {"google.protobuf.FieldMask", "string", "", ""},
    {"google.protobuf.BoolValue", "boolean", "", ""},
    {"google.protobuf.StringValue", "string", "", ""},
    {"google.protobuf.Int32Value", "integer", "int32", ""},
    {"google.protobuf.UInt32Value", "integer", "uint32", ""},
    {"google.protobuf.Int64Value", "string", "int64", kInt64Pattern},
    {"google.protobuf.UInt64Value", "string", "uint64", "^[0-9]+$"},
    {"google.protobuf.DoubleValue", "number", "double", ""},
};

const WellKnown* FindWellKnown(const std::string& full_name) {
  for (const WellKnown& known : kWellKnown) {
    if (known.name == full_name) return &known;
  }
  return nullptr;
}

void WriteType(absl::string_view type, absl::string_view format, absl::string_view pattern,
               JsonWriter& json) {
  json.Text("type", type);
  if (!format.empty()) json.Text("format", format);
  if (!pattern.empty()) json.Text("pattern", pattern);
}

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

void Schemas::Refer(const std::string& name, JsonWriter& json) {
  json.Text("$ref", absl::StrCat("#/components/schemas/", name));
}

void Schemas::WriteReference(const Descriptor& message, JsonWriter& json) {
  const std::string name = NameOf(message.full_name());
  messages_.emplace(name, &message);
  json.BeginObject();
  Refer(name, json);
  json.EndObject();
}

void Schemas::WriteAll(JsonWriter& json) {
  // What is written refers to more.
  absl::btree_map<std::string, const Descriptor*> done;
  while (done.size() < messages_.size()) {
    const absl::btree_map<std::string, const Descriptor*> known = messages_;
    for (const auto& [name, message] : known) {
      if (!done.emplace(name, message).second) continue;
      json.Key(name);
      WriteMessage(*message, json);
    }
  }
  for (const auto& [name, type] : enums_) {
    json.Key(name);
    WriteEnum(*type, json);
  }
}

void Schemas::WriteMessage(const Descriptor& message, JsonWriter& json) {
  json.BeginObject();
  json.Text("type", "object");
  if (const std::string comment = CommentOf(message); !comment.empty()) json.Text("description", comment);
  json.BeginObject("properties");
  for (int i = 0; i < message.field_count(); ++i) {
    json.Key(message.field(i)->json_name());
    WriteField(*message.field(i), json);
  }
  json.EndObject();
  json.EndObject();
}

void Schemas::WriteEnum(const EnumDescriptor& type, JsonWriter& json) {
  json.BeginObject();
  json.Text("type", "string");
  std::string description = CommentOf(type);
  for (int i = 0; i < type.value_count(); ++i) {
    absl::StrAppend(&description, "\n\n", type.value(i)->name(), ": ", CommentOf(*type.value(i)));
  }
  json.Text("description", description);
  json.BeginArray("enum");
  for (int i = 0; i < type.value_count(); ++i) json.Text(type.value(i)->name());
  json.EndArray();
  json.EndObject();
}

void Schemas::WriteField(const FieldDescriptor& field, JsonWriter& json) {
  json.BeginObject();
  const std::string comment = WithOneof(CommentOf(field), field);
  if (!comment.empty()) json.Text("description", comment);
  if (field.is_map()) {
    json.Text("type", "object");
    json.BeginObject("additionalProperties");
    WriteValue(*field.message_type()->map_value(), json);
    json.EndObject();
  } else if (field.is_repeated()) {
    json.Text("type", "array");
    json.BeginObject("items");
    WriteValue(field, json);
    json.EndObject();
  } else {
    WriteValue(field, json);
  }
  json.EndObject();
}

void Schemas::WriteValue(const FieldDescriptor& field, JsonWriter& json) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return json.Text("type", "boolean");
    case FieldDescriptor::CPPTYPE_INT32:
      return WriteType("integer", "int32", "", json);
    case FieldDescriptor::CPPTYPE_UINT32:
      return WriteType("integer", "uint32", "", json);
    case FieldDescriptor::CPPTYPE_INT64:
      return WriteType("string", "int64", kInt64Pattern, json);
    case FieldDescriptor::CPPTYPE_UINT64:
      return WriteType("string", "uint64", "^[0-9]+$", json);
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return json.Text("type", "number");
    case FieldDescriptor::CPPTYPE_STRING:
      json.Text("type", "string");
      if (field.type() == FieldDescriptor::TYPE_BYTES) json.Text("contentEncoding", "base64");
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::string name = NameOf(field.enum_type()->full_name());
      enums_.emplace(name, field.enum_type());
      return Refer(name, json);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const std::string& full_name = field.message_type()->full_name();
  if (const WellKnown* const known = FindWellKnown(full_name); known != nullptr) {
    return WriteType(known->type, known->format, known->pattern, json);
  }
  // Any, Struct and their kin: an object whose members are known where it is read.
  if (absl::StartsWith(full_name, "google.protobuf.")) return json.Text("type", "object");
  const std::string name = NameOf(full_name);
  messages_.emplace(name, field.message_type());
  Refer(name, json);
}

}  // namespace mailstead::web
