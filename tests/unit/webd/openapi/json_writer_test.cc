#include "webd/openapi/json_writer.h"

#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(JsonWriter, Nests) {
  JsonWriter json;
  json.BeginObject();
  json.Text("a", "b");
  json.Texts("empty", {});
  json.BeginArray("list");
  json.BeginObject();
  json.EndObject();
  json.BeginObject();
  json.Bool("yes", true);
  json.Number("n", -1);
  json.EndObject();
  json.Text("x");
  json.EndArray();
  json.BeginObject("o");
  json.EndObject();
  json.EndObject();
  EXPECT_EQ(json.Take(), R"({"a":"b","empty":[],"list":[{},{"yes":true,"n":-1},"x"],"o":{}})");
}

TEST(JsonWriter, Escapes) {
  JsonWriter json;
  json.Text("a\"b\\c\n\x01\x1f\xc3\xa9");
  EXPECT_EQ(json.Take(), "\"a\\\"b\\\\c\\n\\u0001\\u001f\xc3\xa9\"");
}

}  // namespace
}  // namespace mailstead::web
