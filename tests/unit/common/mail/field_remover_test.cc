#include "common/mail/field_remover.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead {
namespace {

std::string Filtered(absl::string_view message, size_t piece_bytes) {
  FieldRemover remover({"Bcc", "Resent-Bcc"});
  std::string out;
  for (size_t i = 0; i < message.size(); i += piece_bytes)
    remover.Filter(message.substr(i, piece_bytes), out);
  remover.Finish(out);
  return out;
}

// Whole, and at every split.
void ExpectFiltered(absl::string_view message, absl::string_view rest) {
  EXPECT_EQ(Filtered(message, std::max<size_t>(message.size(), 1)), rest) << message;
  for (const size_t piece_bytes : {1, 2, 3, 7}) EXPECT_EQ(Filtered(message, piece_bytes), rest) << message;
  for (size_t split = 0; split <= std::min<size_t>(message.size(), 200); ++split) {
    FieldRemover remover({"Bcc", "Resent-Bcc"});
    std::string out;
    remover.Filter(message.substr(0, split), out);
    remover.Filter(message.substr(split), out);
    remover.Finish(out);
    EXPECT_EQ(out, rest) << message << " split at " << split;
  }
}

TEST(FieldRemover, TakesTheFieldsOutAndNothingElse) {
  struct {
    const char* message;
    const char* rest;
  } cases[] = {
      {"Bcc: a@b.test\r\nSubject: x\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n"},
      {"Subject: x\r\nBcc: a@b.test\r\n\r\nbody\r\n", "Subject: x\r\n\r\nbody\r\n"},
      // In any case of letters, with blanks in front of the colon, and empty.
      {"bCC \t: a@b.test\r\nBCC:\r\nTo: c\r\n\r\n", "To: c\r\n\r\n"},
      // Folded, repeated, and between others.
      {"To: c\r\nBcc: a@b.test,\r\n d@e.test,\r\n\tf@g.test\r\nCc: h\r\n i\r\nBcc: j\r\nResent-Bcc: k\r\n "
       "l\r\nSubject: x\r\n\r\n",
       "To: c\r\nCc: h\r\n i\r\nSubject: x\r\n\r\n"},
      // Other names.
      {"Bc: a\r\nBccx: b\r\nXBcc: c\r\nX-Bcc: d\r\nResent-Bc: e\r\nB: f\r\n\r\n",
       "Bc: a\r\nBccx: b\r\nXBcc: c\r\nX-Bcc: d\r\nResent-Bc: e\r\nB: f\r\n\r\n"},
      // In a folded line of another field.
      {"Subject: x\r\n Bcc: a@b.test\r\n\r\n", "Subject: x\r\n Bcc: a@b.test\r\n\r\n"},
      // Behind the header.
      {"To: c\r\n\r\nBcc: a@b.test\r\n", "To: c\r\n\r\nBcc: a@b.test\r\n"},
      {"\r\nBcc: a@b.test\r\n", "\r\nBcc: a@b.test\r\n"},
      {"no field\r\nBcc: a@b.test\r\n", "no field\r\nBcc: a@b.test\r\n"},
      {" blank first\r\nBcc: a@b.test\r\n", " blank first\r\nBcc: a@b.test\r\n"},
      {"To: c\r\nBcc\r\nBcc: a@b.test\r\n", "To: c\r\nBcc\r\nBcc: a@b.test\r\n"},
      {"Bcc x: y\r\n\r\n", "Bcc x: y\r\n\r\n"},
      {": x\r\nBcc: y\r\n", ": x\r\nBcc: y\r\n"},
      // Nothing but the field; and one that the message ends in.
      {"Bcc: a@b.test\r\n", ""},
      {"Bcc: a@b.test", ""},
      {"To: c\r\nBcc: a@b.test\r\n d", "To: c\r\n"},
      {"To: c\r\nBcc", "To: c\r\nBcc"},
      {"To: c\r\nBcc ", "To: c\r\nBcc "},
      {"Bcc: a\r\n\r\nbody", "\r\nbody"},
      {"", ""},
      // A CR that ends no line.
      {"Bcc: a\rb\r\r\nTo: c\r\r\n\r\n", "To: c\r\r\n\r\n"},
  };
  for (const auto& c : cases) ExpectFiltered(c.message, c.rest);
}

TEST(FieldRemover, TakesOutAFieldOfAnySizeAndHoldsNoneOfIt) {
  FieldRemover remover({"Bcc"});
  std::string out;
  remover.Filter("To: c\r\nBcc: ", out);
  for (int i = 0; i < 100'000; ++i) remover.Filter("someone@elsewhere.test,\r\n ", out);
  remover.Filter("last@elsewhere.test\r\nSubject: x\r\n\r\n", out);
  EXPECT_EQ(out, "To: c\r\nSubject: x\r\n\r\n");
  EXPECT_TRUE(remover.ended());
}

TEST(FieldRemover, HoldsNoMoreThanALine) {
  for (const size_t blanks :
       {FieldRemover::kMaxHeldBytes - 4, FieldRemover::kMaxHeldBytes - 3, FieldRemover::kMaxHeldBytes - 2}) {
    const std::string message = absl::StrCat("Bcc", std::string(blanks, ' '), ": a@b.test\r\nTo: c\r\n\r\n");
    const bool fits = 3 + blanks <= FieldRemover::kMaxHeldBytes;
    ExpectFiltered(message, fits ? "To: c\r\n\r\n" : message);
  }
}

TEST(FieldRemover, KnowsWhereTheHeaderEnds) {
  FieldRemover remover({"Bcc"});
  std::string out;
  remover.Filter("To: c\r\n\r", out);
  EXPECT_FALSE(remover.ended());
  remover.Filter("\n", out);
  EXPECT_TRUE(remover.ended());
}

}  // namespace
}  // namespace mailstead
