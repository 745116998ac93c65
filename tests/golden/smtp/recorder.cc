#include "tests/golden/smtp/recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "mailstead/frontend/v1/auth.pb.h"

namespace mailstead::smtp {
namespace {

namespace fv1 = ::mailstead::frontend::v1;

fv1::AuthenticateResponse ChallengeOf(const std::string& bytes) {
  fv1::AuthenticateResponse response;
  response.set_challenge(bytes);
  return response;
}

fv1::AuthenticateResponse VerdictOf(fv1::Verdict::Result result) {
  fv1::AuthenticateResponse response;
  response.mutable_verdict()->set_result(result);
  if (result == fv1::Verdict::RESULT_OK) {
    response.mutable_verdict()->set_address("alice@example.test");
    response.mutable_verdict()->set_account_id(2);
  }
  return response;
}

}  // namespace

class Recorder::DeliverStream final : public rpc::CallStream {
 public:
  DeliverStream(Recorder& recorder, std::unique_ptr<rpc::CallStream> behind)
      : recorder_(recorder), behind_(std::move(behind)) {}
  ~DeliverStream() override {
    if (!ended_) ++recorder_.abandoned_count_;
  }

  asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& request, bool last) override {
    pieces_.push_back(static_cast<const fv1::DeliverRequest&>(request));
    ended_ = last;
    return behind_->Write(request, last);
  }
  asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) override {
    absl::StatusOr<bool> more = co_await behind_->Read(response);
    if (more.ok() && !*more) recorder_.Keep(pieces_);
    co_return more;
  }
  void Cancel() override { behind_->Cancel(); }

 private:
  Recorder& recorder_;
  const std::unique_ptr<rpc::CallStream> behind_;
  std::vector<fv1::DeliverRequest> pieces_;
  // Set by the last piece.
  bool ended_ = false;
};

// Passes on what is no SCRAM.
class Recorder::LoginStream final : public rpc::CallStream {
 public:
  explicit LoginStream(std::unique_ptr<rpc::CallStream> behind) : behind_(std::move(behind)) {}

  asio::awaitable<absl::Status> Write(const google::protobuf::MessageLite& message, bool last) override {
    const auto& request = static_cast<const fv1::AuthenticateRequest&>(message);
    if (request.has_start() && absl::StartsWith(request.start().mechanism(), "SCRAM-")) is_scram_ = true;
    if (!is_scram_) {
      absl::Status written = co_await behind_->Write(request, last);
      co_return written;
    }
    answer_ = request.has_start() ? Begin(request.start()) : Take(request.response());
    co_return absl::OkStatus();
  }
  asio::awaitable<absl::StatusOr<bool>> Read(google::protobuf::MessageLite& response) override {
    if (!is_scram_) {
      absl::StatusOr<bool> more = co_await behind_->Read(response);
      co_return more;
    }
    static_cast<fv1::AuthenticateResponse&>(response) = answer_;
    co_return true;
  }
  void Cancel() override { behind_->Cancel(); }

 private:
  fv1::AuthenticateResponse Begin(const fv1::AuthenticateStart& start) {
    if (start.mechanism() == "SCRAM-SHA-256-PLUS" && start.tls_exporter().size() != 32) {
      return VerdictOf(fv1::Verdict::RESULT_MALFORMED);
    }
    if (start.has_initial_response()) return Take(start.initial_response());
    return ChallengeOf("");
  }
  fv1::AuthenticateResponse Take(const std::string& response) {
    ++step_;
    if (step_ == 1) {
      if (!absl::StartsWith(response, "n,,") && !absl::StartsWith(response, "p=tls-exporter,,")) {
        return VerdictOf(fv1::Verdict::RESULT_MALFORMED);
      }
      return ChallengeOf("r=nonce,s=c2FsdA==,i=20000");
    }
    if (step_ == 2) {
      if (!absl::StrContains(response, "p=good")) return VerdictOf(fv1::Verdict::RESULT_INVALID_CREDENTIALS);
      return ChallengeOf("v=signature");
    }
    return VerdictOf(response.empty() ? fv1::Verdict::RESULT_OK : fv1::Verdict::RESULT_MALFORMED);
  }

  const std::unique_ptr<rpc::CallStream> behind_;
  // Set when the exchange begins as one.
  bool is_scram_ = false;
  int step_ = 0;
  fv1::AuthenticateResponse answer_;
};

asio::awaitable<absl::Status> Recorder::Call(absl::string_view method,
                                             const google::protobuf::MessageLite& request,
                                             google::protobuf::MessageLite& response,
                                             rpc::CallOptions options) {
  absl::Status status = co_await behind_.Call(method, request, response, std::move(options));
  if (status.ok() && absl::EndsWith(method, "/Deliver"))
    Keep({static_cast<const fv1::DeliverRequest&>(request)});
  co_return status;
}

std::unique_ptr<rpc::CallStream> Recorder::Open(absl::string_view method, rpc::CallOptions options) {
  std::unique_ptr<rpc::CallStream> stream = behind_.Open(method, std::move(options));
  if (absl::EndsWith(method, "/Deliver")) return std::make_unique<DeliverStream>(*this, std::move(stream));
  if (absl::EndsWith(method, "/Authenticate")) return std::make_unique<LoginStream>(std::move(stream));
  return stream;
}

void Recorder::Keep(const std::vector<fv1::DeliverRequest>& pieces) {
  Stored message;
  message.envelope = pieces.front().envelope();
  for (const fv1::DeliverRequest& piece : pieces) message.content += piece.content();
  message.trace = pieces.back().end().trace();
  message.piece_count = static_cast<int>(pieces.size());
  const bool known = std::any_of(stored_.begin(), stored_.end(), [&](const Stored& other) {
    return other.envelope.delivery_id() == message.envelope.delivery_id();
  });
  if (!known) stored_.push_back(std::move(message));
}

}  // namespace mailstead::smtp
