#include "stored/rules/search.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mailstead::rules {
namespace {

using engine::MessageFilter;

constexpr int64_t kSeconds = 1'700'000'000;

Entry Sample() {
  Entry entry;
  entry.prefix = "12345";
  entry.trace_bytes = 15;
  entry.content_bytes = 80;
  entry.deliver_time = absl::FromUnixSeconds(kSeconds);
  entry.envelope.reverse_path = "Sender@Example.org";
  for (const char* address : {"ann@example.test", "ann+tag@example.test"}) {
    entry.envelope.recipients.emplace_back().address = address;
  }
  entry.searched.known = true;
  entry.searched.subject =
      "Re: Gr\xc3\xbc\xc3\x9f"
      "e aus Ulm";
  entry.searched.from = {{"Ann Example", "ann@example.org"}, {"", "bob@example.org"}};
  entry.searched.message_id = "Id@Host";
  entry.searched.has_attachment = true;
  return entry;
}

// The table is the specification: what is asked, and whether Sample() is it.
struct Case {
  const char* what;
  std::function<void(MessageFilter&)> ask;
  bool matches;
};

const std::vector<Case>& Cases() {
  static const auto* const cases = new std::vector<Case>{
      {"nothing", [](MessageFilter&) {}, true},
      {"since its time", [](MessageFilter& f) { f.since = absl::FromUnixSeconds(kSeconds); }, true},
      {"since later", [](MessageFilter& f) { f.since = absl::FromUnixNanos(kSeconds * 1'000'000'000 + 1); },
       false},
      {"until its time", [](MessageFilter& f) { f.until = absl::FromUnixSeconds(kSeconds); }, false},
      {"until later", [](MessageFilter& f) { f.until = absl::FromUnixSeconds(kSeconds + 1); }, true},
      {"at least its size", [](MessageFilter& f) { f.min_size_bytes = 100; }, true},
      {"at least more", [](MessageFilter& f) { f.min_size_bytes = 101; }, false},
      {"at most its size", [](MessageFilter& f) { f.max_size_bytes = 100; }, true},
      {"at most less", [](MessageFilter& f) { f.max_size_bytes = 99; }, false},
      {"the sender", [](MessageFilter& f) { f.reverse_path = "sender@example.ORG"; }, true},
      {"a part of the sender", [](MessageFilter& f) { f.reverse_path = "sender@example"; }, false},
      {"the null sender", [](MessageFilter& f) { f.reverse_path = ""; }, false},
      {"the second recipient", [](MessageFilter& f) { f.recipient = "ANN+tag@example.test"; }, true},
      {"a part of a recipient", [](MessageFilter& f) { f.recipient = "ann"; }, false},
      {"the author's address", [](MessageFilter& f) { f.from = "ANN@example.org"; }, true},
      {"the other author's", [](MessageFilter& f) { f.from = "bob@"; }, true},
      {"a part of the name", [](MessageFilter& f) { f.from = "n exam"; }, true},
      {"another author", [](MessageFilter& f) { f.from = "carol"; }, false},
      {"over name and address", [](MessageFilter& f) { f.from = "Example ann"; }, false},
      {"the subject's beginning", [](MessageFilter& f) { f.subject = "re: GR"; }, true},
      {"the subject's end", [](MessageFilter& f) { f.subject = "ULM"; }, true},
      {"other letters as they are",
       [](MessageFilter& f) {
         f.subject =
             "gr\xc3\xbc\xc3\x9f"
             "E";
       },
       true},
      {"other letters in capitals", [](MessageFilter& f) { f.subject = "GR\xc3\x9c"; }, false},
      {"more than the subject", [](MessageFilter& f) { f.subject = "aus Ulm!"; }, false},
      {"its id", [](MessageFilter& f) { f.message_id = "Id@Host"; }, true},
      {"its id in small letters", [](MessageFilter& f) { f.message_id = "id@host"; }, false},
      {"with an attachment", [](MessageFilter& f) { f.has_attachment = true; }, true},
      {"without an attachment", [](MessageFilter& f) { f.has_attachment = false; }, false},
      {"two that are so", [](MessageFilter& f) { f.subject = "ulm", f.from = "ann"; }, true},
      {"one of two that is not", [](MessageFilter& f) { f.subject = "ulm", f.from = "carol"; }, false},
  };
  return *cases;
}

TEST(Search, FindsWhatIsAskedFor) {
  for (const Case& c : Cases()) {
    MessageFilter filter;
    c.ask(filter);
    EXPECT_EQ(Matches(filter, Sample()), c.matches) << c.what;
  }
}

// Whoever asks reads the header of such a message.
TEST(Search, WhatIsNotKnownMayBeWhatIsAskedFor) {
  Entry unknown = Sample();
  unknown.searched = {};
  for (const Case& c : Cases()) {
    MessageFilter filter;
    c.ask(filter);
    const bool is_of_header = AsksForFields(filter);
    EXPECT_EQ(Matches(filter, unknown), is_of_header || c.matches) << c.what;
  }
}

}  // namespace
}  // namespace mailstead::rules
