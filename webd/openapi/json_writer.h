// JSON as it is written, in order and without blanks.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace mailstead::web {

class JsonWriter {
 public:
  // Values of an array, and of an object behind their Key.
  void BeginObject();
  void EndObject();
  void BeginArray();
  void EndArray();
  void Key(absl::string_view name);
  void Text(absl::string_view value);
  void Number(int64_t value);
  void Bool(bool value);

  // Members of an object.
  void Text(absl::string_view name, absl::string_view value);
  void Number(absl::string_view name, int64_t value);
  void Bool(absl::string_view name, bool value);
  void Texts(absl::string_view name, std::initializer_list<absl::string_view> values);
  void BeginObject(absl::string_view name);
  void BeginArray(absl::string_view name);

  // All that was written.
  std::string Take() { return std::move(json_); }

 private:
  void Separate();
  void Quote(absl::string_view text);

  std::string json_;
  // Set behind a value, which a comma follows when another one does.
  bool is_behind_value_ = false;
};

}  // namespace mailstead::web
