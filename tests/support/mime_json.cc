#include "tests/support/mime_json.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/mail/mime/addresses.h"
#include "common/mail/mime/date.h"
#include "common/mail/mime/message_ids.h"
#include "common/mail/mime/parser.h"
#include "common/mail/mime/part_decoder.h"
#include "common/mail/mime/words.h"

namespace mailstead {
namespace {

using mime::Part;

std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted.push_back('\\');
      quoted.push_back(c);
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\r') {
      quoted += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\u%04x", c);
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

// A member of an object; left out when there is nothing in it.
void Add(std::string& json, absl::string_view name, absl::string_view text) {
  if (!text.empty()) absl::StrAppend(&json, ",\n   \"", name, "\": ", Quoted(text));
}

std::string Addresses(absl::string_view value, const mime::Charsets& charsets) {
  const mime::AddressList list = mime::ParseAddressList(value, charsets);
  std::vector<std::string> groups;
  for (const mime::MailboxGroup& group : list.groups) {
    std::vector<std::string> mailboxes;
    for (const mime::Mailbox& mailbox : group.mailboxes) {
      mailboxes.push_back(absl::StrCat("[", Quoted(mailbox.name), ", ", Quoted(mailbox.address), "]"));
    }
    groups.push_back(absl::StrCat("[", group.is_group ? Quoted(group.name) : "null", ", [",
                                  absl::StrJoin(mailboxes, ", "), "]]"));
  }
  return absl::StrCat(",\n   \"addresses\": [", absl::StrJoin(groups, ", "), "]",
                      list.is_malformed ? ",\n   \"malformed\": true" : "");
}

std::string FieldJson(const mime::Field& field, const mime::Charsets& charsets) {
  std::string json =
      absl::StrCat("  {\"name\": ", Quoted(mime::OneLine(field.name)), ",\n   \"octets\": [", field.begin,
                   ", ", field.end, "],\n   \"value\": ", Quoted(mime::DecodeText(field.value, charsets)));
  for (const char* name : {"From", "Sender", "Reply-To", "To", "Cc", "Bcc"}) {
    if (field.Is(name)) json += Addresses(field.value, charsets);
  }
  if (field.Is("Date")) {
    const auto date = mime::ParseDate(field.value);
    absl::StrAppend(
        &json, ",\n   \"seconds\": ",
        date ? absl::StrCat(absl::ToUnixSeconds(date->time), ",\n   \"offset\": ", date->offset_minutes)
             : "null");
  }
  for (const char* name : {"Message-ID", "In-Reply-To", "References"}) {
    if (!field.Is(name)) continue;
    const std::vector<std::string> ids = mime::ParseMessageIds(field.value);
    absl::StrAppend(
        &json, ",\n   \"ids\": [",
        absl::StrJoin(ids, ", ", [](std::string* out, const std::string& id) { *out += Quoted(id); }), "]");
  }
  return json + "}";
}

std::string PartJson(const Part& part, absl::string_view message, const mime::Charsets& charsets,
                     const MimeJsonOptions& options) {
  std::string json =
      absl::StrCat("  {\"id\": ", Quoted(part.id), ",\n   \"type\": ", Quoted(part.media_type));
  if (!part.parameters.empty()) {
    const auto pair = [](std::string* out, const mime::Parameter& parameter) {
      absl::StrAppend(out, Quoted(mime::OneLine(parameter.name)), ": ", Quoted(parameter.value));
    };
    absl::StrAppend(&json, ",\n   \"parameters\": {", absl::StrJoin(part.parameters, ", ", pair), "}");
  }
  Add(json, "disposition", part.disposition);
  Add(json, "file_name", part.file_name);
  Add(json, "content_id", part.content_id);
  Add(json, "description", part.description);
  Add(json, "encoding", mime::EncodingName(part.encoding));
  absl::StrAppend(&json, ",\n   \"octets\": [", part.header_begin, ", ", part.body_begin, ", ", part.end,
                  "],\n   \"decoded\": ", part.decoded_bytes);
  Add(json, "defects", part.defects.ToString());
  if (part.has_parts) return json + ",\n   \"has_parts\": true}";
  const absl::string_view body = message.substr(part.body_begin, part.encoded_bytes());
  const auto decoded = [&](mime::PartDecoder::TextAs text_as) {
    std::string out;
    mime::PartDecoder decoder(part, charsets, text_as);
    decoder.Feed(body, out);
    decoder.Finish(out);
    return out;
  };
  if (part.is_text()) Add(json, "text", decoded(mime::PartDecoder::TextAs::kUtf8));
  if (options.with_bytes) {
    Add(json, "bytes", absl::Base64Escape(decoded(mime::PartDecoder::TextAs::kBytes)));
  }
  return json + "}";
}

}  // namespace

std::string MimeJson(absl::string_view bytes, const MimeJsonOptions& options) {
  const mime::Charsets charsets;
  mime::Parser parser(charsets);
  const size_t piece_bytes =
      options.piece_bytes == 0 ? std::max<size_t>(bytes.size(), 1) : options.piece_bytes;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) parser.Feed(bytes.substr(at, piece_bytes));
  const mime::Message message = parser.Finish();
  std::vector<std::string> fields, parts;
  for (const mime::Field& field : message.fields) fields.push_back(FieldJson(field, charsets));
  for (const Part& part : message.parts) parts.push_back(PartJson(part, bytes, charsets, options));
  return absl::StrCat("{\"fields\": [\n", absl::StrJoin(fields, ",\n"), "],\n \"parts\": [\n",
                      absl::StrJoin(parts, ",\n"), "]}\n");
}

}  // namespace mailstead
