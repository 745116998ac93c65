#include <string>

#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }

absl::Status List(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::ListSessionsRequest request;
  request.set_account(arguments.positional(0));
  JsonList json(context.output(), "sessions");
  Table table({{"ADDRESS"}, {"SINCE"}, {"CLIENT"}, {"FRONT-END"}, {"SESSION"}});
  const auto take = [&](const v1::ListSessionsResponse& page) {
    for (const v1::Session& session : page.sessions()) {
      json.Add(session);
      if (context.output().json()) continue;
      table.Row({session.address(), FormatTime(session.open_time()), OrDash(session.client_address()),
                 OrDash(session.holder()), session.session_id()});
    }
  };
  RETURN_IF_ERROR(store->Pages(store::kListSessions, request, take));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no sessions\n" : table.Text());
  return absl::OkStatus();
}

absl::Status End(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::EndSessionRequest request;
  request.set_account(arguments.positional(0));
  request.set_session_id(arguments.positional(1));
  ASSIGN_OR_RETURN(const v1::EndSessionResponse response, store->Call(store::kEndSession, request));
  const v1::Session& session = response.session();
  context.output().Result(
      response, absl::StrCat("session ", session.session_id(), " of ", session.address(), " ended"));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> SessionCommands() {
  return {
      {"session",
       "list",
       "List the POP3 sessions that hold a mailbox, of one account or all.",
       {{"ADDRESS", true}},
       {},
       "With the client's address, the front-end that it is at, and the session id that the logs have.",
       "mailctl session list\n"
       "mailctl session list demo@example.test",
       List},
      {"session",
       "end",
       "End the POP3 session that holds a mailbox.",
       {{"ADDRESS"}, {"SESSION", true}},
       {},
       "The mailbox is free at once. Nothing that the session marked is deleted; its client is told so,\n"
       "and may log in again. With SESSION another session than this one is left alone, and the exit code\n"
       "is 3, as when nobody holds the mailbox.",
       "mailctl session end demo@example.test",
       End},
  };
}

}  // namespace mailstead::ctl
