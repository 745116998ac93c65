#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "mailctl/client.h"
#include "mailctl/commands/commands.h"
#include "mailctl/exit_code.h"
#include "mailctl/output.h"

namespace mailstead::ctl {
namespace {

// A file that appears under its name only when it is whole.
class WholeFile {
 public:
  explicit WholeFile(std::string path) : path_(std::move(path)), part_(absl::StrCat(path_, ".part")) {}
  ~WholeFile() {
    if (opened_ && !kept_) unlink(part_.c_str());
  }

  absl::Status Open() {
    file_.open(part_, std::ios::binary | std::ios::trunc);
    opened_ = file_.is_open();
    return opened_ ? absl::OkStatus() : Failure(part_);
  }
  void Write(const std::string& bytes) {
    file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  absl::Status Keep() {
    file_.close();
    if (!file_.good() || rename(part_.c_str(), path_.c_str()) != 0) return Failure(path_);
    kept_ = true;
    return absl::OkStatus();
  }

 private:
  static absl::Status Failure(const std::string& path) {
    return absl::FailedPreconditionError(absl::StrCat(path, " cannot be written: ", strerror(errno)));
  }

  const std::string path_;
  const std::string part_;
  std::ofstream file_;
  bool opened_ = false;
  bool kept_ = false;
};

absl::StatusOr<uint64_t> Receive(Client& store, const v1::FetchMessageRequest& request,
                                 const std::function<void(const std::string&)>& take) {
  uint64_t bytes = 0;
  const auto take_piece = [&](const v1::FetchMessageResponse& response) {
    take(response.content());
    bytes += response.content().size();
  };
  RETURN_IF_ERROR(store.ReadAll(store::kFetchMessage, request, kTransferTimeout, take_piece));
  return bytes;
}

// What of the message.
absl::Status SetWanted(const Arguments& arguments, v1::FetchMessageRequest& request) {
  if (arguments.Has("part") && arguments.Has("section")) return UsageError("give either --part or --section");
  if (arguments.Has("form") && !arguments.Has("part")) return UsageError("--form is of a part: give --part");
  request.set_part_id(arguments.Get("part"));
  const std::string form = arguments.Get("form");
  if (form == "decoded") request.set_part_form(v1::PART_FORM_DECODED);
  if (form == "text") request.set_part_form(v1::PART_FORM_TEXT);
  if (form == "encoded") request.set_part_form(v1::PART_FORM_ENCODED);
  const std::string section = arguments.Get("section");
  if (section == "header") request.set_section(v1::MESSAGE_SECTION_HEADER);
  if (section == "content") request.set_section(v1::MESSAGE_SECTION_CONTENT);
  return absl::OkStatus();
}

absl::Status Fetch(const Arguments& arguments, Context& context) {
  const std::string path = arguments.Get("output");
  if (context.output().json() && (path.empty() || path == "-"))
    return UsageError("--json needs --output=FILE: the message is bytes");
  v1::FetchMessageRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(const uint64_t message_id, ParseId("message", arguments.positional(1)));
  request.set_message_id(static_cast<int64_t>(message_id));
  RETURN_IF_ERROR(SetWanted(arguments, request));
  ASSIGN_OR_RETURN(Client * store, context.Store());
  if (path.empty() || path == "-") {
    return Receive(*store, request, [&](const std::string& bytes) { context.output().Raw(bytes); }).status();
  }
  WholeFile file(path);
  RETURN_IF_ERROR(file.Open());
  ASSIGN_OR_RETURN(const uint64_t bytes,
                   Receive(*store, request, [&](const std::string& piece) { file.Write(piece); }));
  RETURN_IF_ERROR(file.Keep());
  context.output().JsonText(
      absl::StrCat("{\"file\": ", JsonQuote(path), ", \"size_bytes\": ", JsonNumber(bytes), "}"));
  context.output().Line(absl::StrCat(bytes, " bytes written to ", Printable(path)));
  return absl::OkStatus();
}

}  // namespace

std::vector<Command> FetchCommands() {
  const std::vector<Option> options = {
      {"output", "FILE", "Write it to a file instead of standard output.", {}, 'o'},
      {"section", "whole|header|content",
       "Its header; or its content as it was delivered, of which the SHA-256 is.", "whole|header|content"},
      {"part", "PART", "One part, such as 1.2: mailctl message show --parsed has them."},
      {"form", "decoded|text|encoded",
       "The part without its transfer encoding, as UTF-8 in addition, or as it stands.",
       "decoded|text|encoded"},
  };
  constexpr absl::string_view details =
      "The bytes are those that POP3 gives: the fields that Mailstead put in front, then the message. The "
      "message stays\n"
      "in the mailbox, and no lock is taken. mailctl message list shows the ids. A part comes without its "
      "transfer\n"
      "encoding: the file that was sent. Its name is the sender's; give one of your own with -o.";
  return {
      {"message",
       "fetch",
       "Get one message, or a part of it, as it is stored.",
       {{"ADDRESS"}, {"ID"}},
       options,
       details,
       "mailctl message fetch demo@example.test 17 --part=1.2 -o attachment",
       Fetch},
      {"fetch",
       "",
       "The same as message fetch.",
       {{"ADDRESS"}, {"ID"}},
       options,
       details,
       "mailctl fetch demo@example.test 17 -o message.eml",
       Fetch},
  };
}

}  // namespace mailstead::ctl
