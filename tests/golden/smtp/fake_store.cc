#include "tests/golden/smtp/fake_store.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"

namespace mailstead::smtp {
namespace {

// As over a network: the caller goes on in a later turn of its event loop.
asio::awaitable<void> NextTurn() {
  asio::any_io_executor executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

Resolution Local(std::vector<uint64_t> mailbox_ids) {
  Resolution resolution;
  resolution.outcome = mailbox_ids.size() == 1 ? Resolution::Outcome::kLocal : Resolution::Outcome::kAlias;
  resolution.mailbox_ids = std::move(mailbox_ids);
  return resolution;
}

Resolution Other(Resolution::Outcome outcome) {
  Resolution resolution;
  resolution.outcome = outcome;
  return resolution;
}

Resolution Lookup(const std::string& address) {
  if (absl::EqualsIgnoreCase(address, "postmaster")) return Local({1});
  const size_t at = address.rfind('@');
  if (!absl::EqualsIgnoreCase(address.substr(at + 1), "example.test"))
    return Other(Resolution::Outcome::kRemote);
  const std::string local = absl::AsciiStrToLower(address.substr(0, at));
  const std::string account = local.substr(0, local.find('+'));
  if (account == "postmaster") return Local({1});
  if (account == "alice") return Local({2});
  if (account == "bob" || account == "\"b o b\"") return Local({3});
  if (account == "ünï") return Local({4});
  if (account == "team") return Local({2, 3});
  if (absl::StartsWith(account, "user")) return Local({100});
  if (account == "closed") return Other(Resolution::Outcome::kDisabled);
  if (account == "full") return Other(Resolution::Outcome::kOverQuota);
  return Other(Resolution::Outcome::kUnknown);
}

rpc::AuthStep Step(rpc::AuthStep::Kind kind, std::string challenge = "") {
  rpc::AuthStep step;
  step.kind = kind;
  step.challenge = std::move(challenge);
  if (kind == rpc::AuthStep::Kind::kOk) step.address = "alice@example.test";
  return step;
}

}  // namespace

// PLAIN and LOGIN for real; SCRAM with made-up numbers, for the shape of its steps.
class FakeAuthDialog : public AuthDialog {
 public:
  explicit FakeAuthDialog(FakeStore& store) : store_(store) {}

  asio::awaitable<absl::StatusOr<rpc::AuthStep>> Begin(rpc::AuthStart start) override {
    co_await NextTurn();
    absl::Status status = store_.Check("auth");
    if (!status.ok()) co_return status;
    mechanism_ = start.mechanism;
    if (mechanism_ == "SCRAM-SHA-256-PLUS" && start.tls_exporter.size() != 32) {
      co_return Step(rpc::AuthStep::Kind::kMalformed);
    }
    if (start.initial_response.has_value()) co_return Take(*start.initial_response);
    co_return Step(rpc::AuthStep::Kind::kChallenge, mechanism_ == "LOGIN" ? "Username:" : "");
  }

  asio::awaitable<absl::StatusOr<rpc::AuthStep>> Respond(std::string response) override {
    co_await NextTurn();
    absl::Status status = store_.Check("auth");
    if (!status.ok()) co_return status;
    co_return Take(response);
  }

 private:
  using Kind = rpc::AuthStep::Kind;

  rpc::AuthStep Verdict(const std::string& user, const std::string& password) {
    if (user == "closed@example.test" && password == "secret") return Step(Kind::kDisabled);
    return Step(user == "alice@example.test" && password == "secret" ? Kind::kOk : Kind::kInvalidCredentials);
  }

  rpc::AuthStep Take(const std::string& response) {
    ++step_;
    if (mechanism_ == "PLAIN") {
      const std::vector<std::string> parts = absl::StrSplit(response, '\0');
      if (parts.size() != 3) return Step(Kind::kMalformed);
      return Verdict(parts[1], parts[2]);
    }
    if (mechanism_ == "LOGIN") {
      if (step_ == 2) return Verdict(user_, response);
      user_ = response;
      return Step(Kind::kChallenge, "Password:");
    }
    if (step_ == 1) {
      if (!absl::StartsWith(response, "n,,") && !absl::StartsWith(response, "p=tls-exporter,,"))
        return Step(Kind::kMalformed);
      return Step(Kind::kChallenge, "r=nonce,s=c2FsdA==,i=20000");
    }
    if (step_ == 2) {
      if (!absl::StrContains(response, "p=good")) return Step(Kind::kInvalidCredentials);
      return Step(Kind::kChallenge, "v=signature");
    }
    return Step(response.empty() ? Kind::kOk : Kind::kMalformed);
  }

