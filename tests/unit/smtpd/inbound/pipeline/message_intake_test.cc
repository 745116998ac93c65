#include "smtpd/inbound/pipeline/message_intake.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::smtp {
namespace {

MessageIntake::Options Options() {
  MessageIntake::Options options;
  options.max_message_bytes = 1'000'000;
  options.max_received_headers = 100;
  options.trace.helo = "client.test";
  options.trace.client_address = "192.0.2.1";
  options.trace.hostname = "mx.example.test";
  options.trace.delivery_id = "abc";
  options.trace.time = absl::FromUnixSeconds(0);
  return options;
}

std::string Received() { return ReceivedField(Options().trace); }

TEST(MessageIntake, MakesTheTraceAtTheEnd) {
  MessageIntake intake(Options());
  intake.FeedData("One: 1\r\n");
  EXPECT_EQ(intake.Take(), "One: 1\r\n");
  intake.FeedData("Two: 2\r\n.\r\n");
  EXPECT_EQ(intake.Take(), "Two: 2\r\n");
  EXPECT_EQ(intake.Trace(), Received());
  EXPECT_EQ(intake.size_bytes(), 16u);
}

TEST(MessageIntake, SaysWhenThereIsAPiece) {
  MessageIntake intake(Options());
  const std::string line(1022, 'x');
  for (int i = 0; i < 63; ++i) intake.FeedData(absl::StrCat(line, "\r\n"));
  EXPECT_FALSE(intake.has_full_piece());
  intake.FeedData(absl::StrCat(line, "\r\n"));
  EXPECT_TRUE(intake.has_full_piece());
  EXPECT_EQ(intake.Take().size(), 65'536u);
  EXPECT_FALSE(intake.has_full_piece());
}

TEST(MessageIntake, HoldsNothingOfARefusedMessage) {
  MessageIntake intake(Options());
  intake.FeedData("bad\nline\r\n");
  EXPECT_EQ(intake.defect(), MessageDefect::kBareLineEnd);
  const std::string more(100'000, 'x');
  intake.FeedData(more);
  EXPECT_FALSE(intake.has_full_piece());
  // The end is found all the same.
  EXPECT_TRUE(intake.FeedData("\r\n.\r\n").done);
}

TEST(MessageIntake, BoundsTheSizeExactly) {
  for (int extra : {-1, 0, 1}) {
    MessageIntake::Options options = Options();
    options.max_message_bytes = 100;
    MessageIntake intake(options);
    intake.FeedChunk(std::string(100 + extra, 'x'));
    intake.FinishChunks();
    EXPECT_EQ(intake.defect(), extra > 0 ? MessageDefect::kTooBig : MessageDefect::kNone) << extra;
  }
}

TEST(MessageIntake, BoundsHopsExactly) {
  for (int hops : {2, 3, 4}) {
    MessageIntake::Options options = Options();
    options.max_received_headers = 3;
    MessageIntake intake(options);
    for (int i = 0; i < hops; ++i) intake.FeedData("Received: x\r\n");
    intake.FeedData("\r\n.\r\n");
    EXPECT_EQ(intake.defect(), hops > 3 ? MessageDefect::kLoop : MessageDefect::kNone) << hops;
  }
}

TEST(MessageIntake, AddsMissingFieldsOnTop) {
  MessageIntake::Options options = Options();
  options.submitted = true;
  MessageIntake intake(options);
  intake.FeedData("Subject: x\r\nMessage-ID: y\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(intake.Take(), "Subject: x\r\nMessage-ID: y\r\n\r\nbody\r\n");
  EXPECT_EQ(intake.Trace(), absl::StrCat(Received(), "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
}

// The trace comes when the whole message is known: a header of any size is seen to its end.
TEST(MessageIntake, AddsWhatALongHeaderLacksAndNothingElse) {
  for (const bool has_date : {false, true}) {
    MessageIntake::Options options = Options();
    options.submitted = true;
    MessageIntake intake(options);
    const std::string field = absl::StrCat("X-Long: ", std::string(70'000, 'x'), "\r\n");
    intake.FeedData(field);
    ASSERT_TRUE(intake.has_full_piece());
    EXPECT_EQ(intake.Take(), field);
    intake.FeedData(has_date ? "Date: x\r\n\r\n.\r\n" : "Subject: x\r\n\r\n.\r\n");
    EXPECT_EQ(intake.Take(), has_date ? "Date: x\r\n\r\n" : "Subject: x\r\n\r\n");
    EXPECT_EQ(intake.Trace(),
              absl::StrCat(Received(), has_date ? "" : "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
                           "Message-ID: <abc@mx.example.test>\r\n"));
  }
}

TEST(MessageIntake, PartsTheTraceFromAMessageWithoutHeader) {
  for (const char* text : {"no header here\r\n", " would be a part of Received\r\n"}) {
    MessageIntake intake(Options());
    intake.FeedData(absl::StrCat(text, ".\r\n"));
    EXPECT_EQ(intake.Take(), text);
    EXPECT_EQ(intake.Trace(), absl::StrCat(Received(), "\r\n"));
  }
}

TEST(MessageIntake, CountsAHopThatEndsTheMessage) {
  MessageIntake::Options options = Options();
  options.max_received_headers = 1;
  MessageIntake intake(options);
  intake.FeedChunk("Received: 1\r\nReceived: 2");
  EXPECT_EQ(intake.defect(), MessageDefect::kNone);
  intake.FinishChunks();
  EXPECT_EQ(intake.defect(), MessageDefect::kLoop);
  EXPECT_EQ(intake.Take(), "");
}

TEST(MessageIntake, ABareCrAtTheVeryEndOfChunksIsSeen) {
  MessageIntake intake(Options());
  intake.FeedChunk("x\r");
  EXPECT_EQ(intake.defect(), MessageDefect::kNone);
  intake.FinishChunks();
  EXPECT_EQ(intake.defect(), MessageDefect::kBareLineEnd);
}

MessageIntake::Options Submitted() {
  MessageIntake::Options options = Options();
  options.submitted = true;
  return options;
}

TEST(MessageIntake, TakesBlindCopiesOutOfSubmittedMail) {
  const std::string message =
      "Bcc: x@y.test,\r\n z@y.test\r\nDate: d\r\nBCC : v@y.test\r\nMessage-ID: m\r\n\r\nBcc: text\r\n";
  const std::string rest = "Date: d\r\nMessage-ID: m\r\n\r\nBcc: text\r\n";
  for (size_t piece_bytes = 1; piece_bytes <= message.size(); ++piece_bytes) {
    MessageIntake intake(Submitted());
    MessageIntake chunks(Submitted());
    for (size_t i = 0; i < message.size(); i += piece_bytes) {
      intake.FeedData(absl::string_view(message).substr(i, piece_bytes));
      chunks.FeedChunk(absl::string_view(message).substr(i, piece_bytes));
    }
    intake.FeedData(".\r\n");
    chunks.FinishChunks();
    EXPECT_EQ(intake.Take(), rest);
    EXPECT_EQ(chunks.Take(), rest);
    EXPECT_EQ(intake.size_bytes(), rest.size());
    EXPECT_EQ(intake.Trace(), Received());
  }
  MessageIntake from_other_hosts(Options());
  from_other_hosts.FeedData(message + ".\r\n");
  EXPECT_EQ(from_other_hosts.Take(), message);
}

TEST(MessageIntake, LooksAtWhatItTakesOut) {
  MessageIntake bare(Submitted());
  bare.FeedData("Bcc: x\ny\r\n\r\n.\r\n");
  EXPECT_EQ(bare.defect(), MessageDefect::kBareLineEnd);
  MessageIntake nul(Submitted());
  nul.FeedData(absl::string_view("Bcc: \0\r\n\r\n.\r\n", 13));
  EXPECT_EQ(nul.defect(), MessageDefect::kNul);
  MessageIntake::Options options = Submitted();
  options.max_message_bytes = 100;
  MessageIntake big(options);
  big.FeedData(absl::StrCat("Bcc: ", std::string(94, 'x')));
  EXPECT_EQ(big.defect(), MessageDefect::kNone);
  big.FeedData("\r\n.\r\n");
  EXPECT_EQ(big.defect(), MessageDefect::kTooBig);
}

TEST(MessageIntake, KeepsTheEndOfAHeaderWhoseLastFieldWentOut) {
  MessageIntake text(Submitted());
  text.FeedData("Bcc: x\r\nno field\r\n.\r\n");
  EXPECT_EQ(text.Take(), "no field\r\n");
  // The text must not become a line of the header.
  EXPECT_TRUE(absl::EndsWith(text.Trace(), "\r\n\r\n"));
  MessageIntake nothing(Submitted());
  nothing.FeedData("Bcc: x\r\n.\r\n");
  EXPECT_EQ(nothing.Take(), "");
  EXPECT_EQ(nothing.size_bytes(), 0u);
}

TEST(MessageIntake, FindsOriginatorsOfSubmittedMail) {
  MessageIntake intake(Submitted());
  intake.FeedData("From: A <a@b.test>\r\n\r\n.\r\n");
  EXPECT_TRUE(intake.originators().readable());
  EXPECT_EQ(intake.originators().addresses(), std::vector<std::string>{"a@b.test"});
}

}  // namespace
}  // namespace mailstead::smtp
