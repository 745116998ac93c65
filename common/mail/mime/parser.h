// Reads a message as it comes by, and tells what is where in it (RFC 5322, RFC 2045, RFC 2046). Pure; never fails:
// what is wrong is told as defects. Any split of the bytes gives the same message. Memory is bounded by limits.h,
// whatever comes.
//
//   Parser parser(charsets);
//   parser.Feed(bytes);                            // in pieces of any size
//   const Message message = parser.Finish();
//   const Part* part = message.FindPart("1.2");    // and then PartDecoder, with the octets from where they are kept
//
// Lines end in CRLF or in LF. A delimiter is a line that is one from its first byte to its last but blanks (RFC 2046
// section 5.1.1), so that a boundary may be the beginning of another one; of two equal ones the inner one counts.
//
// HeaderReader (common/mail/header_reader.h) sees a header as SMTP does, where CRLF alone ends a line, and gives fields
// on to those who decide while a message comes in. This sees it as a program for mail does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "common/mail/mime/charset.h"
#include "common/mail/mime/message.h"
#include "common/mail/mime/transfer_decoder.h"

namespace mailstead::mime {

class Parser {
 public:
  // `charsets` outlives the parser.
  explicit Parser(const Charsets& charsets);

  void Feed(absl::string_view bytes);
  // The message has ended. Once.
  Message Finish();

  // Before Finish: what there is so far. Of parts that have not ended all but their ends; of the last one, while
  // in_header, nothing yet but where it begins.
  const Message& so_far() const { return message_; }
  bool in_header() const { return in_header_; }

 private:
  // A part whose end is not there yet. The last one is where we are.
  struct OpenPart {
    size_t index;
    // Of a multipart; empty for others.
    std::string boundary;
    // Set by its close-delimiter.
    bool is_closed = false;
    // How many parts it has, those that were left out too.
    size_t child_count = 0;
  };

  // What the header of a part says of it, as it is written. A field that is there twice counts once.
  struct ContentFields {
    std::optional<std::string> type, disposition, encoding, id, description;
  };

  // Takes whole lines of a body off the front of `bytes` as long as there is nothing to see in them: what TakeLine
  // would do, for most of the bytes of most messages. Gives how many bytes they were.
  size_t TakePlainLines(absl::string_view bytes);
  // A line, or its first kLineHeadBytes; then `is_whole` is cleared and TakeRest gets the others.
  void TakeLine(absl::string_view line, bool is_whole);
  void TakeRest(absl::string_view bytes);

  void TakeHeaderLine(absl::string_view line, bool is_whole);
  // False when the line begins no field.
  bool BeginField(absl::string_view line);
  void AppendToField(absl::string_view bytes);
  void EndField();
  void KeepField(absl::string_view name, absl::string_view value);
  // The part's header has ended; its body begins at `body_begin`. A message in it begins there too.
  void EndHeader(uint64_t body_begin);
  void TakeContentFields(Part& part);
  void TakeContentType(Part& part);
  // Drops what does not fit in kMaxPartTextBytes.
  void BoundText(Part& part);
  // Goes into a multipart or message; a leaf's body is read on.
  void EnterBody();

  void TakeBody(absl::string_view bytes);
  // The line end that was held back is content.
  void FlushLineEnd();

  // Whether it was one. `line` is without its line end.
  bool TakeDelimiter(absl::string_view line, uint64_t next_line);
  void EndParts(size_t left_open, uint64_t end);
  void BeginPart(size_t parent, uint64_t begin, bool is_message, bool is_in_digest);

  Part& part() { return message_.parts[open_.back().index]; }
  // What is wrong with a line or a piece of it: its end; its bytes.
  void NoteLineEnd(absl::string_view bytes);
  void NoteHeaderBytes(absl::string_view bytes);
  void NoteBodyBytes(absl::string_view bytes);

  const Charsets& charsets_;
  Message message_;
  std::vector<OpenPart> open_;
  // Bytes of a line that has not ended, less than kLineHeadBytes.
  std::string held_;
  // Set while the rest of a line comes that was too long to be looked at whole.
  bool in_rest_ = false;
  // The last byte of this line's earlier pieces; NUL when there are none.
  char last_byte_ = '\0';
  // Set by a CR at the end of a piece of a header line: what follows says whether it is bare.
  bool cr_waits_ = false;
  // Where the bytes begin that come next to TakeLine or TakeRest.
  uint64_t offset_ = 0;

  bool in_header_ = true;
  // Set while the header is one of a message: a line of mbox may stand in front of it.
  bool header_is_of_message_ = true;
  // The type of a part that names none (RFC 2046 section 5.1.5).
  bool part_is_in_digest_ = false;
  // The field under way, when it is one that is kept.
  bool in_field_ = false;
  bool field_is_kept_ = false;
  std::string field_name_;
  std::string field_value_;
  uint64_t field_begin_ = 0;
  uint64_t field_bytes_ = 0;
  ContentFields content_fields_;
  // Of the message's own header.
  size_t header_bytes_ = 0;
  // One bit for each field that may be there once.
  uint32_t seen_fields_ = 0;

  // The boundary of the part whose header was read.
  std::string boundary_;
  size_t text_bytes_ = 0;
  // A line end, or a CR that may be one, which is content unless a delimiter follows.
  absl::string_view line_end_;
  // Of a leaf that is encoded: counts what it decodes to.
  std::optional<TransferDecoder> decoder_;
};

}  // namespace mailstead::mime
