// A support desk on Mailstead: makes a ticket of each message in a mailbox, answers it and deletes it.
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <openssl/evp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "mailstead/store/v1/message.grpc.pb.h"
#include "mailstead/store/v1/submission.grpc.pb.h"
#include "mailstead/store/v1/watch.grpc.pb.h"

namespace {

namespace v1 = mailstead::store::v1;
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kConsumer[] = "support-desk";
// What a call may take. A Watch has no end of its own.
constexpr seconds kDeadline(30);
constexpr milliseconds kFirstWait(200);
constexpr milliseconds kLongestWait(30'000);
constexpr milliseconds kLongestAsked(300'000);

// What an error of the store says beside its code.
struct Details {
  std::string reason;
  std::optional<milliseconds> wait;
};

Details DetailsOf(const grpc::Status& status) {
  Details details;
  google::rpc::Status all;
  if (!all.ParseFromString(status.error_details())) return details;
  for (const google::protobuf::Any& detail : all.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&info)) details.reason = info.reason();
    if (detail.UnpackTo(&retry)) {
      details.wait =
          milliseconds(retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000);
    }
  }
  return details;
}

// Thrown for what the desk cannot deal with.
class Failed : public std::runtime_error {
 public:
  explicit Failed(const grpc::Status& status)
      : std::runtime_error("code " + std::to_string(status.error_code()) + " " + DetailsOf(status).reason +
                           ": " + status.error_message()),
        status_(status) {}
  const grpc::Status& status() const { return status_; }

 private:
  grpc::Status status_;
};

// The same call may succeed without anybody having done something (docs/store-api-errors.md).
bool MayBeRepeated(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::CANCELLED:
    case grpc::UNKNOWN:
    case grpc::DEADLINE_EXCEEDED:
    case grpc::INTERNAL:
    case grpc::UNAVAILABLE:
      return true;
    default:
      const Details details = DetailsOf(status);
      return details.wait.has_value() && *details.wait <= kLongestAsked;
  }
}

// Of a stream: another desk is at work now, the key was changed, this one read too slowly, or there are too many streams.
// This one waits for its turn.
bool TurnLost(const grpc::Status& status) {
  return status.error_code() == grpc::ABORTED || status.error_code() == grpc::RESOURCE_EXHAUSTED;
}

// Doubles with each use, and is not shorter than the store asks for.
class Wait {
 public:
  void Sleep(const std::optional<milliseconds>& asked) {
    std::this_thread::sleep_for(std::max(next_, asked.value_or(milliseconds(0))));
    next_ = std::min(next_ * 2, kLongestWait);
  }
  void Reset() { next_ = kFirstWait; }

 private:
  milliseconds next_ = kFirstWait;
};

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string Sha256InHex(const std::string& text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

std::string Base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  text.resize(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                              reinterpret_cast<const unsigned char*>(bytes.data()),
                              static_cast<int>(bytes.size())));
  return text;
}

// A header field's text in ASCII (RFC 2047), in words of at most 75 characters.
std::string Encoded(const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; })) return text;
  constexpr size_t kBytesOfWord = 45;
  std::string words;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = std::min(begin + kBytesOfWord, text.size());
    // A character stays in one word.
    while (end < text.size() && (text[end] & 0xc0) == 0x80) --end;
    words +=
        (words.empty() ? "=?utf-8?B?" : "\r\n =?utf-8?B?") + Base64(text.substr(begin, end - begin)) + "?=";
  }
  return words;
}

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return text;
}

class Desk {
 public:
  Desk(std::string account, fs::path folder, const std::string& key,
       const std::shared_ptr<grpc::Channel>& channel)
      : account_(std::move(account)),
        folder_(std::move(folder)),
        authorization_("Bearer " + key),
        messages_(v1::MessageService::NewStub(channel)),
        submissions_(v1::SubmissionService::NewStub(channel)),
        watch_(v1::WatchService::NewStub(channel)) {
    fs::create_directories(folder_);
  }

  // Until something happens that no repetition mends: Failed.
  [[noreturn]] void Run() {
    CreateConsumer();
    for (Wait wait;;) {
      const grpc::Status status = Follow(wait);
      const Details details = DetailsOf(status);
      if (details.reason == "CURSOR_EXPIRED") {
        // What came meanwhile is not told any more. It is still in the mailbox.
        v1::ResetConsumerRequest reset;
        reset.set_name(kConsumer);
        reset.set_start(v1::WATCH_START_NOW);
        Do<v1::Consumer>(*watch_, &v1::WatchService::Stub::ResetConsumer, reset);
        continue;
      }
      if (!status.ok() && !MayBeRepeated(status) && !TurnLost(status)) throw Failed(status);
      wait.Sleep(details.wait);
    }
  }

 private:
  void Prepare(grpc::ClientContext& context) const { context.AddMetadata("authorization", authorization_); }

  template <typename Response, typename Stub, typename Request>
  Response Do(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
              const Request& request) {
    Response response;
    Repeat(kDeadline,
           [&](grpc::ClientContext& context) { return (stub.*method)(&context, request, &response); });
    return response;
  }

