// The store's methods over an engine in memory, behind real doors: each test calls by the door that is its
// parameter.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/base/task.h"
#include "common/rpc/errors.h"
#include "common/rpc/transport.h"
#include "google/rpc/status.pb.h"
#include "mailstead/frontend/v1/auth.pb.h"
#include "mailstead/frontend/v1/batch.pb.h"
#include "mailstead/frontend/v1/delivery.pb.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "mailstead/store/v1/admin.pb.h"
#include "mailstead/store/v1/backup.pb.h"
#include "mailstead/store/v1/directory.pb.h"
#include "mailstead/store/v1/message.pb.h"
#include "stored/api/roles.h"
#include "stored/core/grant.h"
#include "stored/engine/memory/memory_engine.h"
#include "tests/support/block_on.h"

namespace mailstead::stored {

inline constexpr int64_t kMaxTestMessageBytes = 4 << 20;
inline constexpr char kLease[] = "lease-of-the-test";

enum class TestDoor { kGrpc, kBatch, kInProcess };

// How a test calls.
struct CallAs {
  // 0: nobody that is known.
  unsigned role = kOperator;
  // The secret of a key, beside the role's token; with role 0 alone.
  std::string key = "";
  std::string session_id = "";
  absl::Duration timeout = absl::Seconds(30);
};

// One call with several requests or responses, of which the test waits for each. By the gRPC door or in process.
class Dialog {
 public:
  virtual ~Dialog() = default;
  // False: the call has ended. `last`: no more follow.
  virtual bool Write(const google::protobuf::MessageLite& request, bool last = false) = 0;
  // Half-closes without another request; by the gRPC door only.
  virtual void WritesDone() = 0;
  // False: the end.
  virtual bool Read(google::protobuf::MessageLite& response) = 0;
  virtual absl::Status Finish() = 0;
  virtual void Cancel() = 0;
};

class ApiTest : public testing::TestWithParam<TestDoor> {
 protected:
  // Each with a batch door needs one request and one answer; methods of mailstead.store.v1 have none.
  ApiTest();
  ~ApiTest() override;

  // ---- Calls

  static std::string Token(unsigned role) { return absl::StrCat("token-of-role-", role); }

  // One request, all responses.
  template <typename Response>
  absl::Status CallMany(const std::string& method, const CallAs& as,
                        const google::protobuf::MessageLite& request, std::vector<Response>& responses) {
    const auto take = [&responses](const std::string& bytes) {
      EXPECT_TRUE(responses.emplace_back().ParseFromString(bytes));
    };
    return CallForBytes(method, as, request, take);
  }
  // One of each.
  template <typename Response>
  absl::StatusOr<Response> Call(const std::string& method, const CallAs& as,
                                const google::protobuf::MessageLite& request) {
    std::vector<Response> responses;
    RETURN_IF_ERROR(CallMany(method, as, request, responses));
    if (responses.size() != 1) return absl::InternalError(absl::StrCat(responses.size(), " responses"));
    return std::move(responses.front());
  }
  std::unique_ptr<Dialog> Open(const std::string& method, const CallAs& as);

  // By whatever door there is for it: methods of mailstead.store.v1 have no batch.
  template <typename Response>
  absl::StatusOr<Response> AsOperator(const std::string& method,
                                      const google::protobuf::MessageLite& request) {
    return Call<Response>(absl::StrCat("mailstead.store.v1.", method), {.role = kOperator}, request);
  }
  template <typename Response>
  absl::StatusOr<Response> AsSmtp(const std::string& method, const google::protobuf::MessageLite& request) {
    return Call<Response>(absl::StrCat("mailstead.frontend.v1.", method), {.role = kSmtp}, request);
  }
  template <typename Response>
  absl::StatusOr<Response> AsPop(const std::string& method, const std::string& session,
                                 const google::protobuf::MessageLite& request) {
    return Call<Response>(absl::StrCat("mailstead.frontend.v1.", method),
                          {.role = kPop, .session_id = session}, request);
  }

  // ---- What tests begin with

  // Domain example.test is there. Returns the id.
  int64_t AddAccount(const std::string& address, const std::string& password = "");
  // To an account that AddAccount made; to nobody, when it made none.
  frontend::v1::DeliverRequest DeliverTo(int64_t account, const std::string& delivery_id,
                                         const std::string& content);
  void Deliver(int64_t account, const std::string& delivery_id, const std::string& content);
  void RenewLease(const std::string& lease = kLease);
  // Logs in by PLAIN, with the maildrop when `lease` is not empty.
  frontend::v1::Verdict LogIn(const std::string& user, const std::string& password,
                              const std::string& session, const std::string& lease = "");

  // As stored does twice a second: streams end whose callers may not go on.
  void Recheck();

  // Restarts all but the engine.
  void Restart();

  // What it has counted: "mailstead_store_logins_total{result=\"ok\"}".
  std::string MetricsText();

  std::shared_ptr<engine::MemoryStore> store_ = std::make_shared<engine::MemoryStore>();
  // Of the store's dates, grants and logins; calls have the system's.
  FakeClock clock_{absl::Now()};
  absl::Duration in_use_wait_ = absl::Seconds(1);

 private:
  struct Server;
  class GrpcDialog;
  class InProcessDialog;

  void StartServer();
  Task<bool> RecheckOnLoop();
  using TakeResponse = absl::FunctionRef<void(const std::string& bytes)>;
  absl::Status CallForBytes(const std::string& method, const CallAs& as,
                            const google::protobuf::MessageLite& request, TakeResponse take);
  absl::Status CallInBatch(const std::string& method, const CallAs& as, const std::string& request,
                           TakeResponse take);
  std::unique_ptr<grpc::ClientContext> ContextOf(const CallAs& as) const;
  std::unique_ptr<rpc::CallStream> OpenInProcess(const std::string& method, const CallAs& as);

 protected:
  engine::Engine& engine();

  // Of accounts, by their ids.
  std::map<int64_t, std::string> addresses_;

 private:
  // Where calls in process wait: before the server, whose thread wakes them.
  asio::io_context io_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

// Waits for something that another thread brings about; false when it does not within ten seconds.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return condition();
}

// The name of a test's door, for INSTANTIATE_TEST_SUITE_P.
inline std::string NameOfDoor(const testing::TestParamInfo<TestDoor>& door) {
  return door.param == TestDoor::kGrpc ? "Grpc" : door.param == TestDoor::kBatch ? "Batch" : "InProcess";
}

}  // namespace mailstead::stored
