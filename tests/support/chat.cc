#include "tests/support/chat.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "asio/co_spawn.hpp"
#include "tests/support/chat_client.h"
#include "tests/support/chat_script.h"

namespace mailstead::test {
namespace {

constexpr absl::Duration kAnswerTimeout = absl::Seconds(20);
// How long UPDATE_GOLDEN waits for the first line of an answer, and for each further one.
constexpr absl::Duration kFirstWait = absl::Seconds(1);
constexpr absl::Duration kQuiet = absl::Milliseconds(100);

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::string_view ModeName(ChatMode mode) {
  switch (mode) {
    case ChatMode::kWhole:
      return "whole";
    case ChatMode::kLine:
      return "line";
    case ChatMode::kByte:
      return "byte";
  }
  return "";
}

bool UpdateWanted() {
  const char* value = std::getenv("UPDATE_GOLDEN");
  return value != nullptr && *value != '\0' && absl::string_view(value) != "0";
}

bool ModeAllowed(const std::vector<ChatLine>& lines, ChatMode mode) {
  for (const ChatLine& line : lines) {
    absl::string_view words = line.text;
    if (line.kind == ChatLine::Kind::kDirective && absl::ConsumePrefix(&words, "modes ")) {
      const std::vector<absl::string_view> modes = absl::StrSplit(words, ' ');
      return std::find(modes.begin(), modes.end(), ModeName(mode)) != modes.end();
    }
  }
  return true;
}

bool Matches(const ChatLine& expected, const std::string& actual) {
  if (expected.kind == ChatLine::Kind::kExpect) return expected.text == actual;
  return std::regex_match(actual, std::regex(expected.text));
}

class Runner {
 public:
  Runner(const ChatCase& chat, ChatServer& server)
      : chat_(chat), server_(server), acceptor_(server.io(), {asio::ip::address_v4::loopback(), 0}) {}

  void Run(const std::vector<ChatLine>& lines) {
    for (const ChatLine& line : lines) {
      Step(line);
      if (testing::Test::HasFatalFailure() || stopped_) return;
    }
    Flush();
    if (!stopped_) End();
  }

  // As Run, line by line, and gives the dialog back with the answers that came.
  std::vector<ChatLine> Update(const std::vector<ChatLine>& lines);

 private:
  void Step(const ChatLine& line);
  void Directive(const ChatLine& line);
  void Connect();
  void Check(const ChatLine& line);
  // Sends what the whole mode has gathered, then checks the answers.
  void Flush();
  void Send(const std::string& bytes, int number);
  void CloseClient();
  void End();
  // Waits until no more than `count` sessions are running.
  void JoinSessions(int count);
  std::string Where(int number) const {
    return absl::StrCat(chat_.path, ":", number, " (", ModeName(chat_.mode), ")");
  }
  void Fail(int number, absl::string_view what) {
    ADD_FAILURE() << Where(number) << ": " << what;
    stopped_ = true;
  }

