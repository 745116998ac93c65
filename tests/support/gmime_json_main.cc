// Tells of the messages whose files are named, one line of JSON each: what GMime makes of them. For tests only.
#include <glib.h>
#include <gmime/gmime.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace {

// Bytes as base64: GMime does not promise UTF-8.
std::string Quoted(const char* text) {
  return text == nullptr ? "null" : absl::StrCat("\"", absl::Base64Escape(text), "\"");
}

std::string Content(GMimePart* part) {
  GMimeDataWrapper* content = g_mime_part_get_content(part);
  if (content == nullptr) return "";
  GMimeStream* stream = g_mime_stream_mem_new();
  g_mime_data_wrapper_write_to_stream(content, stream);
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
  std::string decoded(reinterpret_cast<const char*>(bytes->data), bytes->len);
  g_object_unref(stream);
  return decoded;
}

void Tell(GMimeObject* object, const std::string& id, std::vector<std::string>& parts) {
  if (object == nullptr) return;
  GMimeContentType* type = g_mime_object_get_content_type(object);
  char* name = g_mime_content_type_get_mime_type(type);
  std::string json = absl::StrCat("{\"id\": \"", id, "\", \"type\": ", Quoted(name));
  g_free(name);
  if (GMIME_IS_PART(object)) {
    GMimePart* part = GMIME_PART(object);
    absl::StrAppend(&json, ", \"file_name\": ", Quoted(g_mime_part_get_filename(part)), ", \"bytes\": \"",
                    absl::Base64Escape(Content(part)), "\"");
  }
  parts.push_back(json + "}");
  if (GMIME_IS_MULTIPART(object)) {
    GMimeMultipart* multipart = GMIME_MULTIPART(object);
    for (int i = 0; i < g_mime_multipart_get_count(multipart); ++i) {
      Tell(g_mime_multipart_get_part(multipart, i), absl::StrCat(id, ".", i + 1), parts);
    }
  } else if (GMIME_IS_MESSAGE_PART(object)) {
    GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
    if (message != nullptr) Tell(g_mime_message_get_mime_part(message), absl::StrCat(id, ".1"), parts);
  }
}

}  // namespace

int main(int argc, char** argv) {
  g_mime_init();
  for (int i = 1; i < argc; ++i) {
    GMimeStream* stream = g_mime_stream_file_open(argv[i], "r", nullptr);
    GMimeParser* parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage* message = g_mime_parser_construct_message(parser, nullptr);
    std::vector<std::string> parts;
    if (message != nullptr) {
      Tell(g_mime_message_get_mime_part(message), "1", parts);
      std::cout << "{\"subject\": " << Quoted(g_mime_message_get_subject(message)) << ", ";
      g_object_unref(message);
    } else {
      std::cout << "{\"subject\": null, ";
    }
    std::cout << "\"parts\": [" << absl::StrJoin(parts, ", ") << "]}\n";
    g_object_unref(parser);
    g_object_unref(stream);
  }
  g_mime_shutdown();
}
