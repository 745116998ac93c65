#include <algorithm>
#include <string>

#include "common/base/check.h"
#include "common/mail/field_remover.h"
#include "common/mail/header_reader.h"
#include "tests/fuzz/fuzz.h"

namespace mailstead::fuzz {
namespace {

std::string Filtered(absl::string_view input, size_t piece_bytes) {
  FieldRemover remover({"Bcc", "Resent-Bcc"});
  std::string out;
  ForPieces(input, piece_bytes, [&](absl::string_view piece) { remover.Filter(piece, out); });
  remover.Finish(out);
  return out;
}

// The fields of a message, without those that are taken out, and whether there were any of these.
class OtherFields : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override {
    if (field.Is("Bcc") || field.Is("Resent-Bcc")) {
      blind = true;
    } else {
      fields.append(field.raw.data(), field.raw.size());
    }
    const size_t blanks =
        field.raw.size() - std::min(field.raw.size(), field.name.size() + field.value.size() + 3);
    cut = cut || field.cut || blanks > FieldRemover::kMaxHeldBytes / 2;
  }
  std::string fields;
  bool blind = false;
  // A field is not told whole, or has more blanks in front of its colon than are held.
  bool cut = false;
};

OtherFields FieldsOf(absl::string_view message) {
  OtherFields fields;
  HeaderReader reader({&fields});
  reader.Feed(message);
  reader.Finish();
  return fields;
}

}  // namespace

void Run(absl::string_view input) {
  const size_t piece_bytes = TakeChoice(input) % 16;
  const std::string whole = Filtered(input, std::max<size_t>(input.size(), 1));
  CHECK(Filtered(input, piece_bytes) == whole);
  CHECK(whole.size() <= input.size());
  const OtherFields before = FieldsOf(input);
  if (!before.blind) CHECK(whole == input);
  if (before.cut) return;
  // The header reader finds all other fields where they were, and in what it still finds none of these: unless the
  // header had ended at a line behind one of them, which is now its first.
  CHECK(whole.compare(0, before.fields.size(), before.fields) == 0);
}

}  // namespace mailstead::fuzz
