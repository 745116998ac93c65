#include "webd/openapi/json_writer.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailstead::web {

void JsonWriter::Separate() {
  if (is_behind_value_) json_.push_back(',');
  is_behind_value_ = true;
}

// RFC 8259 section 7.
void JsonWriter::Quote(absl::string_view text) {
  json_.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json_.push_back('\\');
      json_.push_back(c);
    } else if (c == '\n') {
      absl::StrAppend(&json_, "\\n");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&json_, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      json_.push_back(c);
    }
  }
  json_.push_back('"');
}

void JsonWriter::BeginObject() {
  Separate();
  json_.push_back('{');
  is_behind_value_ = false;
}
void JsonWriter::EndObject() {
  json_.push_back('}');
  is_behind_value_ = true;
}
void JsonWriter::BeginArray() {
  Separate();
  json_.push_back('[');
  is_behind_value_ = false;
}
void JsonWriter::EndArray() {
  json_.push_back(']');
  is_behind_value_ = true;
}
void JsonWriter::Key(absl::string_view name) {
  Separate();
  Quote(name);
  json_.push_back(':');
  is_behind_value_ = false;
}
void JsonWriter::Text(absl::string_view value) {
  Separate();
  Quote(value);
}
void JsonWriter::Number(int64_t value) {
  Separate();
  absl::StrAppend(&json_, value);
}
void JsonWriter::Bool(bool value) {
  Separate();
  absl::StrAppend(&json_, value ? "true" : "false");
}

void JsonWriter::Text(absl::string_view name, absl::string_view value) {
  Key(name);
  Text(value);
}
void JsonWriter::Number(absl::string_view name, int64_t value) {
  Key(name);
  Number(value);
}
void JsonWriter::Bool(absl::string_view name, bool value) {
  Key(name);
  Bool(value);
}
void JsonWriter::Texts(absl::string_view name, std::initializer_list<absl::string_view> values) {
  BeginArray(name);
  for (const absl::string_view value : values) Text(value);
  EndArray();
}
void JsonWriter::BeginObject(absl::string_view name) {
  Key(name);
  BeginObject();
}
void JsonWriter::BeginArray(absl::string_view name) {
  Key(name);
  BeginArray();
}

}  // namespace mailstead::web