  // Tries a call until it has an answer, each time for so long.
  template <typename Attempt>
  void Repeat(seconds deadline, const Attempt& attempt) {
    for (Wait wait;;) {
      grpc::ClientContext context;
      Prepare(context);
      context.set_deadline(std::chrono::system_clock::now() + deadline);
      const grpc::Status status = attempt(context);
      if (status.ok()) return;
      if (!MayBeRepeated(status)) throw Failed(status);
      wait.Sleep(DetailsOf(status).wait);
    }
  }

  // ---- The feed

  void CreateConsumer() {
    v1::CreateConsumerRequest request;
    request.set_name(kConsumer);
    request.mutable_filter()->add_accounts(account_);
    request.mutable_filter()->add_kinds(v1::WATCH_KIND_DELIVERED);
    request.set_start(v1::WATCH_START_NOW);
    try {
      Do<v1::Consumer>(*watch_, &v1::WatchService::Stub::CreateConsumer, request);
    } catch (const Failed& failed) {
      if (failed.status().error_code() != grpc::ALREADY_EXISTS) throw;
    }
  }

  // One stream, to its end.
  grpc::Status Follow(Wait& wait) {
    grpc::ClientContext context;
    Prepare(context);
    v1::WatchRequest request;
    request.set_consumer(kConsumer);
    const auto stream = watch_->Watch(&context, request);
    for (v1::WatchResponse response; stream->Read(&response);) {
      wait.Reset();
      try {
        TakeEvents(response);
      } catch (const Failed& failed) {
        // They come again with the next stream.
        context.TryCancel();
        while (stream->Read(&response)) {
        }
        stream->Finish();
        return failed.status();
      }
    }
    return stream->Finish();
  }

  void TakeEvents(const v1::WatchResponse& response) {
    for (const v1::WatchEvent& event : response.events()) {
      if (event.has_started()) {
        // This desk is the active one. First what is there: from before the consumer was made, or left by another desk.
        incarnation_ = event.started().incarnation();
        TakeAll();
      } else if (event.has_delivered()) {
        Take(event.delivered().message_id());
      }
    }
    const std::string& cursor = response.events(response.events_size() - 1).cursor();
    // None while another desk is at work.
    if (cursor.empty()) return;
    v1::AckConsumerRequest ack;
    ack.set_name(kConsumer);
    ack.set_cursor(cursor);
    Do<v1::AckConsumerResponse>(*watch_, &v1::WatchService::Stub::AckConsumer, ack);
  }

