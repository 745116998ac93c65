// Golden dialogs: files a mail person can read and extend without C++.
//
//   # why                   a comment
//   C: EHLO client.test     sent with CRLF behind it
//   C+ a\r\n\x00            sent as it is, with the escapes \r \n \t \\ \xNN, nothing behind it
//   S: 250 ok               exactly this line is received (without its CRLF)
//   S~ 250 .* ok            a line that matches this whole ECMAScript pattern is received
//   ! words                 a directive
//
// Directives of the harness itself; every other one goes to ChatServer::Directive:
//   ! modes whole line byte   this dialog is run in these modes only (default: all three); first in the file
//   ! tls                     connect, and start TLS at once
//   ! starttls                start TLS on the open connection
//   ! connect                 connect (the first C or S does it by itself), or connect again after hangup or
//                             closed
//   ! sync                    what stands above is answered before anything below is sent
//   ! closed                  the server has closed and sent nothing more
//   ! half-close              the client stops sending
//   ! hangup                  the client closes without a word; the server ends its session
//   ! park                    leave the connection open and go on with another
//   ! resume                  back to the one that was parked last
//   ! repeat N ... ! end      the lines between, N times; {n} in them counts from 1
//
// Each dialog is fed three ways and must give the same bytes back. Whole: everything up to the next directive
// in one write, however many commands that is. Line: one C at a time, and its answers are awaited. Byte: as
// line, and the server has taken each byte before the next is sent.
//
// UPDATE_GOLDEN=1 in the environment rewrites the S: lines with what was received (S~ lines that match stay).
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "gtest/gtest.h"

namespace mailstead::test {

// The program under test with its fakes. Everything runs on one thread: the harness polls `io` between its
// own steps.
class ChatServer {
 public:
  virtual ~ChatServer() = default;
  // Serves one connection to its end, on the executor of the socket. May be called more than once.
  virtual asio::awaitable<void> Serve(asio::ip::tcp::socket socket) = 0;
  // A directive that the harness does not know. Not OK fails the test, with the message.
  virtual absl::Status Directive(absl::string_view words) = 0;
  virtual asio::io_context& io() = 0;
};

enum class ChatMode { kWhole, kLine, kByte };

struct ChatCase {
  std::string path;
  ChatMode mode = ChatMode::kWhole;
};

// For GoogleTest's messages.
void PrintTo(const ChatCase& chat, std::ostream* out);

// Every *.chat file below `folder` (from the top of the source tree), once for each mode it allows.
std::vector<ChatCase> ListChats(const std::string& folder);

// For INSTANTIATE_TEST_SUITE_P: "bdat_whole".
std::string ChatName(const testing::TestParamInfo<ChatCase>& info);

// Runs one dialog; differences are GoogleTest failures with file and line.
void RunChat(const ChatCase& chat, ChatServer& server);

}  // namespace mailstead::test
