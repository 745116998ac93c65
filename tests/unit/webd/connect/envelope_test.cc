#include "webd/connect/envelope.h"

#include <string>
#include <vector>

#include "common/base/reason.h"
#include "gtest/gtest.h"

namespace mailstead::web {
namespace {

TEST(Envelope, GoldenBytes) {
  EXPECT_EQ(Enveloped(0, "abc"), std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(Enveloped(kEndStreamFlag, "{}"), std::string("\2\0\0\0\2{}", 7));
  const std::string large = Enveloped(kCompressedFlag, std::string(0x12345, 'x'));
  EXPECT_EQ(large.substr(0, 5), std::string("\1\0\1\x23\x45", 5));
}

TEST(Envelope, TheOnlyOne) {
  const std::string bytes = Enveloped(kCompressedFlag, "abc");
  const auto got = OnlyEnvelope(bytes);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->compressed);
  EXPECT_EQ(got->message, "abc");
  const auto empty = OnlyEnvelope(std::string(5, '\0'));
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->message, "");
}

TEST(Envelope, WhatIsNone) {
  const std::string bytes = Enveloped(0, "abc");
  EXPECT_TRUE(absl::IsUnimplemented(OnlyEnvelope("").status()));
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    EXPECT_TRUE(absl::IsInvalidArgument(OnlyEnvelope(bytes.substr(0, cut)).status())) << cut;
  }
  EXPECT_TRUE(absl::IsUnimplemented(OnlyEnvelope(bytes + bytes).status()));
  EXPECT_TRUE(absl::IsUnimplemented(OnlyEnvelope(bytes + "x").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OnlyEnvelope(Enveloped(kEndStreamFlag, "{}")).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(OnlyEnvelope("\xff\xff\xff\xff\xff").status()));
}

// What comes of a body that comes in pieces of that size: each message, a '*' in front of those that are compressed.
absl::StatusOr<std::vector<std::string>> ReadAll(EnvelopeReader& reader, absl::string_view body,
                                                 size_t piece_bytes) {
  std::vector<std::string> messages;
  for (size_t at = 0; at < body.size(); at += piece_bytes) {
    reader.Append(body.substr(at, piece_bytes));
    while (true) {
      const auto next = reader.Next();
      if (!next.ok()) return next.status();
      if (!next->has_value()) break;
      messages.push_back(std::string((*next)->compressed ? "*" : "") + std::string((*next)->message));
    }
  }
  return messages;
}

TEST(EnvelopeReader, OneAfterAnotherHoweverTheyCome) {
  const std::string body = Enveloped(0, "abc") + Enveloped(0, "") + Enveloped(kCompressedFlag, "defgh");
  for (size_t piece = 1; piece <= body.size(); ++piece) {
    EnvelopeReader reader(100);
    const auto messages = ReadAll(reader, body, piece);
    ASSERT_TRUE(messages.ok()) << messages.status();
    EXPECT_EQ(*messages, (std::vector<std::string>{"abc", "", "*defgh"})) << piece;
    EXPECT_TRUE(reader.at_end_of_one()) << piece;
    EXPECT_EQ(reader.held_bytes(), 0u);
  }
}

TEST(EnvelopeReader, ABodyThatEndsWithinAMessage) {
  const std::string body = Enveloped(0, "abc");
  for (size_t cut = 1; cut < body.size(); ++cut) {
    EnvelopeReader reader(100);
    const auto messages = ReadAll(reader, body.substr(0, cut), 1);
    ASSERT_TRUE(messages.ok());
    EXPECT_TRUE(messages->empty());
    EXPECT_FALSE(reader.at_end_of_one()) << cut;
  }
}

TEST(EnvelopeReader, ALongMessageIsRefusedBeforeItComes) {
  for (const size_t size : {99, 100}) {
    EnvelopeReader reader(100);
    EXPECT_TRUE(ReadAll(reader, Enveloped(0, std::string(size, 'x')), 1000).ok()) << size;
  }
  EnvelopeReader reader(100);
  const absl::Status error = ReadAll(reader, Enveloped(0, std::string(101, 'x')).substr(0, 5), 5).status();
  EXPECT_TRUE(absl::IsResourceExhausted(error)) << error;
  EXPECT_EQ(ReasonOf(error), kReasonTooLarge);
}

TEST(EnvelopeReader, FlagsThatARequestCannotHave) {
  for (const uint8_t flags : {2, 4, 128, 255}) {
    EnvelopeReader reader(100);
    EXPECT_TRUE(absl::IsInvalidArgument(ReadAll(reader, Enveloped(flags, "x"), 1).status())) << int{flags};
  }
}

}  // namespace
}  // namespace mailstead::web
