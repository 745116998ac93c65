// Replies of other hosts, as values (RFC 5321 section 4.2, RFC 2034, RFC 3463). Pure; bounded; any split of the bytes
// gives the same replies.
//
//   reply       = *( code "-" text end ) code ( " " text end / end )
//   code        = ( "2" / "3" / "4" / "5" ) 2DIGIT
//   end         = [ CR ] LF
//   text        = [ enhanced ( SP / end of text ) ] anything but LF
//
// A line may end in LF alone, which some hosts send: what a peer answers goes to nobody else, so that a line end cannot
// be read in two ways. Lines of one reply should have one code (section 4.2.1). Where they differ, the last one counts
// as long as all are of one class (first digit); a reply of two classes says nothing, and is malformed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "smtpd/protocol/limits.h"

namespace mailstead::smtp {

struct PeerReply {
  // 200 to 599.
  int code = 0;
  // The enhanced status code of its first line ("5.1.1"). Empty: it has none, or one whose class is not that of the
  // code, which then stays in the text.
  std::string enhanced;
  // The texts of its lines, without the enhanced code, as they came: any bytes but LF.
  std::vector<std::string> lines;

  // 2 to 5.
  int code_class() const { return code / 100; }
  // The lines as one, parted by blanks: safe to show (PrintableUtf8), at most kMaxPeerTextBytes.
  std::string Text() const;
};

class ReplyParser {
 public:
  enum class Kind {
    // All bytes were taken, and more are needed.
    kNeedMore,
    // A reply is whole: Take it before the next Feed.
    kReply,
    // A line is not of the grammar. What follows cannot be understood; garbage() says what it was.
    kMalformed,
    // More than kMaxPeerReplyBytes without an end.
    kTooLong,
  };
  struct Result {
    Kind kind = Kind::kNeedMore;
    // How many of the bytes were taken: those of this reply. What follows belongs to the next one.
    size_t consumed = 0;
  };
  // After kMalformed and kTooLong the parser must be Reset before it is used again.
  Result Feed(absl::string_view bytes);
  PeerReply Take();
  // True when a part of a reply was taken.
  bool in_reply() const { return size_bytes_ > 0; }
  // Of the line that is not of the grammar: safe to show.
  const std::string& garbage() const { return garbage_; }
  // Forgets everything. SECURITY: after STARTTLS nothing sent before the handshake may be believed.
  void Reset();

 private:
  Kind TakeLine();

  PeerReply reply_;
  // The line that has begun.
  std::string line_;
  // Bytes of the reply so far.
  size_t size_bytes_ = 0;
  std::string garbage_;
};

}  // namespace mailstead::smtp
