#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/text/utf8.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/commands/message_filter.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"
#include "mailctl/terminal.h"

namespace mailstead::ctl {
namespace {

// The most DeleteMessages takes.
constexpr size_t kDeleteAtOnce = 10'000;
// The most RestoreMessages takes.
constexpr size_t kRestoreAtOnce = 1000;
// The most of a header that `message show` prints.
constexpr int64_t kShownHeaderBytes = 64 * 1024;

absl::Status ForEachMessage(Client& store, v1::ListMessagesRequest request,
                            absl::FunctionRef<void(const v1::Message&)> take) {
  const auto take_page = [&](const v1::ListMessagesResponse& page) {
    for (const v1::Message& message : page.messages()) take(message);
  };
  return store.Pages(store::kListMessages, std::move(request), take_page);
}

std::string ReversePath(const v1::MessageSummary& message) {
  return absl::StrCat("<", message.reverse_path(), ">");
}

std::string Recipients(const v1::MessageSummary& message) {
  return absl::StrJoin(message.recipients(), ", ");
}

std::string AddressText(const v1::MailAddress& address) {
  if (address.address().empty()) {
    return address.display_name().empty() ? absl::StrCat(address.group(), ":;") : address.display_name();
  }
  if (address.display_name().empty()) return address.address();
  return absl::StrCat(address.display_name(), " <", address.address(), ">");
}

std::string AddressesText(const google::protobuf::RepeatedPtrField<v1::MailAddress>& addresses) {
  return absl::StrJoin(addresses, ", ", [](std::string* out, const v1::MailAddress& address) {
    absl::StrAppend(out, AddressText(address));
  });
}

// Who wrote it, as far as its header says.
std::string Author(const v1::MessageSummary& message) {
  return message.from_addresses().empty() ? ReversePath(message) : AddressText(message.from_addresses(0));
}

std::string AttachmentText(const v1::MessageSummary& message) {
  return message.has_has_attachment() ? YesNo(message.has_attachment().value()) : "-";
}

// As much as fits in a row. What a stranger wrote acts on no terminal.
std::string Short(absl::string_view text) {
  constexpr size_t kMaxShownBytes = 72;
  return PrintableUtf8(text, kMaxShownBytes);
}

absl::string_view CauseText(v1::DeletionCause cause) {
  switch (cause) {
    case v1::DELETION_CAUSE_API:
      return "API";
    case v1::DELETION_CAUSE_POP3:
      return "POP3";
    case v1::DELETION_CAUSE_RETENTION:
      return "retention";
    default:
      return "unknown";
  }
}

absl::Status ListDeleted(v1::ListMessagesRequest request, Context& context) {
  request.set_in_trash(true);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "messages");
  Table table({{"ID", true},
               {"DELETED"},
               {"BY"},
               {"RESTORABLE UNTIL"},
               {"SIZE", true},
               {"FROM"},
               {"TO"},
               {"SUBJECT"}});
  RETURN_IF_ERROR(ForEachMessage(*store, std::move(request), [&](const v1::Message& message) {
    json.Add(message);
    if (context.output().json()) return;
    const v1::MessageSummary& summary = message.summary();
    const v1::MessageDeletion& deletion = message.deletion();
    table.Row({absl::StrCat(summary.message_id()), FormatTime(deletion.delete_time()),
               std::string(CauseText(deletion.cause())), FormatTime(deletion.restorable_until_time()),
               FormatBytes(summary.size_bytes()), Short(Author(summary)), Recipients(summary),
               Short(summary.subject())});
  }));
  json.Finish();
  if (!context.output().json()) context.output().Raw(table.empty() ? "no messages\n" : table.Text());
  return absl::OkStatus();
}

absl::Status List(const Arguments& arguments, Context& context) {
  v1::ListMessagesRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(*request.mutable_filter(), MessageFilterOf(arguments, context.clock().Now()));
  if (arguments.Has("newest_first")) request.set_order(v1::MESSAGE_ORDER_NEWEST_FIRST);
  if (arguments.Has("deleted")) return ListDeleted(std::move(request), context);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  JsonList json(context.output(), "messages");
  Table table({{"ID", true}, {"DELIVERED"}, {"SIZE", true}, {"FROM"}, {"TO"}, {"ATTACHMENT"}, {"SUBJECT"}});
  RETURN_IF_ERROR(ForEachMessage(*store, std::move(request), [&](const v1::Message& listed) {
    const v1::MessageSummary& message = listed.summary();
    json.Add(message);
    if (context.output().json()) return;
    table.Row({absl::StrCat(message.message_id()), FormatTime(message.deliver_time()),
               FormatBytes(message.size_bytes()), Short(Author(message)), Recipients(message),
               AttachmentText(message), Short(message.subject())});
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
  request.set_section(v1::MESSAGE_SECTION_HEADER);
  std::string text;
  const auto take = [&](const v1::FetchMessageResponse& response) { text.append(response.content()); };
  RETURN_IF_ERROR(store.ReadAll(store::kFetchMessage, request, kCallTimeout, take));
  return std::string(absl::StripSuffix(text, "\r\n\r\n"));
}

void PrintLines(Output& output, absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    output.Line(Printable(absl::StrReplaceAll(absl::StripSuffix(line, "\r"), {{"\t", "    "}})));
  }
}

FieldList SummaryFields(const v1::MessageSummary& message) {
  FieldList fields;
  fields.Add("message", absl::StrCat(message.message_id()));
  fields.Add("unique id", message.unique_id());
  fields.Add("delivery id", message.delivery_id());
  fields.Add("delivered", FormatTime(message.deliver_time()));
  fields.Add("size", absl::StrCat(message.size_bytes(), " bytes"));
  fields.Add("from", ReversePath(message));
  fields.Add("to", Recipients(message));
  fields.Add("SHA-256", absl::BytesToHexString(message.sha256()));
  fields.Add("author", AddressesText(message.from_addresses()));
  fields.Add("subject", message.subject());
  fields.Add("date", FormatTime(message.date()));
  fields.Add("Message-ID", message.header_message_id());
  fields.Add("attachment", AttachmentText(message));
  return fields;
}

void PrintParsed(Output& output, const v1::Message& message) {
  FieldList fields;
  for (const v1::HeaderField& field : message.header().fields()) fields.Add(field.name(), field.value());
  output.Raw(absl::StrCat(fields.Text(), "\n"));
  Table table({{"PART"}, {"TYPE"}, {"ENCODING"}, {"SIZE", true}, {"FILE"}, {"DEFECTS"}});
  for (const v1::Part& part : message.parsed().parts()) {
    table.Row({part.part_id(), part.media_type(), part.transfer_encoding(),
               FormatBytes(part.decoded_size_bytes()), Short(part.file_name()),
               absl::StrJoin(part.defects(), " ")});
  }
  output.Raw(table.Text());
  const std::string& shown = message.parsed().plain_text_part_id().empty()
                                 ? message.parsed().html_text_part_id()
                                 : message.parsed().plain_text_part_id();
  for (const v1::Part& part : message.parsed().parts()) {
    if (shown.empty() || part.part_id() != shown) continue;
    output.Raw("\n");
    PrintLines(output, part.text());
    if (part.text_truncated()) output.Line("(the text goes on)");
  }
}

absl::Status Show(const Arguments& arguments, Context& context) {
  v1::GetMessageRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(const uint64_t message_id, ParseId("message", arguments.positional(1)));
  request.set_message_id(static_cast<int64_t>(message_id));
  if (arguments.Has("parsed")) request.set_view(v1::MESSAGE_VIEW_PARSED);
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::Message message, store->Call(store::kGetMessage, request));
  if (arguments.Has("parsed")) {
    context.output().Json(message);
    if (!context.output().json()) PrintParsed(context.output(), message);
    return absl::OkStatus();
  }
  context.output().Json(message.summary());
  if (context.output().json()) return absl::OkStatus();
  context.output().Raw(absl::StrCat(SummaryFields(message.summary()).Text(), "\n"));
  ASSIGN_OR_RETURN(const std::string header,
                   FetchHeader(*store, request.account(), message.summary().message_id()));
  PrintLines(context.output(), header);
  return absl::OkStatus();
}

// Those that fit in a line.
std::string FirstOf(const google::protobuf::RepeatedField<int64_t>& ids) {
  constexpr int kMaxNamed = 20;
  std::string text = absl::StrJoin(ids.begin(), ids.begin() + std::min(ids.size(), kMaxNamed), ", ");
  if (ids.size() > kMaxNamed) absl::StrAppend(&text, " and ", ids.size() - kMaxNamed, " more");
  return text;
}

// Those behind the address.
absl::StatusOr<std::vector<int64_t>> NamedIds(const Arguments& arguments) {
  std::vector<int64_t> ids;
  for (size_t i = 1; i < arguments.positionals().size(); ++i) {
    ASSIGN_OR_RETURN(const uint64_t id, ParseId("message", arguments.positionals()[i]));
    ids.push_back(static_cast<int64_t>(id));
  }
  return ids;
}

// By their ids, in as many calls as it takes.
absl::StatusOr<v1::DeleteMessagesResponse> DeleteByIds(Client& store, const std::string& account,
                                                       const std::vector<int64_t>& ids) {
  v1::DeleteMessagesResponse total;
  for (size_t first = 0; first < ids.size(); first += kDeleteAtOnce) {
    v1::DeleteMessagesRequest request;
    request.set_account(account);
    for (size_t i = first; i < std::min(ids.size(), first + kDeleteAtOnce); ++i)
      request.add_message_ids(ids[i]);
    ASSIGN_OR_RETURN(const v1::DeleteMessagesResponse response, store.Call(store::kDeleteMessages, request));
    total.set_deleted_count(total.deleted_count() + response.deleted_count());
    total.mutable_missing_message_ids()->MergeFrom(response.missing_message_ids());
  }
  return total;
}

// Those that a filter finds, or all, until nothing is left.
absl::StatusOr<v1::DeleteMessagesResponse> DeleteFound(Client& store, v1::DeleteMessagesRequest request) {
  v1::DeleteMessagesResponse total;
  do {
    ASSIGN_OR_RETURN(const v1::DeleteMessagesResponse response, store.Call(store::kDeleteMessages, request));
    total.set_deleted_count(total.deleted_count() + response.deleted_count());
    total.mutable_deleted_message_ids()->MergeFrom(response.deleted_message_ids());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return total;
}

std::string Removed(const v1::DeleteMessagesResponse& total) {
  return absl::StrCat(Plural(total.deleted_count(), "message"), " removed");
}

absl::Status RemoveNamed(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> ids, NamedIds(arguments));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  ASSIGN_OR_RETURN(const v1::DeleteMessagesResponse total, DeleteByIds(*store, arguments.positional(0), ids));
  context.output().Result(total, Removed(total));
  if (total.missing_message_ids().empty()) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("no message ", FirstOf(total.missing_message_ids()), " in ", arguments.positional(0)));
}

absl::Status RemoveFound(const Arguments& arguments, Context& context) {
  v1::DeleteMessagesRequest request;
  request.set_account(arguments.positional(0));
  if (arguments.Has("all")) {
    request.set_all(true);
  } else {
    ASSIGN_OR_RETURN(*request.mutable_filter(), MessageFilterOf(arguments, context.clock().Now()));
  }
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::DeleteMessagesResponse total;
  if (arguments.Has("yes") && !arguments.Has("dry_run")) {
    ASSIGN_OR_RETURN(total, DeleteFound(*store, std::move(request)));
    context.output().Result(total, Removed(total));
    return absl::OkStatus();
  }
  request.set_dry_run(true);
  ASSIGN_OR_RETURN(const v1::DeleteMessagesResponse found, DeleteFound(*store, std::move(request)));
  const google::protobuf::RepeatedField<int64_t>& ids = found.deleted_message_ids();
  if (arguments.Has("dry_run")) {
    std::string line = absl::StrCat(Plural(found.deleted_count(), "message"), " would be removed");
    if (!ids.empty()) absl::StrAppend(&line, ": ", FirstOf(ids));
    context.output().Result(found, line);
    return absl::OkStatus();
  }
  const std::string question = absl::StrCat("Remove ", Plural(found.deleted_count(), "message"), " of ",
                                            Printable(arguments.positional(0)), "?");
  RETURN_IF_ERROR(context.terminal().Confirm(question));
  // What was asked about, and nothing that has come since.
  ASSIGN_OR_RETURN(total, DeleteByIds(*store, arguments.positional(0), {ids.begin(), ids.end()}));
  // Somebody else has deleted those.
  total.clear_missing_message_ids();
  context.output().Result(total, Removed(total));
  return absl::OkStatus();
}

absl::Status Remove(const Arguments& arguments, Context& context) {
  const bool has_ids = arguments.positionals().size() > 1;
  const int ways = int{has_ids} + int{arguments.Has("all")} + int{HasMessageFilter(arguments)};
  if (ways != 1) {
    return UsageError("give message ids, or options that say which messages, or --all");
  }
  if (has_ids && arguments.Has("dry_run")) return UsageError("--dry_run is not for message ids");
  return has_ids ? RemoveNamed(arguments, context) : RemoveFound(arguments, context);
}

absl::Status Restore(const Arguments& arguments, Context& context) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> ids, NamedIds(arguments));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  v1::RestoreMessagesResponse total;
  for (size_t first = 0; first < ids.size(); first += kRestoreAtOnce) {
    v1::RestoreMessagesRequest request;
    request.set_account(arguments.positional(0));
    for (size_t i = first; i < std::min(ids.size(), first + kRestoreAtOnce); ++i)
      request.add_message_ids(ids[i]);
    ASSIGN_OR_RETURN(const v1::RestoreMessagesResponse response,
                     store->Call(store::kRestoreMessages, request));
    total.set_restored_count(total.restored_count() + response.restored_count());
    total.mutable_missing_message_ids()->MergeFrom(response.missing_message_ids());
  }
  context.output().Result(total, absl::StrCat(Plural(total.restored_count(), "message"), " restored"));
  if (total.missing_message_ids().empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("no message ", FirstOf(total.missing_message_ids()),
                                          " that may be restored in ", arguments.positional(0)));
}

}  // namespace

