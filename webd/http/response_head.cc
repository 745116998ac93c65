#include "webd/http/response_head.h"

#include "absl/strings/str_cat.h"

namespace mailstead::web {

absl::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

bool HasBody(int status) { return status != 204 && status != 304; }

std::vector<HeaderField> FieldsOf(const ResponseHead& head, absl::Time now) {
  std::vector<HeaderField> fields = {
      {"Date", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now, absl::UTCTimeZone())}};
  fields.insert(fields.end(), head.fields.begin(), head.fields.end());
  // SECURITY: no answer is a document of a browser, kept by a cache, or taken for another type than it says.
  fields.push_back({"Cache-Control", "no-store"});
  fields.push_back({"X-Content-Type-Options", "nosniff"});
  fields.push_back({"Content-Security-Policy", head.policy});
  if (head.content_length.has_value() && HasBody(head.status)) {
    fields.push_back({"Content-Length", absl::StrCat(*head.content_length)});
  }
  return fields;
}

std::string Write(const ResponseHead& head, absl::Time now) {
  std::string text = absl::StrCat("HTTP/1.1 ", head.status, " ", ReasonPhrase(head.status), "\r\n");
  for (const HeaderField& field : FieldsOf(head, now)) {
    absl::StrAppend(&text, field.name, ": ", field.value, "\r\n");
  }
  if (!head.content_length.has_value() && HasBody(head.status) && head.minor_version >= 1) {
    absl::StrAppend(&text, "Transfer-Encoding: chunked\r\n");
  }
  if (!head.keep_alive) {
    absl::StrAppend(&text, "Connection: close\r\n");
  } else if (head.minor_version == 0) {
    absl::StrAppend(&text, "Connection: keep-alive\r\n");
  }
  absl::StrAppend(&text, "\r\n");
  return text;
}

}  // namespace mailstead::web
