#include "common/mail/mailboxes.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "common/base/status.h"

namespace mailstead {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

absl::Status Malformed(absl::string_view why) { return absl::InvalidArgumentError(why); }

class MailboxListParser {
 public:
  explicit MailboxListParser(absl::string_view value) : left_(value) {}

  absl::StatusOr<std::vector<Address>> Parse() {
    while (!left_.empty()) RETURN_IF_ERROR(TakeOne());
    if (in_angle_) return Malformed("an address without its closing angle bracket");
    RETURN_IF_ERROR(EndMailbox());
    return std::move(found_);
  }

 private:
  absl::Status TakeOne() {
    const char c = left_.front();
    if (IsBlank(c)) {
      left_.remove_prefix(1);
      after_blank_ = true;
      return absl::OkStatus();
    }
    if (c == '(') {
      after_blank_ = true;
      return PassOverComment();
    }
    if (c == '"') return TakeDelimited('"');
    if (c == '[') return TakeDelimited(']');
    left_.remove_prefix(1);
    switch (c) {
      case '<':
        return BeginAngle();
      case '>':
        return EndAngle();
      case ',':
        if (in_angle_) return Malformed("a route");
        return EndMailbox();
      case ':':
        return BeginGroup();
      case ';':
        if (!in_group_ || in_angle_) return Malformed("a semicolon outside of a group");
        in_group_ = false;
        return EndMailbox();
      default:
        return Append(absl::string_view(&c, 1));
    }
  }

  // Comments nest.
  absl::Status PassOverComment() {
    size_t depth = 0;
    while (!left_.empty()) {
      const char c = left_.front();
      left_.remove_prefix(1);
      if (c == '\\' && !left_.empty()) left_.remove_prefix(1);
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return absl::OkStatus();
    }
    return Malformed("a comment without its end");
  }

  // A quoted string or an address literal, at whose opening character we are.
  absl::Status TakeDelimited(char end) {
    for (size_t i = 1; i < left_.size(); ++i) {
      if (left_[i] == '\\') {
        ++i;
      } else if (left_[i] == end) {
        const absl::string_view taken = left_.substr(0, i + 1);
        left_.remove_prefix(taken.size());
        return Append(taken);
      }
    }
    return Malformed("a quoted string or address literal without its end");
  }

  absl::Status Append(absl::string_view token) {
    if (had_angle_ && !in_angle_) return Malformed("text behind an address");
    // Two words; around the dots and the at sign there may be blanks (RFC 5322 section 4.4).
    const bool joins =
        text_.empty() || text_.back() == '.' || text_.back() == '@' || token == "." || token == "@";
    if (after_blank_ && !joins) has_words_ = true;
    after_blank_ = false;
    text_.append(token.data(), token.size());
    return absl::OkStatus();
  }

  absl::Status BeginAngle() {
    if (had_angle_) return Malformed("two addresses without a comma between");
    in_angle_ = had_angle_ = true;
    // What was in front of it is a name.
    StartText();
    return absl::OkStatus();
  }

  absl::Status EndAngle() {
    if (!in_angle_) return Malformed("a closing angle bracket without an opening one");
    in_angle_ = false;
    return absl::OkStatus();
  }

  absl::Status BeginGroup() {
    if (in_group_ || had_angle_) return Malformed("a colon in an address");
    in_group_ = true;
    StartText();
    return absl::OkStatus();
  }

  absl::Status EndMailbox() {
    const bool nothing = text_.empty() && !had_angle_;
    if (!nothing) {
      if (has_words_) return Malformed("words that are no address");
      ASSIGN_OR_RETURN(Address address, ParseAddress(text_));
      found_.push_back(std::move(address));
    }
    had_angle_ = false;
    StartText();
    return absl::OkStatus();
  }

  void StartText() {
    text_.clear();
    has_words_ = false;
    after_blank_ = false;
  }

  absl::string_view left_;
  std::vector<Address> found_;
  // Of the mailbox under way: a name, or an address, without comments and blanks.
  std::string text_;
  // Set when there was a blank between two words of it.
  bool has_words_ = false;
  bool after_blank_ = false;
  bool in_angle_ = false;
  // Set from the opening angle bracket to the end of the mailbox.
  bool had_angle_ = false;
  bool in_group_ = false;
};

}  // namespace

absl::StatusOr<std::vector<Address>> ParseMailboxList(absl::string_view value) {
  return MailboxListParser(value).Parse();
}

}  // namespace mailstead
