// A host and a connection for a ClientSession, out of a script that a mail person can read.
//
//   S: 220 mx.example.test        the host sends this line
//   S| 250 half                   the host sends this, without a line end
//   C: EHLO mail.example.test     the session must have written this line, and nothing else, since the host's last
//   ! closed                      an event: closed, reset, silent, shutdown (how the connection can be lost); tls, verified
//                                 (the handshake was good, without and with a check of the certificate), no tls; send,
//                                 quit (what the session is asked to do)
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "smtpd/outbound/client_session.h"

namespace mailstead::smtp::outbound {

// How the host's bytes arrive.
enum class Arrival { kWhole, kLines, kBytes };
inline constexpr Arrival kArrivals[] = {Arrival::kWhole, Arrival::kLines, Arrival::kBytes};

inline absl::string_view ActionName(const Action& action) {
  static constexpr absl::string_view kNames[] = {"await reply", "shake hands", "begin auth", "continue auth",
                                                 "end auth",    "next piece",  "rest",       "close"};
  return kNames[action.index()];
}

inline std::string Describe(const RecipientOutcome& outcome) {
  static constexpr absl::string_view kKinds[] = {"delivered", "failed", "deferred"};
  return absl::StrCat(kKinds[static_cast<size_t>(outcome.kind)], " ", outcome.code, " ", outcome.enhanced,
                      " ", StageName(outcome.stage));
}

inline std::string Describe(const ConnectionOutcome& outcome) {
  static constexpr absl::string_view kKinds[] = {"usable",  "refused", "tls broken",
                                                 "closing", "broken",  "ended"};
  if (outcome.usable()) return "usable";
  return absl::StrCat(kKinds[static_cast<size_t>(outcome.kind)], " ", outcome.code, " ", outcome.enhanced,
                      " ", StageName(outcome.stage));
}

class Dialog {
 public:
  explicit Dialog(ClientConfig client_config, Arrival arrival = Arrival::kWhole)
      : config(std::move(client_config)), session(config), arrival_(arrival), action_(session.Begin()) {}

  // What the session is to send, and in pieces of at most so many octets.
  Transaction transaction;
  std::string message;
  uint64_t piece_bytes = 1'000'000;
  // What our side of the SASL exchange says, step by step; "-": it has no initial response; "!": it gives up.
  std::vector<std::string> responses;
  bool auth_complete = true;
  // The exchange, as it went.
  std::string mechanism;
  std::vector<std::string> challenges;
  // The body is not given: the session waits for it.
  bool hold_body = false;

  void Run(absl::string_view script) {
    for (absl::string_view line : absl::StrSplit(script, '\n')) {
      line = absl::StripLeadingAsciiWhitespace(line);
      if (line.empty() || line.front() == '#') continue;
      SCOPED_TRACE(std::string(line));
      if (line == "C:" || absl::ConsumePrefix(&line, "C: ")) {
        if (line == "C:") line = "";
        Arrive();
        Expect(absl::StrCat(line, "\r\n"));
      } else if (absl::ConsumePrefix(&line, "S: ")) {
        if (arriving_.empty()) CheckNothingLeft();
        absl::StrAppend(&arriving_, line, "\r\n");
      } else if (absl::ConsumePrefix(&line, "S| ")) {
        if (arriving_.empty()) CheckNothingLeft();
        absl::StrAppend(&arriving_, line);
      } else if (absl::ConsumePrefix(&line, "! ")) {
        Arrive();
        CheckNothingLeft();
        Happen(line);
      } else {
        ADD_FAILURE() << "not a line of a script";
      }
    }
    Arrive();
    CheckNothingLeft();
  }

  // Bytes of the host, as they are.
  void Say(std::string bytes) {
    arriving_ = std::move(bytes);
    Arrive();
  }

  const Action& action() const { return action_; }
  absl::Duration awaited() const { return std::get<AwaitReplyAction>(action_).timeout; }
  // Of the transactions, in order.
  std::vector<TransactionOutcome> outcomes;
  // Those of the recipients of the last one, and "unknown".
  std::vector<std::string> Recipients() const {
    std::vector<std::string> described;
    if (outcomes.empty()) return {"no transaction"};
    for (const RecipientOutcome& outcome : outcomes.back().recipients) described.push_back(Describe(outcome));
    if (outcomes.back().unknown) described.push_back("unknown");
    return described;
  }
  std::string Connection() const { return Describe(session.connection()); }
  // What was written and not asked about, so far.
  std::string TakeWritten() { return std::exchange(written_, std::string()); }

  const ClientConfig config;
  ClientSession session;

