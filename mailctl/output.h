// What commands print: text for a person, or one JSON document with the field names of the store API.
//
// With --json a command prints one document, whatever becomes of it. Its result goes to standard output; an error behind
// that is the document's last member, "error". When there is no result, {"error": {...}} goes to standard error.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace google::protobuf {
class Duration;
class Message;
class Timestamp;
}  // namespace google::protobuf

namespace mailstead::ctl {

// Does not own the streams.
class Output {
 public:
  Output(std::ostream& out, std::ostream& err, bool json) : out_(out), err_(err), json_(json) {}

  bool json() const { return json_; }
  // Bytes to standard output as they are: for messages, help texts and completions.
  void Raw(absl::string_view bytes);
  // What was printed so far is seen now, also behind a pipe.
  void Flush();
  // A line for a person; nothing with --json.
  void Line(absl::string_view text);
  // The document; nothing without --json. Once at most.
  void Json(const google::protobuf::Message& message);
  // The same from the text of a JSON object.
  void JsonText(absl::string_view object);
  // A resource: the document with --json, the line without.
  void Result(const google::protobuf::Message& message, absl::string_view line);
  // To standard error, behind "mailctl: "; nothing with --json.
  void Warning(absl::string_view text);
  // The end: writes what is left, and the error, if there is one. Gives `status` again, or what became of the output:
  // ReaderGoneError when standard output is a pipe that was closed at the other end, Unavailable when it took not
  // everything for another reason (full disk).
  absl::Status Finish(absl::Status status);

 private:
  // One line on standard error; with --json {"error": {...}} instead.
  void Error(const absl::Status& status);
  // After each use of out_: why it failed first.
  void NoteFailure();

  std::ostream& out_;
  std::ostream& err_;
  const bool json_;
  // The end of the document, which is not written yet so that an error can still get in; empty when there is no document.
  std::string document_end_;
  // errno of the first write that failed; 0 when none did.
  int write_error_ = 0;
};

// One JSON document with a list in it, written element by element: {"accounts": [...]}. Prints nothing
// without --json. Left before Finish, it ends the document as it is.
class JsonList {
 public:
  // The document begins with the first element, or with Finish: an error before leaves standard output empty.
  JsonList(Output& output, absl::string_view name) : output_(output), name_(name) {}
  ~JsonList();
  JsonList(const JsonList&) = delete;
  JsonList& operator=(const JsonList&) = delete;

  void Add(const google::protobuf::Message& element);
  // Ends the document. `members` is more JSON for it: "\"checked_count\": \"3\""; may be empty.
  void Finish(absl::string_view members = "");

 private:
  void Begin();

  Output& output_;
  const absl::string_view name_;
  bool begun_ = false;
  bool any_ = false;
  bool finished_ = false;
};

// Aligned columns for a person.
class Table {
 public:
  struct Column {
    absl::string_view title;
    bool right = false;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // One cell for each column. Control characters are shown as escapes.
  void Row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // With the titles on top. Ends with a line end.
  std::string Text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "name:  value" lines, the values aligned.
class FieldList {
 public:
  void Add(absl::string_view name, absl::string_view value);
  std::string Text() const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// `text` in JSON quotes. Bytes that are not UTF-8 become U+FFFD.
std::string JsonQuote(absl::string_view text);
// A 64-bit number, as Protocol Buffers map it to JSON: "\"3\"".
std::string JsonNumber(uint64_t number);
// The document of a message with the field names of the .proto file and zero values included, on one line. A SHA-256 is
// in hex, as sha256sum prints it.
std::string JsonOf(const google::protobuf::Message& message);

// "512 B", "1.5 MiB".
std::string FormatBytes(uint64_t bytes);
// "no limit" for 0.
std::string FormatLimit(uint64_t limit);
std::string FormatBytesLimit(uint64_t bytes);
// "2026-11-23T05:00:00Z"; "-" when it is not set.
std::string FormatTime(const google::protobuf::Timestamp& time);
// "2d3h", "1h5m", "4.2s".
std::string FormatDuration(const google::protobuf::Duration& duration);
std::string YesNo(bool value);
// "1 message", "2 messages".
std::string Plural(uint64_t count, absl::string_view noun);
// Control characters as \xNN.
std::string Printable(absl::string_view text);

}  // namespace mailstead::ctl
