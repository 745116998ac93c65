#include "common/mailauth/signed_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailstead::mailauth {
namespace {

struct Read {
  SignedHeader header;
  std::string body;
};

Read ReadMessage(absl::string_view message, size_t piece_bytes = 0) {
  Read read;
  SignedHeaderReader reader;
  if (piece_bytes == 0) piece_bytes = std::max<size_t>(message.size(), 1);
  for (; !message.empty(); message.remove_prefix(std::min(message.size(), piece_bytes))) {
    const absl::string_view body = reader.Feed(message.substr(0, piece_bytes));
    read.body.append(body.data(), body.size());
  }
  read.header = reader.Finish();
  return read;
}

std::string NamesOf(absl::string_view message) {
  return absl::StrJoin(ReadMessage(message).header.names, ":");
}

constexpr absl::string_view kAbsent =
    ":to:cc:subject:date:reply-to:message-id:in-reply-to:references:mime-version:content-type:content-"
    "transfer-encoding";

TEST(SignedHeader, FieldsThatAreThereOnceAreNamedOnceMore) {
  EXPECT_EQ(NamesOf("From: a@b.test\r\n\r\n"), absl::StrCat("from:from", kAbsent));
  EXPECT_EQ(NamesOf("Subject: x\r\nTo: c@d.test\r\nFrom: a@b.test\r\n\r\n"),
            "from:from:to:to:cc:subject:subject:date:reply-to:message-id:in-reply-to:references:mime-version:"
            "content-type:"
            "content-transfer-encoding");
}

TEST(SignedHeader, WhatListsAddIsNamedAsOftenAsItIsThere) {
  EXPECT_EQ(NamesOf("From: a@b.test\r\nList-Id: <l>\r\nSender: s@b.test\r\nReceived: x\r\nX-Other: y\r\n"
                    "DKIM-Signature: z\r\n\r\n"),
            absl::StrCat("from:from", kAbsent, ":sender:list-id"));
}

TEST(SignedHeader, DoubledFieldsAreSignedFromTheBottomUp) {
  const Read read = ReadMessage(
      "To: first@x.test\r\nFrom: a@b.test\r\nTO:  second@x.test,\r\n\tthird@x.test "
      "\r\nto:last@x.test\r\n\r\nTo: body\r\n");
  EXPECT_EQ(read.header.canonical,
            "from:a@b.test\r\nto:last@x.test\r\nto:second@x.test, third@x.test\r\nto:first@x.test\r\n");
  EXPECT_EQ(std::count(read.header.names.begin(), read.header.names.end(), "to"), 4);
  EXPECT_EQ(read.body, "To: body\r\n");
}

TEST(SignedHeader, AnySplitGivesTheSame) {
  const std::string message =
      "Received: from a\r\n\tby b\r\nFrom : \xc3\xa4 <a@b.test>\r\nno field\r\nSubject: a\rb\nc\r\n  d\r\n"
      "Date:\r\n x\r\n\r\n\r\nbody\r\n\r\nmore";
  const Read whole = ReadMessage(message);
  EXPECT_EQ(whole.header.canonical, "from:\xc3\xa4 <a@b.test>\r\nsubject:a\rb\nc d\r\ndate:x\r\n");
  EXPECT_EQ(whole.body, "\r\nbody\r\n\r\nmore");
  for (size_t piece_bytes = 1; piece_bytes < message.size(); ++piece_bytes) {
    const Read read = ReadMessage(message, piece_bytes);
    EXPECT_EQ(read.header.canonical, whole.header.canonical) << piece_bytes;
    EXPECT_EQ(read.header.names, whole.header.names) << piece_bytes;
    EXPECT_EQ(read.body, whole.body) << piece_bytes;
  }
}

TEST(SignedHeader, EndsWithTheMessageToo) {
  for (const char* message : {"From: a@b.test", "From: a@b.test\r\n", "From: a@b.test\r\n\r\n"}) {
    const Read read = ReadMessage(message);
    EXPECT_EQ(read.header.canonical, "from:a@b.test\r\n") << message;
    EXPECT_EQ(read.body, "");
  }
  EXPECT_EQ(ReadMessage("\r\nFrom: body\r\n").header.from_count, 0u);
  EXPECT_EQ(ReadMessage("\r\nFrom: body\r\n").body, "From: body\r\n");
  EXPECT_EQ(ReadMessage("").header.canonical, "");
}

TEST(SignedHeader, FromIsCounted) {
  EXPECT_EQ(ReadMessage("To: x\r\n\r\n").header.from_count, 0u);
  EXPECT_EQ(ReadMessage("From: x\r\nfrom : y\r\nFromX: z\r\n\r\n").header.from_count, 2u);
}

// Of a size, name and copies: as many as are taken, and one more.
TEST(SignedHeader, IsBounded) {
  const std::string from = "From: a@b.test\r\n";
  const std::string head = "To: ";
  const std::string fits(kMaxSignedFieldBytes - head.size() - 2, 'x');
  const auto names_to = [&](const std::string& fields, size_t piece_bytes) {
    const Read read = ReadMessage(absl::StrCat(fields, from, "\r\nbody"), piece_bytes);
    EXPECT_EQ(read.body, "body");
    EXPECT_EQ(read.header.canonical.substr(0, 15), "from:a@b.test\r\n");
    return std::count(read.header.names.begin(), read.header.names.end(), "to");
  };
  for (const size_t piece_bytes : {0, 1, 1000}) {
    EXPECT_EQ(names_to(absl::StrCat(head, fits, "\r\n"), piece_bytes), 2);
    EXPECT_EQ(names_to(absl::StrCat(head, fits, "x\r\n"), piece_bytes), 0);
    EXPECT_EQ(names_to(absl::StrCat(head, fits, std::string(100'000, 'x'), "\r\n"), piece_bytes), 0);
    EXPECT_EQ(names_to(absl::StrCat(head, fits, "\r\n\t\r\nSubject: s\r\n"), piece_bytes), 0);
    EXPECT_EQ(names_to(absl::StrCat(head, "x\r\n", head, fits, "\r\n"), piece_bytes), 0);
  }
  std::string copies;
  for (size_t i = 0; i < kMaxSignedCopies; ++i) absl::StrAppend(&copies, "To: x\r\n");
  EXPECT_EQ(names_to(copies, 0), static_cast<int>(kMaxSignedCopies) + 1);
  EXPECT_EQ(names_to(copies + "To: x\r\n", 0), 0);
  const Read large = ReadMessage(absl::StrCat("From: ", fits, "xxx\r\n\r\n"));
  EXPECT_EQ(large.header.from_count, 1u);
  EXPECT_TRUE(large.header.from_too_large);
}

}  // namespace
}  // namespace mailstead::mailauth
