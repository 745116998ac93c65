#include "tests/unit/pop3d/pop_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"
#include "gtest/gtest.h"
#include "common/base/status.h"
#include "common/sasl/step.h"
#include "tests/support/block_on.h"

namespace mailstead::pop3 {
namespace {

constexpr char kOtherLease[] = "the-lease-of-another";
constexpr char kOtherSession[] = "the-session-of-another";

bool IsFetch(absl::string_view method) { return absl::EndsWith(method, "/FetchMessage"); }
bool IsAuthenticate(absl::string_view method) { return absl::EndsWith(method, "/Authenticate"); }

void Shorten(std::string& content, size_t size) {
  if (content.size() > size) content.resize(size);
}

}  // namespace

// --- Messages that go wrong

absl::Status PopWay::FailureOf(MessageId message) const {
  const auto found = message_failures.find(message);
  return found == message_failures.end() ? absl::OkStatus() : found->second;
}

class PopWay::FetchStream final : public rpc::CallStream {
 public:
  FetchStream(PopWay& way, std::unique_ptr<rpc::CallStream> behind) : way_(way), behind_(std::move(behind)) {
    ++way_.fetches_running;
  }
  ~FetchStream() override { --way_.fetches_running; }

  asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& request, bool last) override {
    message_ = MessageId{static_cast<const fv1::FetchMessageRequest&>(request).message_id()};
    return behind_->Write(request, last);
  }

  asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) override {
    CO_RETURN_IF_ERROR(way_.FailureOf(message_));
    size_t end = std::string::npos;
    if (way_.fetch_ends_after.has_value()) end = *way_.fetch_ends_after;
    if (!way_.fetch_failure.ok()) end = std::min(end, way_.fetch_failure_after);
    if (sent_ < end && waiting_.content().empty()) {
      CO_ASSIGN_OR_RETURN(const bool more, co_await behind_->Read(waiting_));
      if (!more) waiting_.Clear();
    }
    const size_t size = std::min({way_.piece_bytes, waiting_.content().size(), end - sent_});
    if (size > 0) {
      auto& piece = static_cast<fv1::FetchMessageResponse&>(response);
      piece.set_delivery_id(waiting_.delivery_id());
      piece.set_content(waiting_.content().substr(0, size));
      waiting_.mutable_content()->erase(0, size);
      sent_ += size;
      way_.fetched_bytes += size;
      co_return true;
    }
    CO_RETURN_IF_ERROR(way_.fetch_failure);
    co_return false;
  }

  void Cancel() override { behind_->Cancel(); }

 private:
  PopWay& way_;
  const std::unique_ptr<rpc::CallStream> behind_;
  MessageId message_;
  // What came and was not given yet.
  fv1::FetchMessageResponse waiting_;
  size_t sent_ = 0;
};

absl::Status PopWay::Fetched(const rpc::OneOfMany& call, absl::Status status) const {
  RETURN_IF_ERROR(
      FailureOf(MessageId{static_cast<const fv1::FetchMessageRequest*>(call.request)->message_id()}));
  RETURN_IF_ERROR(fetch_failure);
  if (status.ok() && fetch_ends_after.has_value()) {
    Shorten(*static_cast<fv1::FetchMessageResponse*>(call.response)->mutable_content(), *fetch_ends_after);
  }
  return status;
}

asio::awaitable<std::vector<absl::Status>> PopWay::CallAll(absl::string_view method,
                                                           std::vector<rpc::OneOfMany> calls,
                                                           rpc::CallOptions options) {
  if (!IsFetch(method)) co_return co_await behind_.CallAll(method, std::move(calls), std::move(options));
  std::vector<MessageId>& ids = fetches.emplace_back();
  for (const rpc::OneOfMany& call : calls) {
    ids.push_back(MessageId{static_cast<const fv1::FetchMessageRequest*>(call.request)->message_id()});
  }
  std::vector<absl::Status> ends = co_await behind_.CallAll(method, calls, std::move(options));
  for (size_t i = 0; i < calls.size(); ++i) ends[i] = Fetched(calls[i], std::move(ends[i]));
  co_return ends;
}

asio::awaitable<absl::Status> PopWay::Call(absl::string_view method,
                                           const google::protobuf::MessageLite& request,
                                           google::protobuf::MessageLite& response,
                                           rpc::CallOptions options) {
  return behind_.Call(method, request, response, std::move(options));
}

// --- SCRAM by a file

// SCRAM as far as a front-end sees it: a challenge, another that brings the server's proof and wants an empty
// answer, and the verdict. The client's messages are its name and its password, with which the store is asked
// by PLAIN then. Other mechanisms pass through.
class PopWay::AuthStream final : public rpc::CallStream {
 public:
  AuthStream(PopWay& way, absl::string_view method, rpc::CallOptions options)
      : way_(way), method_(method), options_(std::move(options)) {
    ++way_.exchanges_running;
  }
  ~AuthStream() override { --way_.exchanges_running; }

  asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& request, bool last) override {
    const auto& step = static_cast<const fv1::AuthenticateRequest&>(request);
    if (step.has_start() && absl::StartsWith(step.start().mechanism(), "SCRAM-")) {
      start_ = step.start();
      if (start_->has_initial_response()) responses_.push_back(start_->initial_response());
      co_return absl::OkStatus();
    }
    if (start_.has_value()) {
      responses_.push_back(step.response());
      co_return absl::OkStatus();
    }
    if (behind_ == nullptr) behind_ = way_.behind_.Open(method_, options_);
    co_return co_await behind_->Write(request, last);
  }

  asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) override {
    if (!start_.has_value()) co_return co_await behind_->Read(response);
    auto& step = static_cast<fv1::AuthenticateResponse&>(response);
    const bool bound = start_->tls_exporter().size() == 32;
    if (absl::EndsWith(start_->mechanism(), "-PLUS") && !bound) {
      step.mutable_verdict()->set_result(fv1::Verdict::RESULT_MALFORMED);
      co_return true;
    }
    constexpr const char* kChallenges[] = {"", "server nonce", "server proof"};
    if (responses_.size() < std::size(kChallenges)) {
      step.set_challenge(kChallenges[responses_.size()]);
      co_return true;
    }
    fv1::AuthenticateRequest plain;
    *plain.mutable_start() = *start_;
    plain.mutable_start()->set_mechanism("PLAIN");
    plain.mutable_start()->set_initial_response(sasl::PlainMessage(responses_[0], responses_[1]));
    CO_RETURN_IF_ERROR(co_await way_.behind_.Call(method_, plain, response, options_));
    co_return true;
  }

  void Cancel() override {
    if (behind_ != nullptr) behind_->Cancel();
  }

 private:
  PopWay& way_;
  const absl::string_view method_;
  const rpc::CallOptions options_;
  std::unique_ptr<rpc::CallStream> behind_;
  // Set when it is SCRAM.
  std::optional<fv1::AuthenticateStart> start_;
  std::vector<std::string> responses_;
};

std::unique_ptr<rpc::CallStream> PopWay::Open(absl::string_view method, rpc::CallOptions options) {
  if (IsFetch(method)) return std::make_unique<FetchStream>(*this, behind_.Open(method, std::move(options)));
  if (IsAuthenticate(method)) return std::make_unique<AuthStream>(*this, method, std::move(options));
  return behind_.Open(method, std::move(options));
}

// --- The store

PopStore::PopStore() : store({.role = stored::kPop}) {
  store.AddDomain("example.test");
  demo_ = AddAccount("demo@example.test", "secret");
}

AccountId PopStore::AddAccount(const std::string& address, const std::string& password) {
  const AccountId account = store.AddAccount(address, password);
  accounts_[account] = address;
  return account;
}

int64_t PopStore::Deliver(AccountId account, std::string content) {
  const int64_t number = ++last_number_;
  engine::NewMessage message;
  message.delivery_scope = "test";
  message.envelope.delivery_id = absl::StrCat("delivery-number-", number);
  message.envelope.reverse_path = "sender@elsewhere.test";
  message.envelope.recipients.push_back({.address = accounts_.at(account)});
  engine::NewCopy& copy = message.copies.emplace_back();
  copy.account = account;
  copy.recipients = {0};
  copy.unique_id = absl::StrCat("uid-", number);
  message.sha256 = std::string(32, 's');
  message.fingerprint = message.sha256;
  engine::Content bytes;
  bytes.whole = std::move(content);
  const auto receipt = BlockOn(store.engine().messages().Append(std::move(message), std::move(bytes), {}));
  EXPECT_TRUE(receipt.ok()) << receipt.status();
  return number;
}

void PopStore::Lose(int64_t number) {
  const std::string unique_id = absl::StrCat("uid-", number);
  for (const engine::MessageSummary& message : store.List(accounts_.at(demo_))) {
    if (message.unique_id != unique_id) continue;
    lost_[message.id] = number;
    way.message_failures[message.id] = absl::NotFoundError("no such message");
  }
}

std::vector<int64_t> PopStore::Kept(AccountId account) {
  const std::string& address = accounts_.at(account);
  std::vector<int64_t> numbers;
  for (const engine::MessageSummary& message : store.List(address)) {
    if (account == demo_ && lost_.count(message.id) != 0) continue;
    absl::string_view unique_id = message.unique_id;
    CHECK(absl::ConsumePrefix(&unique_id, "uid-") && absl::SimpleAtoi(unique_id, &numbers.emplace_back()));
  }
  return numbers;
}

void PopStore::LockByOther(AccountId account) {
  CHECK(BlockOn(store.engine().leases().Renew(kOtherLease, "another", absl::Minutes(1))).ok());
  engine::OpenRequest request;
  request.account = account;
  request.session_id = kOtherSession;
  request.lease_id = kOtherLease;
  CHECK(BlockOn(store.engine().maildrops().Open(std::move(request))).ok());
}

void PopStore::UnlockByOther(AccountId account) {
  CHECK(BlockOn(store.engine().maildrops().Release(account, kOtherSession)).ok());
}

size_t PopStore::locked_count() {
  return static_cast<size_t>(std::count_if(accounts_.begin(), accounts_.end(), [this](const auto& entry) {
    return store.IsLocked(entry.second);
  }));
}

void PopStore::ForgetLeases() {
  for (const engine::LeaseInfo& lease : store.Leases()) {
    CHECK(BlockOn(store.engine().leases().End(lease.lease_id)).ok());
  }
}

int PopStore::calls() {
  int count = 0;
  for (const char* method : {"Authenticate", "OpenMaildrop", "ListMaildrop", "FetchMessage", "CommitMaildrop",
                             "ReleaseMaildrop", "RenewLease", "EndLease"}) {
    count += calls(method);
  }
  return count;
}

std::vector<fv1::CommitMaildropRequest> PopStore::commits() {
  std::vector<fv1::CommitMaildropRequest> requests;
  for (const test::SeenCall& call : store.way().seen("CommitMaildrop")) {
    requests.push_back(call.As<fv1::CommitMaildropRequest>());
  }
  return requests;
}

std::vector<fv1::AuthenticateStart> PopStore::auth_starts() {
  std::vector<fv1::AuthenticateStart> starts;
  for (const test::SeenCall& call : store.way().seen("Authenticate")) {
    starts.push_back(call.As<fv1::AuthenticateRequest>().start());
  }
  return starts;
}

}  // namespace mailstead::pop3
