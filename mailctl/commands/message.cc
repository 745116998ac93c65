#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

// The most DeleteMessages takes.
constexpr size_t kDeleteAtOnce = 10'000;
// The most of a header that `message show` prints.
constexpr int64_t kShownHeaderBytes = 64 * 1024;

absl::Status ForEachMessage(Client& store, const std::string& account,
                            absl::FunctionRef<void(const v1::MessageSummary&)> take) {
  v1::ListMessagesRequest request;
  request.set_account(account);
  const auto take_page = [&](const v1::ListMessagesResponse& page) {
    for (const v1::MessageSummary& message : page.messages()) take(message);
  };
  return store.Pages(store::kListMessages, request, take_page);
}

std::string ReversePath(const v1::MessageSummary& message) {
  return absl::StrCat("<", message.reverse_path(), ">");
}

std::string Recipients(const v1::MessageSummary& message) { return absl::StrJoin(message.recipients(), ", "); }

absl::Status List(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "messages");
  Table table({{"ID", true}, {"DELIVERED"}, {"SIZE", true}, {"FROM"}, {"TO"}});
  RETURN_IF_ERROR(ForEachMessage(*store, arguments.positional(0), [&](const v1::MessageSummary& message) {
    json.Add(message);
    if (context.output().json()) return;
    table.Row({absl::StrCat(message.message_id()), FormatTime(message.deliver_time()),
               FormatBytes(message.size_bytes()), ReversePath(message), Recipients(message)});
  }));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no messages\n" : table.Text());
  return absl::OkStatus();
}

// The header section of a message, or its first kShownHeaderBytes.
absl::StatusOr<std::string> FetchHeader(Client& store, const std::string& account, int64_t message_id) {
  v1::FetchMessageRequest request;
  request.set_account(account);
  request.set_message_id(message_id);
  request.set_read_limit(kShownHeaderBytes);
  std::string text;
  const auto take = [&](const v1::FetchMessageResponse& response) { text.append(response.content()); };
  RETURN_IF_ERROR(store.ReadAll(store::kFetchMessage, request, kCallTimeout, take));
  const size_t end = text.find("\r\n\r\n");
  return end == std::string::npos ? text : text.substr(0, end + 2);
}

absl::Status Show(const Arguments& arguments, Context& context) {
  const std::string account = arguments.positional(0);
  ASSIGN_OR_RETURN(const uint64_t message_id, ParseId("message", arguments.positional(1)));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  std::optional<v1::MessageSummary> found;
  RETURN_IF_ERROR(ForEachMessage(*store, account, [&](const v1::MessageSummary& message) {
    if (message.message_id() == static_cast<int64_t>(message_id)) found = message;
  }));
  if (!found.has_value()) {
    return absl::NotFoundError(absl::StrCat("no message ", message_id, " in ", account));
  }
  context.output().Json(*found);
  if (context.output().json()) return absl::OkStatus();

  FieldList fields;
  fields.Add("message", absl::StrCat(found->message_id()));
  fields.Add("unique id", found->unique_id());
  fields.Add("delivery id", found->delivery_id());
  fields.Add("delivered", FormatTime(found->deliver_time()));
  fields.Add("size", absl::StrCat(found->size_bytes(), " bytes"));
  fields.Add("from", ReversePath(*found));
  fields.Add("to", Recipients(*found));
  fields.Add("SHA-256", absl::BytesToHexString(found->sha256()));
  context.output().Raw(absl::StrCat(fields.Text(), "\n"));
  ASSIGN_OR_RETURN(const std::string header, FetchHeader(*store, account, found->message_id()));
  for (absl::string_view line : absl::StrSplit(absl::StripSuffix(header, "\n"), '\n')) {
    context.output().Line(Printable(absl::StrReplaceAll(absl::StripSuffix(line, "\r"), {{"\t", "    "}})));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> MessagesToRemove(const Arguments& arguments, Client& store) {
  std::vector<int64_t> ids;
  for (size_t i = 1; i < arguments.positionals().size(); ++i) {
    ASSIGN_OR_RETURN(const uint64_t id, ParseId("message", arguments.positionals()[i]));
    ids.push_back(static_cast<int64_t>(id));
  }
  if (arguments.Has("all")) {
    RETURN_IF_ERROR(ForEachMessage(store, arguments.positional(0), [&](const v1::MessageSummary& message) {
      ids.push_back(message.message_id());
    }));
  }
  return ids;
}

// Those that fit in a line.
std::string FirstOf(const google::protobuf::RepeatedField<int64_t>& ids) {
  constexpr int kMaxNamed = 20;
  std::string text = absl::StrJoin(ids.begin(), ids.begin() + std::min(ids.size(), kMaxNamed), ", ");
  if (ids.size() > kMaxNamed) absl::StrAppend(&text, " and ", ids.size() - kMaxNamed, " more");
  return text;
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  const bool has_ids = arguments.positionals().size() > 1;
  if (has_ids == arguments.Has("all")) return UsageError("give either message ids or --all");
  for (size_t i = 1; i < arguments.positionals().size(); ++i) {
    RETURN_IF_ERROR(ParseId("message", arguments.positionals()[i]).status());
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const std::vector<int64_t> ids, MessagesToRemove(arguments, *store));
  if (arguments.Has("all") && !arguments.Has("yes")) {
    const std::string question = absl::StrCat("Remove ", Plural(ids.size(), "message"), " of ",
                                              Printable(arguments.positional(0)), "?");
    RETURN_IF_ERROR(context.terminal().Confirm(question));
  }

  v1::DeleteMessagesResponse total;
  for (size_t first = 0; first < ids.size(); first += kDeleteAtOnce) {
    v1::DeleteMessagesRequest request;
    request.set_account(arguments.positional(0));
    for (size_t i = first; i < std::min(ids.size(), first + kDeleteAtOnce); ++i)
      request.add_message_ids(ids[i]);
    ASSIGN_OR_RETURN(const v1::DeleteMessagesResponse response,
                     store->Call(store::kDeleteMessages, request));
    total.set_deleted_count(total.deleted_count() + response.deleted_count());
    // With --all they were there a moment ago, and somebody else has deleted them.
    if (has_ids) total.mutable_missing_message_ids()->MergeFrom(response.missing_message_ids());
  }
  context.output().Result(total, absl::StrCat(Plural(total.deleted_count(), "message"), " removed"));
  if (total.missing_message_ids().empty()) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("no message ", FirstOf(total.missing_message_ids()), " in ", arguments.positional(0)));
}

}  // namespace

std::vector<Command> MessageCommands() {
  return {
      {"message",
       "list",
       "List the messages of an account.",
       {{"ADDRESS"}},
       {},
       "Oldest first.",
       "mailctl message list demo@example.test",
       List},
      {"message",
       "show",
       "Show what is known of a message, and its header.",
       {{"ADDRESS"}, {"ID"}},
       {},
       "With --json the header is left out; mailctl fetch gives the whole message.",
       "mailctl message show demo@example.test 17",
       Show},
      {"message",
       "remove",
       "Delete messages.",
       {{"ADDRESS"}, {"ID", /*optional=*/true, /*repeated=*/true}},
       {{"all", "", "Delete every message of the account."},
        {"yes", "", "Do not ask before --all. Needed where there is no terminal to ask at."}},
       "Those that exist are deleted; ids that do not are named, and the exit code is 3. Refused with\n"
       "exit code 5 while a POP3 session holds the mailbox.",
       "mailctl message remove demo@example.test 17 18",
       Remove},
  };
}

}  // namespace mailstead::ctl
