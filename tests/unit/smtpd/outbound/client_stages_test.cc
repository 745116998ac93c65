// Every stage of a dialog, and everything that a host can do there: the table is what has to come of it.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/unit/smtpd/outbound/dialog.h"

namespace mailstead::smtp::outbound {
namespace {

using Level = TlsPolicy::Level;

constexpr absl::string_view kMessage = "Subject: a\r\n\r\ntext\r\n";

// How a dialog comes to a stage: the host's reply is awaited then.
struct StageScript {
  std::string script;
  // What would come next.
  std::string reply = "250 2.0.0 ok";
  // What comes behind a refusal.
  std::vector<std::string> then = {"250 2.0.0 ok"};
};

std::map<absl::string_view, StageScript> Stages(bool pipelining) {
  const std::string ehlo = "S: 220 mx\nC: EHLO mail.example.test\n";
  const std::string extensions = pipelining ? "S: 250-mx\nS: 250 PIPELINING\n" : "S: 250 mx\n";
  const std::string starttls = ehlo + "S: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n";
  const std::string tls = starttls + "S: 220 go\n! verified\nC: EHLO mail.example.test\n";
  const std::string rest = ehlo + extensions;
  const std::string mail = "! send\nC: MAIL FROM:<from@example.test>\n";
  const std::string rcpt_a = "C: RCPT TO:<a@example.test>\n";
  const std::string rcpt_b = "C: RCPT TO:<b@example.test>\n";
  const std::string ok = "S: 250 2.1.0 ok\n";
  const std::string no = "S: 550 5.1.1 no\n";
  std::map<absl::string_view, StageScript> stages;
  stages["greeting"] = {"", "220 mx"};
  stages["ehlo"] = {ehlo, "250 mx", {"503 5.5.1 order"}};
  stages["helo"] = {ehlo + "S: 502 what?\nC: HELO mail.example.test\n", "250 mx"};
  stages["starttls"] = {starttls, "220 go"};
  stages["ehlo under tls"] = {tls, "250 mx"};
  stages["auth"] = {tls + "S: 250-mx\nS: 250 AUTH PLAIN\nC: AUTH PLAIN cA==\n", "235 welcome"};
  stages["idle"] = {rest, ""};
  const std::string data = "C: DATA\n";
  const std::string body = "C: Subject: a\nC:\nC: text\nC: .\n";
  if (pipelining) {
    // The second recipient is refused where the stage lies behind it.
    const std::string all = rest + mail + rcpt_a + rcpt_b + data;
    const std::string out_of_order = "503 5.5.1 order";
    stages["mail"] = {all, "250 ok", {out_of_order, out_of_order, out_of_order, "250 ok"}};
    stages["rcpt"] = {all + ok, "250 ok", {"550 5.1.1 no", out_of_order, "250 ok"}};
    stages["data"] = {all + ok + ok + no, "354 go"};
    stages["final dot"] = {all + ok + ok + no + "S: 354 go\n" + body};
  } else {
    const std::string to_both = rest + mail + ok + rcpt_a + ok + rcpt_b + no;
    stages["mail"] = {rest + mail};
    stages["rcpt"] = {rest + mail + ok + rcpt_a, "250 ok", {"550 5.1.1 no", "250 ok"}};
    stages["data"] = {to_both + data, "354 go"};
    stages["final dot"] = {to_both + data + "S: 354 go\n" + body};
  }
  const std::string chunks = absl::StrReplaceAll(rest, {{"250 ", "250-"}}) + "S: 250 CHUNKING\n";
  const std::string in_chunks = pipelining ? chunks + mail + rcpt_a + rcpt_b + ok + ok + no
                                           : chunks + mail + ok + rcpt_a + ok + rcpt_b + no;
  stages["chunk"] = {in_chunks + "C: BDAT 14\nC: Subject: a\nC:\n"};
  stages["last chunk"] = {in_chunks + "C: BDAT 14\nC: Subject: a\nC:\n" + ok + "C: BDAT 6 LAST\nC: text\n"};
  stages["rset"] = {stages["final dot"].script + "S: 450 4.3.0 later\nC: RSET\n"};
  return stages;
}

std::string Play(absl::string_view stage, absl::string_view fault, const StageScript& script,
                 Arrival arrival) {
  ClientConfig config =
      TestConfig(absl::StrContains(script.script, "STARTTLS") ? Level::kVerify : Level::kNone);
  if (stage == "auth") config.auth_mechanisms = {"PLAIN"};
  config.max_chunk_bytes = 14;
  Dialog dialog(config, arrival);
  dialog.responses = {"p"};
  dialog.message = std::string(kMessage);
  dialog.transaction = TestTransaction(kMessage, {"a@example.test", "b@example.test"});
  dialog.Run(script.script);
  if (fault == "4yz") {
    dialog.Say("451 4.3.0 later\r\n");
  } else if (fault == "5yz") {
    dialog.Say("554 5.7.1 no\r\n");
  } else if (fault == "421") {
    dialog.Say("421 4.3.2 bye\r\n");
  } else if (fault == "garbage") {
    dialog.Say("SSH-2.0-OpenSSH\r\n");
  } else if (fault == "endless") {
    dialog.Say(std::string(kMaxPeerReplyBytes + 1, '2'));
  } else if (fault == "early") {
    dialog.Say(absl::StrCat(script.reply, script.reply.empty() ? "" : "\r\n", "250 2.0.0 early\r\n"));
  } else {
    dialog.Run(absl::StrCat("! ", fault));
  }
  dialog.TakeWritten();
  for (const std::string& reply : script.then) {
    if (ActionName(dialog.action()) == "await reply") dialog.Say(reply + "\r\n");
  }
  if (dialog.outcomes.empty()) {
    return absl::StrCat(dialog.Connection(), " = ",
                        Describe(OutcomeWithoutTransaction(dialog.session.connection())));
  }
  return absl::StrCat(dialog.Connection(), " = ", absl::StrJoin(dialog.Recipients(), ", "));
}

// What becomes of the connection = what becomes of a@ and b@. Where it came to no transaction: of mail that was to go
// over it.
struct Row {
  absl::string_view stage;
  absl::string_view fault;
  absl::string_view outcome;
};
// clang-format off
constexpr Row kTable[] = {
    {"greeting", "4yz", "refused 451 4.3.0 greeting = deferred 451 4.3.0 greeting"},
    {"greeting", "5yz", "refused 554 5.7.1 greeting = failed 554 5.7.1 greeting"},
    {"greeting", "421", "closing 421 4.3.2 greeting = deferred 421 4.3.2 greeting"},
    {"greeting", "closed", "broken 0 4.4.2 greeting = deferred 0 4.4.2 greeting"},
    {"greeting", "reset", "broken 0 4.4.2 greeting = deferred 0 4.4.2 greeting"},
    {"greeting", "silent", "broken 0 4.4.2 greeting = deferred 0 4.4.2 greeting"},
    {"greeting", "shutdown", "broken 0 4.3.2 greeting = deferred 0 4.3.2 greeting"},
    {"greeting", "garbage", "broken 0 4.5.0 greeting = deferred 0 4.5.0 greeting"},
    {"greeting", "endless", "broken 0 4.5.0 greeting = deferred 0 4.5.0 greeting"},
    {"greeting", "early", "broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"ehlo", "4yz", "refused 451 4.3.0 ehlo = deferred 451 4.3.0 ehlo"},
    {"ehlo", "5yz", "refused 503 5.5.1 ehlo = failed 503 5.5.1 ehlo"},
    {"ehlo", "421", "closing 421 4.3.2 ehlo = deferred 421 4.3.2 ehlo"},
    {"ehlo", "closed", "broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"ehlo", "reset", "broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"ehlo", "silent", "broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"ehlo", "shutdown", "broken 0 4.3.2 ehlo = deferred 0 4.3.2 ehlo"},
    {"ehlo", "garbage", "broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"ehlo", "endless", "broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"ehlo", "early", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"helo", "4yz", "refused 451 4.3.0 ehlo = deferred 451 4.3.0 ehlo"},
    {"helo", "5yz", "refused 554 5.7.1 ehlo = failed 554 5.7.1 ehlo"},
    {"helo", "421", "closing 421 4.3.2 ehlo = deferred 421 4.3.2 ehlo"},
    {"helo", "closed", "broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"helo", "reset", "broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"helo", "silent", "broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"helo", "shutdown", "broken 0 4.3.2 ehlo = deferred 0 4.3.2 ehlo"},
    {"helo", "garbage", "broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"helo", "endless", "broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"helo", "early", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"starttls", "4yz", "tls broken 451 4.3.0 starttls = deferred 451 4.3.0 starttls"},
    {"starttls", "5yz", "tls broken 554 5.7.1 starttls = deferred 554 5.7.1 starttls"},
    {"starttls", "421", "closing 421 4.3.2 starttls = deferred 421 4.3.2 starttls"},
    {"starttls", "closed", "tls broken 0 4.4.2 starttls = deferred 0 4.4.2 starttls"},
    {"starttls", "reset", "tls broken 0 4.4.2 starttls = deferred 0 4.4.2 starttls"},
    {"starttls", "silent", "tls broken 0 4.4.2 starttls = deferred 0 4.4.2 starttls"},
    {"starttls", "shutdown", "broken 0 4.3.2 starttls = deferred 0 4.3.2 starttls"},
    {"starttls", "garbage", "tls broken 0 4.5.0 starttls = deferred 0 4.5.0 starttls"},
    {"starttls", "endless", "tls broken 0 4.5.0 starttls = deferred 0 4.5.0 starttls"},
    {"starttls", "early", "broken 0 4.5.0 handshake = deferred 0 4.5.0 handshake"},
    {"ehlo under tls", "4yz", "tls broken 451 4.3.0 ehlo = deferred 451 4.3.0 ehlo"},
    {"ehlo under tls", "5yz", "tls broken 554 5.7.1 ehlo = deferred 554 5.7.1 ehlo"},
    {"ehlo under tls", "421", "closing 421 4.3.2 ehlo = deferred 421 4.3.2 ehlo"},
    {"ehlo under tls", "closed", "tls broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"ehlo under tls", "reset", "tls broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"ehlo under tls", "silent", "tls broken 0 4.4.2 ehlo = deferred 0 4.4.2 ehlo"},
    {"ehlo under tls", "shutdown", "broken 0 4.3.2 ehlo = deferred 0 4.3.2 ehlo"},
    {"ehlo under tls", "garbage", "tls broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"ehlo under tls", "endless", "tls broken 0 4.5.0 ehlo = deferred 0 4.5.0 ehlo"},
    {"ehlo under tls", "early", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"auth", "4yz", "refused 451 4.3.0 auth = deferred 451 4.3.0 auth"},
    {"auth", "5yz", "refused 554 5.7.1 auth = deferred 554 5.7.1 auth"},
    {"auth", "421", "closing 421 4.3.2 auth = deferred 421 4.3.2 auth"},
    {"auth", "closed", "broken 0 4.4.2 auth = deferred 0 4.4.2 auth"},
    {"auth", "reset", "broken 0 4.4.2 auth = deferred 0 4.4.2 auth"},
    {"auth", "silent", "broken 0 4.4.2 auth = deferred 0 4.4.2 auth"},
    {"auth", "shutdown", "broken 0 4.3.2 auth = deferred 0 4.3.2 auth"},
    {"auth", "garbage", "broken 0 4.5.0 auth = deferred 0 4.5.0 auth"},
    {"auth", "endless", "broken 0 4.5.0 auth = deferred 0 4.5.0 auth"},
    {"auth", "early", "broken 0 4.5.0 auth = deferred 0 4.5.0 auth"},
    {"idle", "4yz", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"idle", "5yz", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"idle", "421", "closing 421 4.3.2 idle = deferred 421 4.3.2 idle"},
    {"idle", "closed", "broken 0 4.4.2 idle = deferred 0 4.4.2 idle"},
    {"idle", "reset", "broken 0 4.4.2 idle = deferred 0 4.4.2 idle"},
    {"idle", "silent", "broken 0 4.4.2 idle = deferred 0 4.4.2 idle"},
    {"idle", "shutdown", "broken 0 4.3.2 idle = deferred 0 4.3.2 idle"},
    {"idle", "garbage", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"idle", "endless", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"idle", "early", "broken 0 4.5.0 idle = deferred 0 4.5.0 idle"},
    {"mail", "4yz", "usable = deferred 451 4.3.0 mail, deferred 451 4.3.0 mail"},
    {"mail", "5yz", "usable = failed 554 5.7.1 mail, failed 554 5.7.1 mail"},
    {"mail", "421", "closing 421 4.3.2 mail = deferred 421 4.3.2 mail, deferred 421 4.3.2 mail"},
    {"mail", "closed", "broken 0 4.4.2 mail = deferred 0 4.4.2 mail, deferred 0 4.4.2 mail"},
    {"mail", "reset", "broken 0 4.4.2 mail = deferred 0 4.4.2 mail, deferred 0 4.4.2 mail"},
    {"mail", "silent", "broken 0 4.4.2 mail = deferred 0 4.4.2 mail, deferred 0 4.4.2 mail"},
    {"mail", "shutdown", "broken 0 4.3.2 mail = deferred 0 4.3.2 mail, deferred 0 4.3.2 mail"},
    {"mail", "garbage", "broken 0 4.5.0 mail = deferred 0 4.5.0 mail, deferred 0 4.5.0 mail"},
    {"mail", "endless", "broken 0 4.5.0 mail = deferred 0 4.5.0 mail, deferred 0 4.5.0 mail"},
    {"mail", "early", "broken 0 4.5.0 rcpt = deferred 0 4.5.0 rcpt, deferred 0 4.5.0 rcpt"},
    {"rcpt", "4yz", "usable = deferred 451 4.3.0 rcpt, failed 550 5.1.1 rcpt"},
    {"rcpt", "5yz", "usable = failed 554 5.7.1 rcpt, failed 550 5.1.1 rcpt"},
    {"rcpt", "421", "closing 421 4.3.2 rcpt = deferred 421 4.3.2 rcpt, deferred 421 4.3.2 rcpt"},
    {"rcpt", "closed", "broken 0 4.4.2 rcpt = deferred 0 4.4.2 rcpt, deferred 0 4.4.2 rcpt"},
    {"rcpt", "reset", "broken 0 4.4.2 rcpt = deferred 0 4.4.2 rcpt, deferred 0 4.4.2 rcpt"},
    {"rcpt", "silent", "broken 0 4.4.2 rcpt = deferred 0 4.4.2 rcpt, deferred 0 4.4.2 rcpt"},
    {"rcpt", "shutdown", "broken 0 4.3.2 rcpt = deferred 0 4.3.2 rcpt, deferred 0 4.3.2 rcpt"},
    {"rcpt", "garbage", "broken 0 4.5.0 rcpt = deferred 0 4.5.0 rcpt, deferred 0 4.5.0 rcpt"},
    {"rcpt", "endless", "broken 0 4.5.0 rcpt = deferred 0 4.5.0 rcpt, deferred 0 4.5.0 rcpt"},
    {"rcpt", "early", "broken 0 4.5.0 rcpt = deferred 0 4.5.0 rcpt, deferred 0 4.5.0 rcpt"},
    {"data", "4yz", "usable = deferred 451 4.3.0 data, failed 550 5.1.1 rcpt"},
    {"data", "5yz", "usable = failed 554 5.7.1 data, failed 550 5.1.1 rcpt"},
    {"data", "421", "closing 421 4.3.2 data = deferred 421 4.3.2 data, failed 550 5.1.1 rcpt"},
    {"data", "closed", "broken 0 4.4.2 data = deferred 0 4.4.2 data, failed 550 5.1.1 rcpt"},
    {"data", "reset", "broken 0 4.4.2 data = deferred 0 4.4.2 data, failed 550 5.1.1 rcpt"},
    {"data", "silent", "broken 0 4.4.2 data = deferred 0 4.4.2 data, failed 550 5.1.1 rcpt"},
    {"data", "shutdown", "broken 0 4.3.2 data = deferred 0 4.3.2 data, failed 550 5.1.1 rcpt"},
    {"data", "garbage", "broken 0 4.5.0 data = deferred 0 4.5.0 data, failed 550 5.1.1 rcpt"},
    {"data", "endless", "broken 0 4.5.0 data = deferred 0 4.5.0 data, failed 550 5.1.1 rcpt"},
    {"data", "early", "broken 0 4.5.0 body = deferred 0 4.5.0 body, deferred 0 4.5.0 body"},
    {"chunk", "4yz", "usable = deferred 451 4.3.0 body, failed 550 5.1.1 rcpt"},
    {"chunk", "5yz", "usable = failed 554 5.7.1 body, failed 550 5.1.1 rcpt"},
    {"chunk", "421", "closing 421 4.3.2 body = deferred 421 4.3.2 body, failed 550 5.1.1 rcpt"},
    {"chunk", "closed", "broken 0 4.4.2 body = deferred 0 4.4.2 body, failed 550 5.1.1 rcpt"},
    {"chunk", "reset", "broken 0 4.4.2 body = deferred 0 4.4.2 body, failed 550 5.1.1 rcpt"},
    {"chunk", "silent", "broken 0 4.4.2 body = deferred 0 4.4.2 body, failed 550 5.1.1 rcpt"},
    {"chunk", "shutdown", "broken 0 4.3.2 body = deferred 0 4.3.2 body, failed 550 5.1.1 rcpt"},
    {"chunk", "garbage", "broken 0 4.5.0 body = deferred 0 4.5.0 body, failed 550 5.1.1 rcpt"},
    {"chunk", "endless", "broken 0 4.5.0 body = deferred 0 4.5.0 body, failed 550 5.1.1 rcpt"},
    {"chunk", "early", "broken 0 4.5.0 body = deferred 0 4.5.0 body, deferred 0 4.5.0 body"},
    {"last chunk", "4yz", "usable = deferred 451 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"last chunk", "5yz", "usable = failed 554 5.7.1 final_dot, failed 550 5.1.1 rcpt"},
    {"last chunk", "421", "closing 421 4.3.2 final_dot = deferred 421 4.3.2 final_dot, failed 550 5.1.1 rcpt"},
    {"last chunk", "closed", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"last chunk", "reset", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"last chunk", "silent", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"last chunk", "shutdown", "broken 0 4.3.2 final_dot = deferred 0 4.3.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"last chunk", "garbage", "broken 0 4.5.0 final_dot = deferred 0 4.5.0 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"last chunk", "endless", "broken 0 4.5.0 final_dot = deferred 0 4.5.0 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"last chunk", "early", "broken 0 4.5.0 idle = delivered 250 2.0.0 final_dot, failed 550 5.1.1 rcpt"},
    {"final dot", "4yz", "usable = deferred 451 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"final dot", "5yz", "usable = failed 554 5.7.1 final_dot, failed 550 5.1.1 rcpt"},
    {"final dot", "421", "closing 421 4.3.2 final_dot = deferred 421 4.3.2 final_dot, failed 550 5.1.1 rcpt"},
    {"final dot", "closed", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"final dot", "reset", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"final dot", "silent", "broken 0 4.4.2 final_dot = deferred 0 4.4.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"final dot", "shutdown", "broken 0 4.3.2 final_dot = deferred 0 4.3.2 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"final dot", "garbage", "broken 0 4.5.0 final_dot = deferred 0 4.5.0 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"final dot", "endless", "broken 0 4.5.0 final_dot = deferred 0 4.5.0 final_dot, failed 550 5.1.1 rcpt, unknown"},
    {"final dot", "early", "broken 0 4.5.0 idle = delivered 250 2.0.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "4yz", "refused 451 4.3.0 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "5yz", "refused 554 5.7.1 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "421", "closing 421 4.3.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "closed", "broken 0 4.4.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "reset", "broken 0 4.4.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "silent", "broken 0 4.4.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "shutdown", "broken 0 4.3.2 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "garbage", "broken 0 4.5.0 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "endless", "broken 0 4.5.0 rset = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
    {"rset", "early", "broken 0 4.5.0 idle = deferred 450 4.3.0 final_dot, failed 550 5.1.1 rcpt"},
};
// clang-format on

TEST(ClientStagesTest, WhateverAHostDoes) {
  for (const bool pipelining : {false, true}) {
    const std::map<absl::string_view, StageScript> stages = Stages(pipelining);
    for (const Row& row : kTable) {
      for (const Arrival arrival : kArrivals) {
        // What comes ahead of its command is seen when it comes with the last reply that is awaited, and not before.
        if (row.fault == "early" && arrival != Arrival::kWhole) continue;
        if (row.fault == "early" && pipelining && (row.stage == "mail" || row.stage == "rcpt")) continue;
        SCOPED_TRACE(absl::StrCat(row.stage, ", ", row.fault, ", pipelining ", pipelining, ", arrival ",
                                  static_cast<int>(arrival)));
        EXPECT_EQ(Play(row.stage, row.fault, stages.at(row.stage), arrival), row.outcome);
      }
    }
  }
}

TEST(ClientStagesTest, TheTableIsWhole) {
  const std::map<absl::string_view, StageScript> stages = Stages(false);
  std::map<absl::string_view, int> fault_count;
  for (const Row& row : kTable) ++fault_count[row.stage];
  EXPECT_EQ(fault_count.size(), stages.size());
  for (const auto& [stage, count] : fault_count) EXPECT_EQ(count, 10) << stage;
}

// The reply to QUIT is not awaited, so that nothing can go wrong with it.
TEST(ClientStagesTest, Quit) {
  for (const absl::string_view then :
       {"", "S: 221 bye", "S: 500 what?", "S: garbage", "! closed", "! reset", "! silent"}) {
    Dialog dialog(TestConfig());
    dialog.Run(absl::StrCat("S: 220 mx\nC: EHLO mail.example.test\nS: 250 mx\n! quit\nC: QUIT\n", then));
    EXPECT_EQ(dialog.Connection(), "ended 0  quit") << then;
    EXPECT_EQ(ActionName(dialog.action()), "close");
    EXPECT_EQ(ActionName(dialog.session.Quit()), "close");
  }
}

}  // namespace
}  // namespace mailstead::smtp::outbound
