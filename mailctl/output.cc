#include "mailctl/output.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/text/utf8.h"
#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

using google::protobuf::FieldDescriptor;

// "INVALID_ARGUMENT" and so on: the names of gRPC.
std::string CodeName(const absl::Status& status) { return absl::StatusCodeToString(status.code()); }

// Columns a terminal gives to UTF-8 text, without regard to wide characters.
size_t Width(absl::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
}

std::string Padded(absl::string_view text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, Width(text)), ' ');
  return right ? absl::StrCat(blanks, text) : absl::StrCat(text, blanks);
}

google::protobuf::util::JsonPrintOptions JsonOptions(bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  return options;
}

// Makes each SHA-256 one that is printed in hex. The mapping to JSON writes bytes in base64, and hex text is base64, of
// other bytes: those are put in its place.
void ShowDigestsInHex(google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* const field : fields) {
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 0;
      for (int i = 0; i < count; ++i)
        ShowDigestsInHex(*reflection.MutableRepeatedMessage(&message, field, i));
      if (!field->is_repeated()) ShowDigestsInHex(*reflection.MutableMessage(&message, field));
    }
    if (field->type() != FieldDescriptor::TYPE_BYTES || field->is_repeated() || field->name() != "sha256")
      continue;
    std::string printed_so;
    if (absl::Base64Unescape(absl::BytesToHexString(reflection.GetString(message, field)), &printed_so)) {
      reflection.SetString(&message, field, printed_so);
    }
  }
}

std::string ToJson(const google::protobuf::Message& message, bool pretty) {
  const std::unique_ptr<google::protobuf::Message> shown(message.New());
  shown->CopyFrom(message);
  ShowDigestsInHex(*shown);
  std::string text;
  // Only a message with a broken Any fails, and the API has none.
  CHECK(google::protobuf::util::MessageToJsonString(*shown, &text, JsonOptions(pretty)).ok());
  return text;
}

// The members of an error, as an object.
std::string ErrorJson(const absl::Status& status) {
  std::string members =
      absl::StrCat("\"code\": ", JsonQuote(CodeName(status)), ", \"message\": ", JsonQuote(status.message()),
                   ", \"exit_code\": ", static_cast<int>(ExitCodeOf(status)));
  if (const std::string field = FieldOf(status); !field.empty()) {
    absl::StrAppend(&members, ", \"field\": ", JsonQuote(field));
  }
  if (const std::string reason = ReasonOf(status); !reason.empty()) {
    absl::StrAppend(&members, ", \"reason\": ", JsonQuote(reason));
  }
  return absl::StrCat("{", members, "}");
}

}  // namespace

void Output::Raw(absl::string_view bytes) {
  errno = 0;
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  NoteFailure();
}

void Output::Flush() {
  errno = 0;
  out_.flush();
  NoteFailure();
}

void Output::Line(absl::string_view text) {
  if (!json_) Raw(absl::StrCat(text, "\n"));
}

void Output::Json(const google::protobuf::Message& message) {
  if (json_) JsonText(ToJson(message, /*pretty=*/true));
}

void Output::JsonText(absl::string_view object) {
  if (!json_) return;
  CHECK(document_end_.empty());
  object = absl::StripTrailingAsciiWhitespace(object);
  // With the line end in front of it, if there is one.
  const size_t end = absl::StripTrailingAsciiWhitespace(absl::StripSuffix(object, "}")).size();
  const size_t written = end == 1 ? 0 : end;
  Raw(object.substr(0, written));
  document_end_ = absl::StrCat(object.substr(written), "\n");
}

void Output::Result(const google::protobuf::Message& message, absl::string_view line) {
  Json(message);
  Line(line);
}

void Output::Warning(absl::string_view text) {
  if (!json_) err_ << absl::StrCat("mailctl: ", Printable(text), "\n") << std::flush;
}

void Output::Error(const absl::Status& status) {
  Warning(status.message());
  if (json_) err_ << absl::StrCat("{\"error\": ", ErrorJson(status), "}\n") << std::flush;
}

absl::Status Output::Finish(absl::Status status) {
  const bool has_document = !document_end_.empty();
  if (has_document) {
    const std::string error = absl::StrCat("\"error\": ", ErrorJson(status));
    Raw(status.ok()                    ? document_end_
        : document_end_ == "{}\n"      ? absl::StrCat("{", error, "}\n")
        : document_end_.front() == '}' ? absl::StrCat(", ", error, document_end_)
                                       : absl::StrCat(",\n ", error, document_end_));
  }
  errno = 0;
  out_.flush();
  NoteFailure();
  const bool told = has_document && out_.good();
  if (!out_.good() && status.ok()) {
    status = write_error_ == EPIPE ? ReaderGoneError()
                                   : absl::UnavailableError("standard output could not be written");
  }
  // What was printed before an error is shown before it.
  if (!status.ok() && !IsReaderGone(status) && !told) Error(status);
  return status;
}

