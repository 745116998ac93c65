// The dialogs of this folder, through the real connection over loopback, with the store in memory behind it.
//
// The account is demo@example.test with the password "secret". Directives of these dialogs:
//   ! option NAME VALUE         before the first connection: plaintext_auth yes|no (yes unless told), tls yes|no,
//                               implicit_tls yes, login_delay 60s, idle 100ms, retry_for 0s, max_errors N,
//                               max_login_failures N, proxy_networks LIST, sasl_mechanisms LIST, whole_messages N
//                               (messages of at most N bytes are fetched whole, 0 unless told)
//   ! message TEXT              mail for demo, with C escapes; messages get unique-ids uid-1, uid-2...
//   ! file NAME                 mail for demo: a file of this folder, its line ends made CRLF
//   ! account NAME PASSWORD     another account; "disabled" behind it closes it
//   ! away | ! back             the store
//   ! open-fails REASON         in-use, login-delay, not-found or unavailable; or "no" more
//   ! fetch-fails CODE BYTES    not-found, data-loss or unavailable, after so many bytes; or "no" more
//   ! fetch-ends BYTES          the store gives less than the size it told
//   ! piece BYTES               the store gives the message in pieces of this size
//   ! commit-fails CODE         the next commit: unavailable, fenced or invalid
//   ! lock-by-other             another front-end holds demo's maildrop; "! unlock-by-other"
//   ! lose-message N            the message with the unique-id uid-N vanishes from the store
//   ! forget-leases             the store has been away for longer than the lease
//   ! drain                     the process is told to end
//   ! expect kept N...          exactly these messages are in demo's mailbox (the N of uid-N; "none")
//   ! expect locked N           so many maildrops are locked
//   ! expect commits N          commits that the store was asked for
//   ! expect client ADDRESS     what the store was told of the last client that logged in
//   ! expect bound              ... with the channel binding of its TLS connection
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/base/reason.h"
#include "gtest/gtest.h"
#include "tests/support/chat.h"
#include "tests/unit/pop3d/connection_fixture.h"

namespace mailstead::pop3 {
namespace {

constexpr char kFolder[] = "tests/golden/pop3";

using Words = std::vector<std::string>;

absl::Status Unknown(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("unknown: ", what));
}

absl::Status Compare(absl::string_view expected, absl::string_view actual) {
  if (expected == actual) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("expected ", expected, ", is ", actual));
}

size_t Number(const std::string& word) {
  size_t number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(word, &number)) << word;
  return number;
}

absl::Duration Length(const std::string& word) {
  absl::Duration length;
  EXPECT_TRUE(absl::ParseDuration(word, &length)) << word;
  return length;
}

absl::Status Failure(absl::string_view name) {
  if (name == "no") return absl::OkStatus();
  if (name == "in-use") return WithReason(absl::AbortedError("in use"), kReasonMaildropInUse);
  if (name == "login-delay") return WithReason(absl::AbortedError("too soon"), kReasonLoginDelay);
  if (name == "fenced") return WithReason(absl::AbortedError("old token"), kReasonFenced);
  if (name == "not-found") return absl::NotFoundError("gone");
  if (name == "data-loss") return absl::DataLossError("damaged");
  if (name == "invalid") return absl::InvalidArgumentError("invalid");
  if (name == "unavailable") return absl::UnavailableError("away");
  ADD_FAILURE() << "no such failure: " << name;
  return absl::UnknownError(name);
}

class PopChatServer : public test::ChatServer {
 public:
  PopChatServer() {
    service_.context.session.allow_plaintext_auth = true;
    service_.context.timeouts.commit_retry_for = absl::ZeroDuration();
    service_.context.timeouts.commit_outcome = absl::ZeroDuration();
    // So that dialogs need no great messages to see what happens in the middle of one.
    service_.context.max_whole_message_bytes = 0;
  }
  ~PopChatServer() override {
    // Whatever the dialog did, no session leaves anything behind.
    EXPECT_EQ(service_.store.way.exchanges_running, 0u);
    EXPECT_EQ(service_.store.way.fetches_running, 0u);
    EXPECT_EQ(service_.counter.count(), 0u);
  }

  asio::awaitable<void> Serve(asio::ip::tcp::socket socket) override {
    return service_.Serve(std::move(socket));
  }
  asio::io_context& io() override { return service_.io; }

  absl::Status Directive(absl::string_view text) override {
    const Words words = absl::StrSplit(text, absl::MaxSplits(' ', 3));
    const std::string& verb = words[0];
    if (verb == "message") return Message(text.substr(verb.size() + 1));
    if (verb == "file") return File(words[1]);
    if (verb == "option") return Option(words[1], words[2]);
    if (verb == "expect")
      return Expect(words[1], words.size() > 2 ? absl::StrJoin(words.begin() + 2, words.end(), " ") : "");
    return Store(verb, words);
  }

 private:
  absl::Status Message(absl::string_view text) {
    std::string content;
    if (!absl::CUnescape(text, &content)) return absl::InvalidArgumentError("bad escapes");
    service_.store.Deliver(service_.store.demo(), std::move(content));
    return absl::OkStatus();
  }

