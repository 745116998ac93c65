// Reads the header of a message as it comes by (RFC 5322 section 2.2) and gives each whole field to
// observers. Pure; bounded; any split of the bytes gives the same fields.
//
//   HopCounter hops;
//   HeaderReader header({&hops});
//   header.Feed("Received: from a\r\n by b\r\nSub");   // gives hops the Received field, at the S
//   header.Feed("ject: x\r\n\r\nbody");                // gives it Subject, at the empty line: the end
//   header.Finish();
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead {

// One field. What it points to stays for the time of OnField only.
struct HeaderField {
  // As written, without the blanks that may stand in front of the colon (RFC 5322 section 4.5).
  absl::string_view name;
  // What stands behind the colon, as it came: with its folding, without the CRLF at its end.
  absl::string_view value;
  // The whole field as it came, with the CRLF at its end, unless the message ended without one.
  absl::string_view raw;
  // Set when the field is longer than kMaxHeaderFieldBytes: `raw` and `value` are its beginning.
  bool cut = false;

  // Compares as names do: in any case of letters.
  bool Is(absl::string_view other_name) const;
  // The value without the CRLFs of its folding (RFC 5322 section 2.2.3) and without blanks at its ends.
  std::string Unfolded() const;
};

// Of a field that does not come in one piece so much is kept. It is far above what writers of mail make, and
// what a message in pieces costs anyway.
inline constexpr size_t kMaxHeaderFieldBytes = 32'768;

class HeaderObserver {
 public:
  virtual ~HeaderObserver() = default;
  virtual void OnField(const HeaderField& field) = 0;
};

class HeaderReader {
 public:
  // Tells nobody: for what it says itself.
  HeaderReader() = default;
  // `observers` outlive the reader. They are told of each field in their order.
  explicit HeaderReader(std::initializer_list<HeaderObserver*> observers) : observers_(observers) {}

  // Bytes of the message in order, lines ending in CRLF. What comes behind the header is not looked at.
  void Feed(absl::string_view bytes);
  // The message has ended: its last field needs no further line. Once.
  void Finish();

  // Set by the first line that is not a part of a field: the empty line between header and body, or a line
  // that is no field. Set by Finish too.
  bool ended() const { return state_ == State::kEnded; }
  // Set when the first line of the message is neither a field nor empty: the message has no header, and an
  // empty line must stand between fields that are put in front of it and its text (RFC 5322 section 2.1).
  bool begins_with_text() const { return begins_with_text_; }

 private:
  enum class State { kLineStart, kName, kAfterName, kValue, kValueCr, kEmptyLineCr, kEnded };

  // Looks at the byte at `at` and perhaps at some behind it, and gives the place of the next one to look at.
  // `begin` is where the field begins in these bytes.
  size_t Next(absl::string_view bytes, size_t at, size_t& begin);
  size_t BeginLine(absl::string_view bytes, size_t at, size_t& begin);
  // The header ends at a line that is no field and not empty.
  void EndAtText();
  // Keeps the beginning of a field whose end is not there yet.
  void Keep(absl::string_view bytes);
  // Gives the field that ends with `rest` to the observers.
  void Give(absl::string_view rest);

  const std::vector<HeaderObserver*> observers_{};
  State state_ = State::kLineStart;
  // Set by the first field, never cleared: a line that is no field is text of a message without a header only
  // before it.
  bool has_field_ = false;
  // Set by the colon of a field, cleared when the field is given: a line that begins with a blank continues
  // it.
  bool in_field_ = false;
  bool begins_with_text_ = false;
  // The field's bytes of earlier pieces, at most kMaxHeaderFieldBytes.
  std::string kept_;
  // How many bytes of the field were in earlier pieces, kept or not.
  size_t kept_from_bytes_ = 0;
  // Of the field: where its name ends, and where its value begins.
  size_t name_bytes_ = 0;
  size_t value_begin_ = 0;
};

}  // namespace mailstead
