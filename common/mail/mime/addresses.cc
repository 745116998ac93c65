#include "common/mail/mime/addresses.h"

#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/tokens.h"
#include "common/mail/mime/words.h"

namespace mailstead::mime {
namespace {

class AddressListParser {
 public:
  AddressListParser(absl::string_view value, const Charsets& charsets) : left_(value), charsets_(charsets) {}

  AddressList Parse() {
    while (!left_.empty() && !is_full_) TakeOne();
    if (!is_full_) EndMailbox();
    return std::move(list_);
  }

 private:
  void TakeOne() {
    const char c = left_.front();
    if (IsWhite(c)) {
      left_.remove_prefix(1);
      after_blank_ = true;
      return;
    }
    if (c == '(') {
      std::string comment = TakeComment(left_);
      if (!in_angle_) comment_ = std::move(comment);
      after_blank_ = true;
      return;
    }
    if (c == '"') return TakeQuoted();
    if (c == '[') return TakeLiteral();
    // An encoded word may hold what has a meaning outside: writers forget to encode commas.
    if (const size_t word = in_angle_ ? 0 : EncodedWordBytes(left_); word > 0) {
      Append(left_.substr(0, word));
      left_.remove_prefix(word);
      return;
    }
    left_.remove_prefix(1);
    switch (c) {
      case '<':
        return BeginAngle();
      case '>':
        return EndAngle();
      case ',':
        // Of a route, as in <@a,@b:c@d>.
        if (in_angle_ && absl::StartsWith(words_, "@")) return;
        return EndMailbox();
      case ';':
        EndMailbox();
        in_group_ = false;
        starts_anew_ = true;
        return;
      case ':':
        return TakeColon();
      default:
        Append(absl::string_view(&c, 1));
    }
  }

  void TakeQuoted() {
    const absl::string_view begin = left_;
    bool is_whole = true;
    const std::string content = TakeQuotedString(left_, is_whole);
    if (!is_whole) list_.is_malformed = true;
    const absl::string_view written = begin.substr(0, begin.size() - left_.size());
    Append(written, content);
  }

  void TakeLiteral() {
    size_t end = left_.find(']');
    if (end == left_.npos) end = left_.size() - 1;
    Append(left_.substr(0, end + 1));
    left_.remove_prefix(end + 1);
  }

  void Append(absl::string_view written) { Append(written, written); }

  // A word, or a character of one, as it is in an address and as it is in a name.
  void Append(absl::string_view written, absl::string_view shown) {
    if (had_angle_ && !in_angle_) {
      // Text behind an address belongs to nothing.
      list_.is_malformed = true;
      return;
    }
    if (after_blank_ && !phrase_.empty()) phrase_.push_back(' ');
    absl::StrAppend(&phrase_, shown);
    // Around dots and the at sign there may be blanks (section 4.4).
    const bool joins =
        words_.empty() || words_.back() == '.' || words_.back() == '@' || written == "." || written == "@";
    if (after_blank_ && !joins) BeginWord();
    after_blank_ = false;
    if (written == "@" && address_begin_ == words_.npos) address_begin_ = word_begin_;
    absl::StrAppend(&words_, written);
  }

  void BeginWord() {
    if (address_begin_ != words_.npos && address_end_ == words_.npos) address_end_ = words_.size();
    words_.push_back(' ');
    word_begin_ = words_.size();
  }

  void BeginAngle() {
    if (had_angle_) {
      list_.is_malformed = true;
      EndMailbox();
    }
    in_angle_ = had_angle_ = true;
    name_ = std::exchange(phrase_, "");
    words_.clear();
    after_blank_ = false;
  }

  void EndAngle() {
    if (!in_angle_) list_.is_malformed = true;
    in_angle_ = false;
  }

  void TakeColon() {
    if (in_angle_) {
      // The end of a route.
      words_.clear();
      return;
    }
    if (in_group_ || had_angle_) {
      list_.is_malformed = true;
      return EndMailbox();
    }
    if (!CountOne()) return;
    in_group_ = true;
    list_.groups.push_back({.is_group = true, .name = DecodeText(phrase_, charsets_), .mailboxes = {}});
    starts_anew_ = false;
    StartMailbox();
  }

  void EndMailbox() {
    if (in_angle_) list_.is_malformed = true;
    if (had_angle_ || !words_.empty()) Give(MailboxRead());
    StartMailbox();
  }

  Mailbox MailboxRead() {
    Mailbox mailbox;
    std::string address;
    if (had_angle_) {
      mailbox.name = DecodeText(name_, charsets_);
      address = words_;
    } else {
      // Words, of which one may be an address.
      if (word_begin_ > 0) list_.is_malformed = true;
      if (address_begin_ != words_.npos) {
        mailbox.name = DecodeText(absl::string_view(words_).substr(0, address_begin_), charsets_);
        address = words_.substr(address_begin_, address_end_ - address_begin_);
      } else if (word_begin_ > 0) {
        mailbox.name = DecodeText(phrase_, charsets_);
      } else {
        address = words_;
      }
    }
    if (mailbox.name.empty()) mailbox.name = DecodeText(comment_, charsets_);
    if (address.find('@') == address.npos) list_.is_malformed = true;
    mailbox.address = OneLine(charsets_.Decode("", address));
    return mailbox;
  }

  void Give(Mailbox mailbox) {
    if (!CountOne()) return;
    if (list_.groups.empty() || starts_anew_) list_.groups.emplace_back();
    starts_anew_ = false;
    list_.groups.back().mailboxes.push_back(std::move(mailbox));
  }

  // Of mailboxes and groups. False when there may be no more.
  bool CountOne() {
    if (count_ == kMaxAddressCount) {
      list_.is_malformed = is_full_ = true;
      return false;
    }
    ++count_;
    return true;
  }

  void StartMailbox() {
    phrase_.clear();
    words_.clear();
    name_.clear();
    comment_.clear();
    after_blank_ = in_angle_ = had_angle_ = false;
    word_begin_ = 0;
    address_begin_ = address_end_ = words_.npos;
  }

  absl::string_view left_;
  const Charsets& charsets_;
  AddressList list_;
  size_t count_ = 0;
  bool is_full_ = false;
  bool in_group_ = false;
  // Set behind a group: the next mailbox is in none.
  bool starts_anew_ = false;
  // Of the mailbox under way: its words as a name has them, and as an address has them.
  std::string phrase_;
  std::string words_;
  // In `words_`: where the last word begins; where the one with the at sign begins and ends, npos where it does not.
  size_t word_begin_ = 0;
  size_t address_begin_ = std::string::npos;
  size_t address_end_ = std::string::npos;
  // What was in front of the angle bracket.
  std::string name_;
  // The last one.
  std::string comment_;
  bool after_blank_ = false;
  bool in_angle_ = false;
  // Set from the opening angle bracket to the end of the mailbox.
  bool had_angle_ = false;
};

}  // namespace

AddressList ParseAddressList(absl::string_view value, const Charsets& charsets) {
  return AddressListParser(value, charsets).Parse();
}

}  // namespace mailstead::mime
