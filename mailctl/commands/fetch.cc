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

absl::Status Fetch(const Arguments& arguments, Context& context) {
  const std::string path = arguments.Get("output");
  if (context.output().json() && (path.empty() || path == "-"))
    return UsageError("--json needs --output=FILE: the message is bytes");
  v1::FetchMessageRequest request;
  request.set_account(arguments.positional(0));
  ASSIGN_OR_RETURN(const uint64_t message_id, ParseId("message", arguments.positional(1)));
  request.set_message_id(static_cast<int64_t>(message_id));
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
  return {
      {"fetch",
       "",
       "Get one message as it is stored.",
       {{"ADDRESS"}, {"ID"}},
       {{"output", "FILE", "Write it to a file instead of standard output.", {}, 'o'}},
       "The bytes are those that POP3 gives: the fields that Mailstead put in front, then the message. The "
       "message stays\n"
       "in the mailbox, and no lock is taken. mailctl message list shows the ids.",
       "mailctl fetch demo@example.test 17 -o message.eml",
       Fetch},
  };
}

}  // namespace mailstead::ctl