 private:
  void Expect(const std::string& line) {
    if (absl::StartsWith(written_, line)) {
      written_.erase(0, line.size());
      return;
    }
    ADD_FAILURE() << "written: " << absl::CEscape(TakeWritten());
  }
  void CheckNothingLeft() { EXPECT_EQ(absl::CEscape(TakeWritten()), "") << "was written too"; }

  void Arrive() {
    absl::string_view bytes = arriving_;
    while (!bytes.empty()) {
      size_t size = bytes.size();
      if (arrival_ == Arrival::kBytes) size = 1;
      if (arrival_ == Arrival::kLines) size = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
      Act(session.OnBytes(bytes.substr(0, size)));
      bytes.remove_prefix(size);
    }
    arriving_.clear();
  }

  void Happen(absl::string_view event) {
    if (event == "closed") {
      Act(session.OnLost(absl::UnavailableError("connection closed")));
    } else if (event == "reset") {
      Act(session.OnLost(absl::UnavailableError("Connection reset by peer")));
    } else if (event == "silent") {
      Act(session.OnLost(absl::DeadlineExceededError("timed out")));
    } else if (event == "shutdown") {
      Act(session.OnLost(absl::CancelledError("closed by this side")));
    } else if (event == "tls" || event == "verified") {
      ASSERT_EQ(ActionName(action_), "shake hands");
      Act(session.OnTlsStarted(event == "verified"));
    } else if (event == "no tls") {
      ASSERT_EQ(ActionName(action_), "shake hands");
      Act(session.OnTlsFailed(absl::UnavailableError("wrong version number")));
    } else if (event == "send") {
      ASSERT_EQ(ActionName(action_), "rest");
      offset_ = 0;
      sending_ = true;
      Act(session.Send(transaction));
    } else if (event == "quit") {
      Act(session.Quit());
    } else {
      ADD_FAILURE() << "not an event";
    }
  }

  // Does what a connection does until bytes are awaited.
  void Act(Action action) {
    while (true) {
      action_ = std::move(action);
      written_ += session.output();
      session.output().clear();
      if (sending_ && (ActionName(action_) == "rest" || ActionName(action_) == "close")) {
        sending_ = false;
        outcomes.push_back(session.TakeOutcome());
      }
      if (const auto* piece = std::get_if<NextPieceAction>(&action_)) {
        if (hold_body) return;
        EXPECT_GT(piece->max_bytes, 0u);
        const uint64_t size = std::min(piece->max_bytes, piece_bytes);
        const std::string octets = message.substr(offset_, size);
        offset_ += octets.size();
        action =
            octets.empty() ? session.OnBodyFailed(absl::DataLossError("cut short")) : session.OnPiece(octets);
      } else if (const auto* begin = std::get_if<BeginAuthAction>(&action_)) {
        mechanism = begin->mechanism;
        action = Respond(std::nullopt);
      } else if (const auto* go_on = std::get_if<ContinueAuthAction>(&action_)) {
        action = Respond(go_on->challenge);
      } else if (std::holds_alternative<EndAuthAction>(action_)) {
        action = session.OnAuthEnded(auth_complete);
      } else {
        return;
      }
    }
  }

  Action Respond(std::optional<std::string> challenge) {
    if (challenge.has_value()) challenges.push_back(*challenge);
    const std::string response = step_ < responses.size() ? responses[step_] : "!";
    ++step_;
    if (response == "!") return session.OnAuthFailed(absl::InvalidArgumentError("not understood"));
    if (response == "-") return session.OnAuthResponse(std::nullopt);
    return session.OnAuthResponse(response);
  }

  const Arrival arrival_;
  Action action_;
  bool sending_ = false;
  std::string arriving_;
  std::string written_;
  size_t offset_ = 0;
  size_t step_ = 0;
};

inline ClientConfig TestConfig(TlsPolicy::Level level = TlsPolicy::Level::kNone) {
  ClientConfig config;
  config.helo_name = "mail.example.test";
  config.tls.level = level;
  if (level == TlsPolicy::Level::kVerify) config.tls.names = {"mx.example.test"};
  return config;
}

inline Transaction TestTransaction(absl::string_view message, const std::vector<std::string>& recipients) {
  Transaction transaction;
  transaction.envelope.reverse_path = "from@example.test";
  for (const std::string& address : recipients) {
    EnvelopeRecipient recipient;
    recipient.address = address;
    transaction.envelope.recipients.push_back(recipient);
  }
  ContentCheck check;
  check.Feed(message);
  transaction.content = check.Finish();
  return transaction;
}

}  // namespace mailstead::smtp::outbound
