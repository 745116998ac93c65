#include "common/mailauth/signed_header.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/mailauth/canonical.h"

namespace mailstead::mailauth {
namespace {

struct SignedName {
  absl::string_view name;
  // Named once more than it is there.
  bool once = false;
};

// In the order of h=. Subject and others without which a mail is complete are named even where they are not there.
constexpr SignedName kNames[] = {
    {"from", true},
    {"to", true},
    {"cc", true},
    {"subject", true},
    {"date", true},
    {"reply-to", true},
    {"message-id", true},
    {"in-reply-to", true},
    {"references", true},
    {"mime-version", true},
    {"content-type", true},
    {"content-transfer-encoding", true},
    {"content-disposition"},
    {"content-id"},
    {"sender"},
    {"resent-from"},
    {"resent-sender"},
    {"resent-to"},
    {"resent-cc"},
    {"resent-date"},
    {"resent-message-id"},
    {"list-id"},
    {"list-help"},
    // RFC 8058 section 4 wants this and the next one signed.
    {"list-unsubscribe"},
    {"list-unsubscribe-post"},
    {"list-subscribe"},
    {"list-post"},
    {"list-archive"},
    // RFC 8689 section 5: who takes it out would take away what the sender wished for.
    {"tls-required"},
};
static_assert(std::size(kNames) == SignedHeaderReader::kNameCount);

constexpr size_t kLongestName = 25;

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Its place among kNames; kNameCount: it is none of these.
size_t PlaceOf(absl::string_view field) {
  // Most fields that are not signed end here.
  const size_t colon = field.substr(0, kMaxSignedFieldBytes).find(':');
  if (colon == absl::string_view::npos) return SignedHeaderReader::kNameCount;
  absl::string_view name = field.substr(0, colon);
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  if (name.size() > kLongestName) return SignedHeaderReader::kNameCount;
  const auto* const found = std::find_if(std::begin(kNames), std::end(kNames), [&](const SignedName& each) {
    return absl::EqualsIgnoreCase(each.name, name);
  });
  return static_cast<size_t>(found - std::begin(kNames));
}

void AppendBounded(absl::string_view bytes, std::string& text, bool& cut) {
  const size_t room = kMaxSignedFieldBytes + 1 - std::min(text.size(), kMaxSignedFieldBytes + 1);
  text.append(bytes.data(), std::min(bytes.size(), room));
  if (bytes.size() > room) cut = true;
}

}  // namespace

absl::string_view SignedHeaderReader::Feed(absl::string_view bytes) {
  while (!ended_ && !bytes.empty()) {
    const size_t end = bytes.find('\n');
    const size_t size = end == absl::string_view::npos ? bytes.size() : end + 1;
    const absl::string_view part = bytes.substr(0, size);
    bytes.remove_prefix(size);
    const bool after_cr = size > 1 ? part[size - 2] == '\r' : !line_.empty() && line_.back() == '\r';
    AppendBounded(part, line_, line_cut_);
    // Of a line that is cut the last byte is kept, as a line end is told by it.
    if (line_cut_) line_.back() = part.back();
    if (end != absl::string_view::npos && after_cr) EndLine();
  }
  return bytes;
}

void SignedHeaderReader::EndLine() {
  if (line_ == "\r\n") {
    EndField();
    ended_ = true;
  } else if (IsBlank(line_.front())) {
    AppendBounded(line_, field_, field_cut_);
    field_cut_ = field_cut_ || line_cut_;
  } else {
    EndField();
    std::swap(field_, line_);
    field_cut_ = line_cut_;
  }
  line_.clear();
  line_cut_ = false;
}

void SignedHeaderReader::EndField() {
  const size_t place = field_.empty() ? kNameCount : PlaceOf(field_);
  if (place < kNameCount) {
    Fields& fields = fields_[place];
    ++fields.count;
    fields.bytes += field_.size();
    fields.too_large = fields.too_large || field_cut_ || fields.bytes > kMaxSignedFieldBytes ||
                       fields.count > kMaxSignedCopies;
    if (fields.too_large) {
      fields.canonical.clear();
    } else {
      fields.canonical.push_back(CanonicalField(field_, Canonicalization::kRelaxed));
    }
  }
  field_.clear();
  field_cut_ = false;
}

SignedHeader SignedHeaderReader::Finish() {
  // A header that nothing follows.
  if (!ended_ && !line_.empty()) EndLine();
  EndField();
  ended_ = true;
  SignedHeader header;
  header.from_count = fields_.front().count;
  header.from_too_large = fields_.front().too_large;
  for (size_t place = 0; place < kNameCount; ++place) {
    const Fields& fields = fields_[place];
    if (fields.too_large) continue;
    for (auto field = fields.canonical.rbegin(); field != fields.canonical.rend(); ++field) {
      header.names.emplace_back(kNames[place].name);
      header.canonical += *field;
    }
    if (kNames[place].once) header.names.emplace_back(kNames[place].name);
  }
  return header;
}

}  // namespace mailstead::mailauth