  void TakeAll() {
    v1::ListMessagesRequest request;
    request.set_account(account_);
    do {
      const auto page =
          Do<v1::ListMessagesResponse>(*messages_, &v1::MessageService::Stub::ListMessages, request);
      for (const v1::Message& message : page.messages()) Take(message.summary().message_id());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
  }

  // ---- A message

  void Take(int64_t message_id) {
    v1::GetMessageRequest get;
    get.set_account(account_);
    get.set_message_id(message_id);
    get.set_view(v1::MESSAGE_VIEW_PARSED);
    v1::Message message;
    try {
      message = Do<v1::Message>(*messages_, &v1::MessageService::Stub::GetMessage, get);
    } catch (const Failed& failed) {
      if (failed.status().error_code() == grpc::NOT_FOUND) return;  // Dealt with before a restart.
      throw;
    }
    // In another incarnation of the store the same id may be another message's.
    const std::string ticket =
        Sha256InHex(incarnation_ + " " + account_ + " " + message.summary().unique_id());
    Write(ticket, message);
    // Of desks that were killed, or are behind.
    for (const fs::directory_entry& left : fs::directory_iterator(folder_)) {
      if (left.path().filename().string().rfind(ticket + ".unfinished-", 0) == 0) fs::remove_all(left.path());
    }
    Answer(ticket, message);
    v1::DeleteMessagesRequest remove;
    remove.set_account(account_);
    remove.add_message_ids(message_id);
    Do<v1::DeleteMessagesResponse>(*messages_, &v1::MessageService::Stub::DeleteMessages, remove);
    std::cout << "ticket " << ticket << std::endl;
  }

  void Write(const std::string& ticket, const v1::Message& message) {
    const fs::path finished = folder_ / ticket;
    if (fs::exists(finished)) return;
    const fs::path unfinished = folder_ / (ticket + ".unfinished-" + name_);
    fs::remove_all(unfinished);
    fs::create_directory(unfinished);
    std::map<std::string, const v1::Part*> parts;
    for (const v1::Part& part : message.parsed().parts()) parts[part.part_id()] = &part;
    google::protobuf::Struct about;
    auto& fields = *about.mutable_fields();
    for (const v1::MailAddress& from : message.header().from_addresses()) {
      fields["from"].mutable_list_value()->add_values()->set_string_value(from.address());
    }
    fields["subject"].set_string_value(message.header().subject());
    auto text = parts.find(message.parsed().plain_text_part_id());
    if (text == parts.end()) text = parts.find(message.parsed().html_text_part_id());
    fields["text"].set_string_value(text == parts.end() ? "" : text->second->text());
    auto& attachments = *fields["attachments"].mutable_list_value();
    for (const std::string& part_id : message.parsed().attachment_part_ids()) {
      const std::string name = "attachment-" + std::to_string(attachments.values_size() + 1);
      Fetch(message.summary().message_id(), part_id, unfinished / name);
      auto& attachment = *attachments.add_values()->mutable_struct_value()->mutable_fields();
      attachment["file"].set_string_value(name);
      attachment["sent_as"].set_string_value(parts.at(part_id)->file_name());
      attachment["type"].set_string_value(parts.at(part_id)->media_type());
    }
    std::string json;
    google::protobuf::util::JsonPrintOptions options;
    options.add_whitespace = true;
    (void)google::protobuf::util::MessageToJsonString(about, &json, options);
    Put(unfinished / "ticket.json", json);
    std::error_code failed;
    fs::rename(unfinished, finished, failed);
    // Otherwise another desk has written it meanwhile.
    if (failed && !fs::exists(finished)) throw std::runtime_error("cannot rename " + unfinished.string());
  }

  static void Put(const fs::path& path, const std::string& bytes) {
    std::ofstream file(path, std::ios::binary);
    if (!(file << bytes).flush()) throw std::runtime_error("cannot write " + path.string());
  }

  void Fetch(int64_t message_id, const std::string& part_id, const fs::path& path) {
    v1::FetchMessageRequest request;
    request.set_account(account_);
    request.set_message_id(message_id);
    request.set_part_id(part_id);
    Repeat(20 * kDeadline, [&](grpc::ClientContext& context) {
      const auto stream = messages_->FetchMessage(&context, request);
      std::ofstream file(path, std::ios::binary);
      for (v1::FetchMessageResponse piece; stream->Read(&piece);) file << piece.content();
      const grpc::Status status = stream->Finish();
      if (status.ok() && !file.flush()) throw std::runtime_error("cannot write " + path.string());
      return status;
    });
  }

  void Answer(const std::string& ticket, const v1::Message& message) {
    const std::string& sender = message.summary().reverse_path();
    std::map<std::string, std::string> fields;
    for (const v1::HeaderField& field : message.header().fields())
      fields[Lower(field.name())] = Lower(field.value());
    const std::string precedence = fields["precedence"];
    // RFC 3834 section 2: never to a program, and never to a list.
    if (sender.empty() || (fields.count("auto-submitted") > 0 && fields["auto-submitted"] != "no") ||
        fields.count("list-id") > 0 || precedence == "bulk" || precedence == "junk" || precedence == "list") {
      return;
    }
    const std::string number = ticket.substr(0, 8);
    std::ostringstream content;
    content << "From: " << account_ << "\r\nTo: " << sender << "\r\nSubject: [" << number << "] "
            << Encoded(message.header().subject()) << "\r\nAuto-Submitted: auto-replied\r\n";
    if (const std::string& thread = message.header().header_message_id(); !thread.empty()) {
      content << "In-Reply-To: <" << thread << ">\r\nReferences: <" << thread << ">\r\n";
    }
    content << "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
            << "We have got your message. Its number is " << number << ".\r\n";
    v1::SubmitMessageRequest submit;
    submit.set_request_id(ticket);
    submit.set_account(account_);
    submit.mutable_envelope()->add_recipients()->set_address(sender);
    submit.set_content(content.str());
    try {
      Do<v1::SubmitMessageResponse>(*submissions_, &v1::SubmissionService::Stub::SubmitMessage, submit);
    } catch (const Failed& failed) {
      // No answer is no reason to lose the ticket.
      std::cerr << "no answer to " << sender << ": " << failed.what() << std::endl;
    }
  }

  const std::string account_;
  const fs::path folder_;
  const std::string authorization_;
  const std::unique_ptr<v1::MessageService::Stub> messages_;
  const std::unique_ptr<v1::SubmissionService::Stub> submissions_;
  const std::unique_ptr<v1::WatchService::Stub> watch_;
  // What no other desk is called.
  const std::string name_ = std::to_string((uint64_t{std::random_device()()} << 32) | std::random_device()());
  std::string incarnation_;
};

std::string Setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

}  // namespace

int main() {
  try {
    std::string key = ReadFile(Setting("DESK_KEY_FILE", "desk.key"));
    key.erase(key.find_last_not_of(" \t\r\n") + 1);
    std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
    if (const std::string authority = Setting("DESK_CA_FILE", ""); !authority.empty()) {
      grpc::SslCredentialsOptions options;
      options.pem_root_certs = ReadFile(authority);
      credentials = grpc::SslCredentials(options);
    }
    grpc::ChannelArguments arguments;
    // So that a store that vanished without a word is missed.
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
    const auto channel =
        grpc::CreateCustomChannel(Setting("DESK_STORE", "127.0.0.1:7070"), credentials, arguments);
    Desk(Setting("DESK_ACCOUNT", "support@example.test"), Setting("DESK_FOLDER", "tickets"), key, channel)
        .Run();
  } catch (const std::exception& error) {
    std::cerr << "desk: " << error.what() << std::endl;
    return 1;
  }
}