  FakeStore& store_;
  std::string mechanism_;
  std::string user_;
  int step_ = 0;
};

class FakeDeliveryStream : public DeliveryStream {
 public:
  FakeDeliveryStream(FakeStore& store, const DeliveryEnvelope& envelope) : store_(store) {
    message_.envelope = envelope;
    message_.piece_count = 0;
  }
  ~FakeDeliveryStream() override {
    if (!finished_) ++store_.abandoned_count_;
  }

  asio::awaitable<absl::Status> Write(std::string piece) override {
    co_await NextTurn();
    absl::Status status = store_.Check("piece");
    if (!status.ok()) co_return status;
    Append(piece);
    co_return absl::OkStatus();
  }

  asio::awaitable<absl::Status> Finish(std::string piece) override {
    co_await NextTurn();
    finished_ = true;
    absl::Status status = store_.Check("deliver");
    if (!status.ok()) co_return status;
    Append(piece);
    store_.Store(std::move(message_));
    co_return absl::OkStatus();
  }

 private:
  void Append(const std::string& piece) {
    message_.content += piece;
    ++message_.piece_count;
  }
  FakeStore& store_;
  FakeStore::Stored message_;
  bool finished_ = false;
};

void FakeStore::Fail(std::string call, absl::Status status, int count) {
  failures_[std::move(call)] = Failure{std::move(status), count};
}

absl::Status FakeStore::Check(const std::string& call) {
  for (const std::string& name : {call, std::string("all")}) {
    const auto found = failures_.find(name);
    if (found == failures_.end() || found->second.left == 0) continue;
    if (found->second.left > 0) --found->second.left;
    return found->second.status;
  }
  return absl::OkStatus();
}

void FakeStore::Store(Stored message) {
  if (delivery_ids_.insert(message.envelope.delivery_id).second) stored_.push_back(std::move(message));
}

asio::awaitable<absl::StatusOr<Resolution>> FakeStore::Resolve(ResolveRecipient request) {
  co_await NextTurn();
  absl::Status status = Check("resolve");
  if (!status.ok()) co_return status;
  co_return Lookup(request.address);
}

asio::awaitable<std::vector<absl::StatusOr<Resolution>>> FakeStore::ResolveAll(
    std::vector<ResolveRecipient> requests) {
  co_await NextTurn();
  std::vector<absl::StatusOr<Resolution>> resolutions;
  for (const ResolveRecipient& request : requests) {
    const absl::Status status = Check("resolve");
    resolutions.push_back(status.ok() ? absl::StatusOr<Resolution>(Lookup(request.address)) : status);
  }
  co_return resolutions;
}

asio::awaitable<absl::StatusOr<bool>> FakeStore::MaySend(CheckSender request) {
  co_await NextTurn();
  absl::Status status = Check("sender");
  if (!status.ok()) co_return status;
  co_return absl::EqualsIgnoreCase(request.sender, request.account) ||
      (request.account == "alice@example.test" &&
       absl::EqualsIgnoreCase(request.sender, "team@example.test"));
}

asio::awaitable<absl::Status> FakeStore::Deliver(const DeliveryEnvelope& envelope,
                                                 const std::string& content) {
  co_await NextTurn();
  ++deliver_count_;
  absl::Status status = Check("deliver");
  if (!status.ok()) co_return status;
  Stored message;
  message.envelope = envelope;
  message.content = content;
  Store(std::move(message));
  if (std::exchange(lose_answer_, false)) co_return absl::UnavailableError("the answer was lost");
  co_return absl::OkStatus();
}

std::unique_ptr<DeliveryStream> FakeStore::StartDelivery(const DeliveryEnvelope& envelope,
                                                         asio::any_io_executor) {
  ++deliver_count_;
  return std::make_unique<FakeDeliveryStream>(*this, envelope);
}

std::unique_ptr<AuthDialog> FakeStore::StartAuth() { return std::make_unique<FakeAuthDialog>(*this); }

}  // namespace mailstead::smtp