  const ChatCase& chat_;
  ChatServer& server_;
  asio::ip::tcp::acceptor acceptor_;
  std::unique_ptr<ChatClient> client_;
  std::vector<std::unique_ptr<ChatClient>> parked_;
  int sessions_running_ = 0;
  bool stopped_ = false;
  // Whole mode: gathered since the last sync point.
  std::string unsent_;
  std::vector<ChatLine> unchecked_;
};

void Runner::Connect() {
  if (client_ != nullptr) return;
  asio::ip::tcp::socket client(server_.io());
  client.connect(acceptor_.local_endpoint());
  asio::ip::tcp::socket socket = acceptor_.accept();
  ++sessions_running_;
  asio::co_spawn(server_.io(), server_.Serve(std::move(socket)), [this](std::exception_ptr error) {
    --sessions_running_;
    if (error) std::rethrow_exception(error);
  });
  client_ = std::make_unique<ChatClient>(server_.io(), std::move(client));
}

void Runner::Step(const ChatLine& line) {
  switch (line.kind) {
    case ChatLine::Kind::kComment:
      return;
    case ChatLine::Kind::kDirective:
      Flush();
      if (!stopped_) Directive(line);
      return;
    case ChatLine::Kind::kSend:
    case ChatLine::Kind::kSendRaw:
      Connect();
      if (chat_.mode == ChatMode::kWhole) {
        // What stands before the first C is answered first: the greeting.
        if (unsent_.empty()) Flush();
        unsent_ += line.WireBytes();
      } else {
        Send(line.WireBytes(), line.number);
      }
      return;
    case ChatLine::Kind::kExpect:
    case ChatLine::Kind::kExpectPattern:
      Connect();
      if (chat_.mode == ChatMode::kWhole) {
        unchecked_.push_back(line);
      } else {
        Check(line);
      }
      return;
  }
}

void Runner::Send(const std::string& bytes, int number) {
  if (client_ == nullptr) return Fail(number, "not connected");
  absl::Status status;
  if (chat_.mode == ChatMode::kByte) {
    for (size_t i = 0; i < bytes.size() && status.ok(); ++i) {
      status = client_->Send(absl::string_view(bytes).substr(i, 1));
      client_->LetServerRun();
    }
  } else {
    status = client_->Send(bytes);
  }
  if (!status.ok()) Fail(number, status.message());
}

void Runner::Flush() {
  if (!unsent_.empty()) {
    const std::string bytes = std::exchange(unsent_, "");
    Send(bytes, unchecked_.empty() ? 0 : unchecked_.front().number);
  }
  for (const ChatLine& line : std::exchange(unchecked_, {})) {
    if (stopped_) return;
    Check(line);
  }
}

void Runner::Check(const ChatLine& line) {
  std::string actual;
  const absl::Status status = client_->ReadLine(actual, kAnswerTimeout);
  if (!status.ok())
    return Fail(line.number, absl::StrCat("expected \"", line.text, "\": ", status.message()));
  if (!Matches(line, actual)) {
    Fail(line.number, absl::StrCat("\n  expected: ", line.text, "\n  received: ", actual));
  }
}

void Runner::Directive(const ChatLine& line) {
  absl::Status status;
  if (absl::StartsWith(line.text, "modes ")) return;
  if (line.text == "sync") return;
  if (line.text == "connect") return Connect();
  if (line.text == "tls" || line.text == "starttls") {
    Connect();
    status = client_->StartTls();
  } else if (line.text == "closed") {
    std::string rest;
    status = client_->ReadToEnd(rest, kAnswerTimeout);
    if (status.ok() && !rest.empty())
      status = absl::InternalError(absl::StrCat("unexpected: \"", rest, "\""));
    client_.reset();
    JoinSessions(static_cast<int>(parked_.size()));
  } else if (line.text == "park") {
    parked_.push_back(std::move(client_));
  } else if (line.text == "resume") {
    CloseClient();
    client_ = std::move(parked_.back());
    parked_.pop_back();
  } else if (line.text == "half-close") {
    client_->HalfClose();
  } else if (line.text == "hangup") {
    client_->Close();
    client_.reset();
    JoinSessions(static_cast<int>(parked_.size()));
  } else {
    if (client_ != nullptr) client_->LetServerRun();
    status = server_.Directive(line.text);
  }
  if (!status.ok()) Fail(line.number, absl::StrCat("! ", line.text, ": ", status.message()));
}

void Runner::CloseClient() {
  if (client_ == nullptr) return;
  client_->HalfClose();
  std::string rest;
  const absl::Status status = client_->ReadToEnd(rest, kAnswerTimeout);
  if (!status.ok()) Fail(0, status.message());
  if (!rest.empty()) Fail(0, absl::StrCat("unexpected at the end: \"", rest, "\""));
  client_.reset();
}

void Runner::End() {
  CloseClient();
  while (!parked_.empty()) {
    client_ = std::move(parked_.back());
    parked_.pop_back();
    CloseClient();
  }
  JoinSessions(0);
}

void Runner::JoinSessions(int count) {
  const absl::Time deadline = absl::Now() + kAnswerTimeout;
  while (sessions_running_ > count && absl::Now() < deadline) {
    if (server_.io().stopped()) server_.io().restart();
    server_.io().run_one_for(std::chrono::milliseconds(10));
  }
  if (sessions_running_ > count) Fail(0, "the server's session does not end");
}

std::vector<ChatLine> Runner::Update(const std::vector<ChatLine>& lines) {
  std::vector<ChatLine> updated;
  for (size_t i = 0; i < lines.size() && !stopped_; ++i) {
    if (!lines[i].is_expect()) {
      updated.push_back(lines[i]);
      Step(lines[i]);
      continue;
    }
    // A run of answers, with the comments among them: what comes takes its place.
    Connect();
    size_t end = i + 1;
    for (size_t j = end;
         j < lines.size() && (lines[j].is_expect() || lines[j].kind == ChatLine::Kind::kComment); ++j) {
      if (lines[j].is_expect()) end = j + 1;
    }
    std::string actual;
    for (absl::Duration wait = kFirstWait; client_->ReadLine(actual, wait).ok(); wait = kQuiet) {
      while (i < end && !lines[i].is_expect()) updated.push_back(lines[i++]);
      const bool keep = i < end && Matches(lines[i], actual);
      updated.push_back(keep ? lines[i] : ChatLine{ChatLine::Kind::kExpect, actual});
      if (i < end) ++i;
    }
    i = end - 1;
  }
  return updated;
}

}  // namespace

void PrintTo(const ChatCase& chat, std::ostream* out) { *out << chat.path << " " << ModeName(chat.mode); }

std::vector<ChatCase> ListChats(const std::string& folder) {
  std::vector<ChatCase> chats;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (entry.path().extension() != ".chat") continue;
    const auto lines = ParseChat(ReadFile(entry.path().string()));
    for (ChatMode mode : {ChatMode::kWhole, ChatMode::kLine, ChatMode::kByte}) {
      // A file that does not parse is listed, so that running it says why.
      if (!lines.ok() || ModeAllowed(*lines, mode)) chats.push_back({entry.path().string(), mode});
    }
  }
  std::sort(chats.begin(), chats.end(), [](const ChatCase& a, const ChatCase& b) {
    return std::pair(a.path, a.mode) < std::pair(b.path, b.mode);
  });
  return chats;
}