  absl::Status File(const std::string& name) {
    std::ifstream file(absl::StrCat(kFolder, "/", name), std::ios::binary);
    if (!file) return absl::NotFoundError(name);
    std::ostringstream content;
    content << file.rdbuf();
    service_.store.Deliver(service_.store.demo(), absl::StrReplaceAll(content.str(), {{"\n", "\r\n"}}));
    return absl::OkStatus();
  }

  absl::Status Option(const std::string& name, const std::string& value) {
    ConnectionContext& context = service_.context;
    if (name == "plaintext_auth") {
      context.session.allow_plaintext_auth = value == "yes";
    } else if (name == "sasl_mechanisms") {
      context.session.sasl_mechanisms = absl::StrSplit(value, ',');
    } else if (name == "tls") {
      context.session.tls_available = value == "yes";
    } else if (name == "implicit_tls") {
      service_.context.implicit_tls = value == "yes";
    } else if (name == "login_delay") {
      context.session.login_delay = Length(value);
    } else if (name == "idle") {
      context.timeouts.idle = Length(value);
    } else if (name == "retry_for") {
      context.timeouts.commit_retry_for = Length(value);
    } else if (name == "outcome_timeout") {
      context.timeouts.commit_outcome = Length(value);
    } else if (name == "max_errors") {
      context.session.limits.max_errors = static_cast<int>(Number(value));
    } else if (name == "max_login_failures") {
      context.session.limits.max_login_failures = static_cast<int>(Number(value));
    } else if (name == "whole_messages") {
      context.max_whole_message_bytes = Number(value);
    } else if (name == "proxy_networks") {
      context.proxy_networks = *net::NetworkList::Parse(value);
    } else {
      return Unknown(name);
    }
    return absl::OkStatus();
  }

  absl::Status Store(const std::string& verb, const Words& words) {
    PopStore& store = service_.store;
    if (verb == "away") {
      store.SetAway(absl::UnavailableError("away"));
    } else if (verb == "back") {
      store.SetAway(absl::OkStatus());
    } else if (verb == "account") {
      store.AddAccount(words[1], words[2]);
      if (words.size() > 3 && words[3] == "disabled") store.store.SetDisabled(words[1], true);
    } else if (verb == "open-fails") {
      // The next one; a dialog asks once before it says "no".
      const absl::Status failure = Failure(words[1]);
      if (!failure.ok()) store.store.engine().Fail("Maildrops.Open", FaultyEngine::When::kBefore, failure);
    } else if (verb == "fetch-fails") {
      store.way.fetch_failure = Failure(words[1]);
      store.way.fetch_failure_after = words.size() > 2 ? Number(words[2]) : 0;
    } else if (verb == "fetch-ends") {
      store.way.fetch_ends_after = Number(words[1]);
    } else if (verb == "piece") {
      store.way.piece_bytes = Number(words[1]);
    } else if (verb == "commit-fails") {
      store.store.way().Fail("CommitMaildrop", test::When::kBefore, Failure(words[1]));
    } else if (verb == "lock-by-other") {
      store.LockByOther(store.demo());
    } else if (verb == "unlock-by-other") {
      store.UnlockByOther(store.demo());
    } else if (verb == "lose-message") {
      store.Lose(static_cast<int64_t>(Number(words[1])));
    } else if (verb == "forget-leases") {
      store.ForgetLeases();
    } else if (verb == "drain") {
      service_.Tell(&Connection::Drain);
    } else {
      return Unknown(verb);
    }
    return absl::OkStatus();
  }

  absl::Status Expect(const std::string& what, const std::string& value) {
    PopStore& store = service_.store;
    if (what == "kept") {
      const std::vector<int64_t> kept = store.Kept(store.demo());
      return Compare(value, kept.empty() ? "none" : absl::StrJoin(kept, " "));
    }
    if (what == "locked") {
      // A session that ends does not wait for its release.
      const auto is_so = [&] { return store.locked_count() == Number(value); };
      if (service_.Until(is_so)) return absl::OkStatus();
      return Compare(value, absl::StrCat(store.locked_count()));
    }
    if (what == "commits") return Compare(value, absl::StrCat(store.commits().size()));
    const std::vector<fv1::AuthenticateStart> starts = store.auth_starts();
    if (starts.empty()) return absl::NotFoundError("no one has logged in");
    const fv1::AuthenticateStart& start = starts.back();
    if (what == "client") return Compare(value, start.client_address());
    if (what == "bound") return Compare("32 bytes", absl::StrCat(start.tls_exporter().size(), " bytes"));
    return Unknown(what);
  }

  PopService service_;
};

class Pop3Dialog : public testing::TestWithParam<test::ChatCase> {};

TEST_P(Pop3Dialog, IsAsWritten) {
  PopChatServer server;
  test::RunChat(GetParam(), server);
}

INSTANTIATE_TEST_SUITE_P(Golden, Pop3Dialog, testing::ValuesIn(test::ListChats(kFolder)), test::ChatName);

}  // namespace
}  // namespace mailstead::pop3