// A stream does not keep the cause; nothing has overwritten errno yet.
void Output::NoteFailure() {
  if (!out_.good() && write_error_ == 0) write_error_ = errno;
}

void JsonList::Begin() {
  if (!begun_) output_.Raw(absl::StrCat("{", JsonQuote(name_), ": ["));
  begun_ = true;
}

JsonList::~JsonList() {
  if (begun_ && !finished_) Finish();
}

void JsonList::Add(const google::protobuf::Message& element) {
  if (!output_.json()) return;
  Begin();
  output_.Raw(absl::StrCat(any_ ? "," : "", "\n  ", JsonOf(element)));
  any_ = true;
}

void JsonList::Finish(absl::string_view members) {
  if (!output_.json()) return;
  Begin();
  finished_ = true;
  output_.JsonText(absl::StrCat(any_ ? "\n]" : "]", members.empty() ? "" : ", ", members, "}"));
}

void Table::Row(std::vector<std::string> cells) {
  CHECK(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Text() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title);
  std::vector<size_t> widths(columns_.size(), 0);
  const auto widen = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], Width(cells[i]));
  };
  widen(titles);
  for (const auto& row : rows_) widen(row);

  std::string text;
  const auto append = [&](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      const bool last = i + 1 == cells.size();
      // No blanks at the end of a line.
      absl::StrAppend(&text,
                      last && !columns_[i].right ? cells[i] : Padded(cells[i], widths[i], columns_[i].right),
                      last ? "\n" : "  ");
    }
  };
  append(titles);
  for (const auto& row : rows_) append(row);
  return text;
}

void FieldList::Add(absl::string_view name, absl::string_view value) {
  fields_.emplace_back(std::string(name), Printable(value));
}

std::string FieldList::Text() const {
  size_t width = 0;
  for (const auto& field : fields_) width = std::max(width, Width(field.first));
  std::string text;
  for (const auto& [name, value] : fields_) {
    absl::StrAppend(&text, Padded(absl::StrCat(name, ":"), width + 3, /*right=*/false), value, "\n");
  }
  return text;
}

std::string JsonQuote(absl::string_view text) {
  const bool valid = IsValidUtf8(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      absl::StrAppendFormat(&quoted, "\\u%04x", byte);
    } else if (byte >= 0x80 && !valid) {
      quoted += "\\ufffd";
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string JsonNumber(uint64_t number) { return JsonQuote(absl::StrCat(number)); }

std::string JsonOf(const google::protobuf::Message& message) { return ToJson(message, /*pretty=*/false); }

std::string FormatBytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  absl::string_view unit;
  for (const absl::string_view next : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    unit = next;
    value /= 1024;
    // 1023.95 would be rounded to 1024.0.
    if (value < 1023.95) break;
  }
  return absl::StrFormat("%.1f %s", value, unit);
}

std::string FormatLimit(uint64_t limit) { return limit == 0 ? "no limit" : absl::StrCat(limit); }

std::string FormatBytesLimit(uint64_t bytes) { return bytes == 0 ? "no limit" : FormatBytes(bytes); }

std::string FormatTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

std::string FormatDuration(const google::protobuf::Duration& duration) {
  const absl::Duration value = absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  const int64_t seconds = duration.seconds();
  if (seconds >= 86'400) return absl::StrCat(seconds / 86'400, "d", seconds % 86'400 / 3'600, "h");
  if (seconds >= 3'600) return absl::StrCat(seconds / 3'600, "h", seconds % 3'600 / 60, "m");
  if (seconds >= 60) return absl::StrCat(seconds / 60, "m", seconds % 60, "s");
  return absl::StrFormat("%.1fs", absl::ToDoubleSeconds(value));
}

std::string YesNo(bool value) { return value ? "yes" : "no"; }

std::string Plural(uint64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::string Printable(absl::string_view text) {
  // SECURITY: what a stranger mailed (headers, addresses) must not steer the operator's terminal by escape
  // sequences. In text that is not UTF-8 a byte from 0x80 to 0x9F may be a C1 control, so all high bytes are
  // escaped there.
  const bool valid = IsValidUtf8(text);
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    // U+0080 to U+009F, the C1 controls, are C2 80 to C2 9F in UTF-8.
    const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xA0;
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !valid)) {
      absl::StrAppendFormat(&shown, "\\x%02x", byte);
    } else if (c1) {
      absl::StrAppendFormat(&shown, "\\x%02x", static_cast<uint8_t>(text[++i]));
    } else {
      shown += text[i];
    }
  }
  return shown;
}

}  // namespace mailstead::ctl