std::string ChatName(const testing::TestParamInfo<ChatCase>& info) {
  std::string name =
      absl::StrCat(std::filesystem::path(info.param.path).stem().string(), "_", ModeName(info.param.mode));
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

void RunChat(const ChatCase& chat, ChatServer& server) {
  const auto lines = ParseChat(ReadFile(chat.path));
  ASSERT_TRUE(lines.ok()) << chat.path << ": " << lines.status().message();
  Runner runner(chat, server);
  if (UpdateWanted()) {
    if (chat.mode != ChatMode::kLine) return;
    const bool repeats = std::any_of(lines->begin(), lines->end(), [](const ChatLine& line) {
      return line.kind == ChatLine::Kind::kDirective && absl::StartsWith(line.text, "repeat ");
    });
    // Repeated lines stand for many answers; such a file is mended by hand.
    if (repeats) return;
    const std::vector<ChatLine> updated = runner.Update(*lines);
    if (!testing::Test::HasFailure()) std::ofstream(chat.path, std::ios::binary) << FormatChat(updated);
    return;
  }
  const auto expanded = ExpandRepeats(*lines);
  ASSERT_TRUE(expanded.ok()) << chat.path << ": " << expanded.status().message();
  runner.Run(*expanded);
}

}  // namespace mailstead::test
