#include "smtpd/inbound/pipeline/message_intake.h"

#include <string>

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
  options.add_missing_fields = true;
  MessageIntake intake(options);
  intake.FeedData("Subject: x\r\nMessage-ID: y\r\n\r\nbody\r\n.\r\n");
  EXPECT_EQ(intake.Take(), "Subject: x\r\nMessage-ID: y\r\n\r\nbody\r\n");
  EXPECT_EQ(intake.Trace(), absl::StrCat(Received(), "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"));
}

// The trace comes when the whole message is known: a header of any size is seen to its end.
TEST(MessageIntake, AddsWhatALongHeaderLacksAndNothingElse) {
  for (const bool has_date : {false, true}) {
    MessageIntake::Options options = Options();
    options.add_missing_fields = true;
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

}  // namespace
}  // namespace mailstead::smtp