std::vector<Command> MessageCommands() {
  std::vector<Option> list_options = MessageFilterOptions();
  list_options.push_back({"newest_first", "", "The newest one first."});
  list_options.push_back(
      {"deleted", "", "Those that were deleted and may be restored, in place of those there are."});
  std::vector<Option> remove_options = MessageFilterOptions();
  remove_options.push_back({"all", "", "Delete every message of the account."});
  remove_options.push_back({"dry_run", "", "Delete nothing: say which messages would go."});
  remove_options.push_back(
      {"yes", "", "Do not ask. Needed where there is no terminal to ask at, but not for message ids."});
  return {
      {"message",
       "list",
       "List the messages of an account, or those that are wanted.",
       {{"ADDRESS"}},
       list_options,
       "Oldest first. Of several options all must be so. Texts are compared without regard to the case of\n"
       "ASCII letters.",
       "mailctl message list demo@example.test --since=2h --from=@example.org --attachment=yes",
       List},
      {"message",
       "show",
       "Show what is known of a message, and its header.",
       {{"ADDRESS"}, {"ID"}},
       {{"parsed", "", "Show its fields decoded, its parts, and its text."}},
       "With --json and without --parsed the header is left out; mailctl message fetch gives the whole "
       "message.",
       "mailctl message show demo@example.test 17",
       Show},
      {"message",
       "remove",
       "Delete messages.",
       {{"ADDRESS"}, {"ID", /*optional=*/true, /*repeated=*/true}},
       remove_options,
       "By ids: those that exist are deleted; ids that do not are named, and the exit code is 3. By options\n"
       "that say which messages: all of them must be so, as of mailctl message list. A POP3 session that\n"
       "holds the mailbox loses them, too.",
       "mailctl message remove demo@example.test --until=2160h --from=@lists.example.org --dry_run",
       Remove},
      {"message",
       "restore",
       "Bring deleted messages back.",
       {{"ADDRESS"}, {"ID", /*optional=*/false, /*repeated=*/true}},
       {},
       "Those that the undelete window of the account's domain keeps (mailctl message list --deleted), with "
       "the ids that\n"
       "they had. Ids that are not there are named, and the exit code is 3. Refused with exit code 5 while a "
       "POP3\n"
       "session holds the mailbox, and when the mailbox is full.",
       "mailctl message restore demo@example.test 17 18",
       Restore},
  };
}

}  // namespace mailstead::ctl
