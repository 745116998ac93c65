#include "common/mail/mime/parser.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/mail/mime/all_bytes.h"
#include "common/mail/mime/content_field.h"
#include "common/mail/mime/limits.h"
#include "common/mail/mime/message_ids.h"
#include "common/mail/mime/tokens.h"
#include "common/mail/mime/words.h"

namespace mailstead::mime {
namespace {

// What is looked at of a line: one of kMaxLineBytes is whole in it with its line end.
constexpr size_t kLineHeadBytes = kMaxLineBytes + 2;

// Fields that may be there once (RFC 5322 section 3.6).
constexpr absl::string_view kSingleFields[] = {"Date",       "From",        "Sender",    "Reply-To",
                                               "To",         "Cc",          "Bcc",       "Subject",
                                               "Message-ID", "In-Reply-To", "References"};

constexpr absl::string_view kCr = "\r";
constexpr absl::string_view kCrLf = "\r\n";
constexpr absl::string_view kLf = "\n";

// What is a defect somewhere in the text of a line.
uint8_t IsNotPlain(uint8_t c) { return static_cast<uint8_t>((c >= 0x80) | (c == '\0') | (c == '\r')); }

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// ftext of RFC 5322 section 3.6.8.
bool IsNameCharacter(char c) { return c > 0x20 && c < 0x7f && c != ':'; }

// CRLF, LF, or a CR that may become a CRLF.
absl::string_view LineEndOf(absl::string_view bytes) {
  for (const absl::string_view end : {kCrLf, kLf, kCr}) {
    if (absl::EndsWith(bytes, end)) return end;
  }
  return "";
}

absl::string_view WithoutLineEnd(absl::string_view line) {
  if (absl::ConsumeSuffix(&line, "\n")) absl::ConsumeSuffix(&line, "\r");
  return line;
}

bool Contains(absl::string_view bytes, char c) {
  return !bytes.empty() && std::memchr(bytes.data(), c, bytes.size()) != nullptr;
}

bool HasHighBytes(absl::string_view bytes) {
  uint64_t all = 0;
  size_t at = 0;
  for (; bytes.size() - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
    uint64_t eight;
    std::memcpy(&eight, bytes.data() + at, sizeof eight);
    all |= eight;
  }
  for (; at < bytes.size(); ++at) all |= static_cast<unsigned char>(bytes[at]);
  return (all & 0x8080808080808080u) != 0;
}

// A line that mbox has in front of a message, and a program that forgot to take it away.
bool IsEnvelopeLine(absl::string_view line) {
  absl::ConsumePrefix(&line, ">");
  return absl::StartsWith(line, "From ");
}

bool IsMessageType(absl::string_view media_type) {
  return media_type == "message/rfc822" || media_type == "message/global";
}

std::string WithoutComments(absl::string_view value) {
  std::string text;
  while (!value.empty()) {
    if (value.front() == '(') {
      TakeComment(value);
    } else {
      if (!IsWhite(value.front())) text.push_back(value.front());
      value.remove_prefix(1);
    }
  }
  return text;
}

bool IsBoundary(absl::string_view boundary) {
  return !boundary.empty() && boundary.size() <= kMaxBoundaryBytes && !Contains(boundary, '\n');
}

}  // namespace

Parser::Parser(const Charsets& charsets) : charsets_(charsets) { BeginPart(kNoParent, 0, true, false); }

void Parser::Feed(absl::string_view bytes) {
  while (bytes.remove_prefix(TakePlainLines(bytes)), !bytes.empty()) {
    const void* const found = std::memchr(bytes.data(), '\n', bytes.size());
    const size_t line_bytes = found == nullptr
                                  ? bytes.size()
                                  : static_cast<size_t>(static_cast<const char*>(found) - bytes.data()) + 1;
    absl::string_view line = bytes.substr(0, line_bytes);
    bytes.remove_prefix(line_bytes);
    if (!in_rest_) {
      const absl::string_view head = line.substr(0, kLineHeadBytes - held_.size());
      line.remove_prefix(head.size());
      const bool is_whole = line.empty() && found != nullptr;
      if (!is_whole && held_.size() + head.size() < kLineHeadBytes) {
        held_.append(head.data(), head.size());
        return;
      }
      if (held_.empty()) {
        TakeLine(head, is_whole);
      } else {
        held_.append(head.data(), head.size());
        TakeLine(held_, is_whole);
        held_.clear();
      }
      in_rest_ = !is_whole;
    }
    if (!line.empty()) {
      TakeRest(line);
      in_rest_ = found == nullptr;
    }
  }
}

Message Parser::Finish() {
  if (!held_.empty()) TakeLine(held_, true);
  // A message in a part has a header of its own, which has ended, too.
  if (cr_waits_) part().defects.Add(Defect::kBareCr);
  while (in_header_) EndHeader(offset_);
  FlushLineEnd();
  EndParts(0, offset_);
  return std::move(message_);
}

size_t Parser::TakePlainLines(absl::string_view bytes) {
  if (in_header_ || in_rest_ || !held_.empty() || line_end_ == kCr) return 0;
  if (decoder_ && decoder_->encoding() != Encoding::kBase64) return 0;
  size_t taken = 0;
  size_t characters = 0;
  while (taken < bytes.size()) {
    const absl::string_view left = bytes.substr(taken, kLineHeadBytes);
    const void* const found = std::memchr(left.data(), '\n', left.size());
    if (found == nullptr) break;
    const auto text_bytes = static_cast<size_t>(static_cast<const char*>(found) - left.data());
    if (text_bytes == 0 || left[text_bytes - 1] != '\r') break;
    const absl::string_view text = left.substr(0, text_bytes - 1);
    if (absl::StartsWith(text, "--")) break;
    if (!(decoder_ ? IsBase64Alphabet(text) : AllBytes<IsNotPlain>(text))) break;
    characters += text.size();
    taken += text_bytes + 1;
  }
  if (taken == 0) return 0;
  if (decoder_) decoder_->CountBase64(characters);
  line_end_ = kCrLf;
  offset_ += taken;
  return taken;
}

void Parser::TakeLine(absl::string_view line, bool is_whole) {
  const absl::string_view text = is_whole ? WithoutLineEnd(line) : line;
  if (!is_whole || text.size() > kMaxLineBytes) part().defects.Add(Defect::kLineTooLong);
  const uint64_t next_line = offset_ + line.size();
  last_byte_ = '\0';
  NoteLineEnd(line);
  if (is_whole && absl::StartsWith(text, "--") && TakeDelimiter(text, next_line)) {
    offset_ = next_line;
    return;
  }
  if (in_header_) {
    TakeHeaderLine(line, is_whole);
  } else {
    TakeBody(line);
  }
  offset_ = next_line;
}

void Parser::TakeRest(absl::string_view bytes) {
  NoteLineEnd(bytes);
  if (in_header_) {
    NoteHeaderBytes(bytes);
    AppendToField(bytes);
  } else {
    TakeBody(bytes);
  }
  offset_ += bytes.size();
}

void Parser::TakeHeaderLine(absl::string_view line, bool is_whole) {
  const absl::string_view text = is_whole ? WithoutLineEnd(line) : line;
  const bool is_first = offset_ == part().header_begin;
  if (text.empty()) return EndHeader(offset_ + line.size());
  if (in_field_ && IsBlank(text.front())) {
    NoteHeaderBytes(line);
    return AppendToField(line);
  }
  EndField();
  if (BeginField(line)) return NoteHeaderBytes(line);
  if (is_first && header_is_of_message_ && IsEnvelopeLine(text)) {
    part().defects.Add(Defect::kEnvelopeLine);
    return NoteHeaderBytes(line);
  }
  part().defects.Add(Defect::kHeaderWithoutEnd);
  EndHeader(offset_);
  // A message in the part begins with this line.
  if (in_header_) return TakeHeaderLine(line, is_whole);
  TakeBody(line);
}

bool Parser::BeginField(absl::string_view line) {
  size_t end = 0;
  while (end < line.size() && IsNameCharacter(line[end])) ++end;
  const absl::string_view name = line.substr(0, end);
  while (end < line.size() && IsBlank(line[end])) ++end;
  if (name.empty() || end == line.size() || line[end] != ':') return false;
  in_field_ = true;
  field_begin_ = offset_;
  const bool is_own = open_.size() == 1;
  field_is_kept_ = is_own || absl::StartsWithIgnoreCase(name, "content-");
  if (field_is_kept_) field_name_.assign(name.data(), name.size());
  field_value_.clear();
  field_bytes_ = end + 1;
  AppendToField(line.substr(end + 1));
  return true;
}

void Parser::AppendToField(absl::string_view bytes) {
  if (!in_field_) return;
  field_bytes_ += bytes.size();
  if (!field_is_kept_) return;
  const absl::string_view fitting = bytes.substr(0, kMaxHeaderFieldBytes - field_value_.size());
  field_value_.append(fitting.data(), fitting.size());
  if (fitting.size() < bytes.size()) part().defects.Add(Defect::kFieldTooLong);
}

void Parser::EndField() {
  if (!in_field_) return;
  in_field_ = false;
  if (!field_is_kept_) return;
  KeepField(field_name_, WithoutLineEnd(field_value_));
}

void Parser::KeepField(absl::string_view name, absl::string_view value) {
  std::optional<std::string>* content = nullptr;
  if (absl::EqualsIgnoreCase(name, "Content-Type")) content = &content_fields_.type;
  if (absl::EqualsIgnoreCase(name, "Content-Disposition")) content = &content_fields_.disposition;
  if (absl::EqualsIgnoreCase(name, "Content-Transfer-Encoding")) content = &content_fields_.encoding;
  if (absl::EqualsIgnoreCase(name, "Content-ID")) content = &content_fields_.id;
  if (absl::EqualsIgnoreCase(name, "Content-Description")) content = &content_fields_.description;
  if (content != nullptr) {
    if (content->has_value()) {
      part().defects.Add(Defect::kDuplicateField);
    } else {
      *content = std::string(value);
    }
  }
  if (open_.size() > 1) return;
  for (size_t i = 0; i < std::size(kSingleFields); ++i) {
    if (!absl::EqualsIgnoreCase(name, kSingleFields[i])) continue;
    if ((seen_fields_ >> i & 1) != 0) part().defects.Add(Defect::kDuplicateField);
    seen_fields_ |= uint32_t{1} << i;
  }
  header_bytes_ += name.size() + value.size();
  if (header_bytes_ > kMaxHeaderBytes || message_.fields.size() == kMaxFieldCount) {
    part().defects.Add(Defect::kHeaderTooLarge);
    return;
  }
  message_.fields.push_back({.name = std::string(name),
                             .value = std::string(value),
                             .begin = field_begin_,
                             .end = field_begin_ + field_bytes_});
}

void Parser::EndHeader(uint64_t body_begin) {
  EndField();
  in_header_ = false;
  part().body_begin = body_begin;
  TakeContentFields(part());
  content_fields_ = {};
  EnterBody();
}

void Parser::TakeContentFields(Part& part) {
  TakeContentType(part);
  if (content_fields_.encoding) {
    part.encoding = EncodingOf(WithoutComments(*content_fields_.encoding));
    if (part.encoding == Encoding::kUnknown) part.defects.Add(Defect::kUnknownEncoding);
  }
  if (content_fields_.disposition) {
    ContentField disposition = ParseContentField(*content_fields_.disposition, charsets_);
    part.defects.Add(disposition.defects);
    part.disposition = std::move(disposition.value);
    part.file_name = std::string(disposition.Find("filename"));
  }
  if (part.file_name.empty()) part.file_name = std::string(part.Find("name"));
  if (content_fields_.id) {
    std::vector<std::string> ids = ParseMessageIds(*content_fields_.id);
    if (!ids.empty()) part.content_id = std::move(ids.front());
  }
  if (content_fields_.description) part.description = DecodeText(*content_fields_.description, charsets_);
  BoundText(part);
}

void Parser::TakeContentType(Part& part) {
  part.media_type = part_is_in_digest_ ? "message/rfc822" : "text/plain";
  if (!content_fields_.type) return;
  ContentField type = ParseContentField(*content_fields_.type, charsets_);
  part.defects.Add(type.defects);
  // What stands behind a blank is text that no semicolon is in front of.
  const absl::string_view value = type.value;
  const size_t end = value.find(' ');
  if (end != value.npos) part.defects.Add(Defect::kBadContentType);
  if (value.substr(0, end).size() <= kMaxMediaTypeBytes && IsMediaType(value.substr(0, end))) {
    part.media_type = std::string(value.substr(0, end));
  } else {
    part.media_type = "text/plain";
    part.defects.Add(Defect::kBadContentType);
  }
  part.parameters = std::move(type.parameters);
  // Blanks at the end are none of a boundary's (RFC 2046 section 5.1.1), nor of a delimiter's.
  absl::StripTrailingAsciiWhitespace(&type.boundary);
  boundary_ = std::move(type.boundary);
  if (part.is_text() && !charsets_.Knows(part.Find("charset"))) part.defects.Add(Defect::kUnknownCharset);
}

void Parser::BoundText(Part& part) {
  size_t bytes =
      part.disposition.size() + part.file_name.size() + part.content_id.size() + part.description.size();
  for (const Parameter& parameter : part.parameters) {
    bytes += sizeof parameter + parameter.name.size() + parameter.value.size();
  }
  if (text_bytes_ + bytes <= kMaxPartTextBytes) {
    text_bytes_ += bytes;
    return;
  }
  part.defects.Add(Defect::kPartTextDropped);
  part.parameters.clear();
  part.disposition.clear();
  part.file_name.clear();
  part.content_id.clear();
  part.description.clear();
}

void Parser::EnterBody() {
  Part& entered = part();
  const std::string boundary = std::exchange(boundary_, "");
  const bool is_encoded =
      entered.encoding == Encoding::kBase64 || entered.encoding == Encoding::kQuotedPrintable;
  if (absl::StartsWith(entered.media_type, "multipart/")) {
    if (is_encoded) entered.defects.Add(Defect::kEncodedMultipart);
    if (!IsBoundary(boundary)) {
      entered.defects.Add(Defect::kNoBoundary);
    } else if (open_.size() == kMaxDepth) {
      entered.defects.Add(Defect::kTooDeep);
    } else {
      entered.has_parts = true;
      open_.back().boundary = boundary;
    }
  } else if (IsMessageType(entered.media_type)) {
    // RFC 6532 section 3.7 lets message/global be encoded.
    if (is_encoded) {
      if (entered.media_type == "message/rfc822") entered.defects.Add(Defect::kEncodedMessage);
    } else if (open_.size() == kMaxDepth) {
      entered.defects.Add(Defect::kTooDeep);
    } else if (message_.parts.size() == kMaxPartCount) {
      entered.defects.Add(Defect::kTooManyParts);
    } else {
      entered.has_parts = true;
      return BeginPart(open_.back().index, entered.body_begin, true, false);
    }
  }
  const bool is_multipart = absl::StartsWith(entered.media_type, "multipart/");
  if (is_encoded && !is_multipart) decoder_.emplace(entered.encoding);
}

void Parser::TakeBody(absl::string_view bytes) {
  if (line_end_ == kCr && absl::StartsWith(bytes, kLf)) {
    line_end_ = kCrLf;
    return;
  }
  FlushLineEnd();
  line_end_ = LineEndOf(bytes);
  bytes.remove_suffix(line_end_.size());
  if (bytes.empty()) return;
  NoteBodyBytes(bytes);
  if (decoder_) decoder_->Feed(bytes, nullptr);
}

void Parser::FlushLineEnd() {
  if (line_end_.empty()) return;
  if (line_end_ == kCr) part().defects.Add(Defect::kBareCr);
  if (decoder_) decoder_->Feed(line_end_, nullptr);
  line_end_ = "";
}

void Parser::NoteLineEnd(absl::string_view bytes) {
  if (bytes.back() == '\n') {
    const char before = bytes.size() > 1 ? bytes[bytes.size() - 2] : last_byte_;
    if (before != '\r') part().defects.Add(Defect::kBareLf);
  }
  last_byte_ = bytes.back();
}

void Parser::NoteHeaderBytes(absl::string_view bytes) {
  DefectSet& defects = part().defects;
  if (Contains(bytes, '\0')) defects.Add(Defect::kNul);
  if (HasHighBytes(bytes)) defects.Add(Defect::k8BitHeader);
  if (cr_waits_ && bytes.front() != '\n') defects.Add(Defect::kBareCr);
  cr_waits_ = bytes.back() == '\r';
  bytes.remove_suffix(LineEndOf(bytes).size());
  if (Contains(bytes, '\r')) defects.Add(Defect::kBareCr);
}

void Parser::NoteBodyBytes(absl::string_view bytes) {
  DefectSet& defects = part().defects;
  if (Contains(bytes, '\0')) defects.Add(Defect::kNul);
  if (Contains(bytes, '\r')) defects.Add(Defect::kBareCr);
  const Encoding encoding = part().encoding;
  if (encoding != Encoding::k8Bit && encoding != Encoding::kBinary && HasHighBytes(bytes)) {
    defects.Add(Defect::k8BitIn7Bit);
  }
}

bool Parser::TakeDelimiter(absl::string_view line, uint64_t next_line) {
  if (line.size() > kMaxLineBytes) return false;
  line.remove_prefix(2);
  while (!line.empty() && IsBlank(line.back())) line.remove_suffix(1);
  absl::string_view closing = line;
  const bool may_close = absl::ConsumeSuffix(&closing, "--");
  size_t closed = kNoParent;
  for (size_t i = open_.size(); i-- > 0;) {
    OpenPart& candidate = open_[i];
    if (candidate.boundary.empty()) continue;
    const bool closes = may_close && closing == candidate.boundary;
    if (!closes && line != candidate.boundary) continue;
    if (candidate.is_closed) {
      closed = candidate.index;
      continue;
    }
    while (in_header_) EndHeader(offset_);
    // A message without a header may have been begun there: `candidate` may have moved.
    EndParts(i + 1, offset_ - line_end_.size());
    line_end_ = "";
    OpenPart& multipart = open_[i];
    if (closes) {
      multipart.is_closed = true;
      return true;
    }
    ++multipart.child_count;
    if (message_.parts.size() == kMaxPartCount) {
      part().defects.Add(Defect::kTooManyParts);
      return true;
    }
    BeginPart(multipart.index, next_line, false, part().media_type == "multipart/digest");
    return true;
  }
  if (closed != kNoParent) message_.parts[closed].defects.Add(Defect::kPartAfterEnd);
  return false;
}

void Parser::EndParts(size_t left_open, uint64_t end) {
  while (open_.size() > left_open) {
    const OpenPart& ended = open_.back();
    Part& part = message_.parts[ended.index];
    // An empty line behind the header is the delimiter's line end as well: then the body is empty.
    part.end = end;
    part.decoded_bytes = part.encoded_bytes();
    if (!ended.boundary.empty()) {
      if (!ended.is_closed) part.defects.Add(Defect::kMissingEndBoundary);
      if (ended.child_count == 0) part.defects.Add(Defect::kMissingStartBoundary);
    }
    // Only a leaf has one, and it is the first one to end.
    if (decoder_) {
      decoder_->Finish(nullptr);
      part.decoded_bytes = decoder_->decoded_bytes();
      part.defects.Add(decoder_->defects());
      decoder_.reset();
    }
    open_.pop_back();
  }
}

void Parser::BeginPart(size_t parent, uint64_t begin, bool is_message, bool is_in_digest) {
  Part part;
  part.parent = parent;
  part.header_begin = part.body_begin = part.end = begin;
  if (parent == kNoParent) {
    part.id = "1";
  } else {
    // A message in a part is the only one.
    part.id = absl::StrCat(message_.parts[parent].id, ".", std::max<size_t>(open_.back().child_count, 1));
  }
  open_.push_back({.index = message_.parts.size()});
  message_.parts.push_back(std::move(part));
  in_header_ = true;
  header_is_of_message_ = is_message;
  part_is_in_digest_ = is_in_digest;
}

}  // namespace mailstead::mime
