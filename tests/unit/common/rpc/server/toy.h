// A table of toy methods behind a real gRPC server on a Unix socket, and callers for each door.
#pragma once

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/rpc/server/admission.h"
#include "common/rpc/server/batch_door.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/grpc_door.h"
#include "common/rpc/server/loop.h"
#include "common/rpc/server/method_table.h"
#include "mailstead/frontend/v1/batch.pb.h"

namespace mailstead::rpc {

using Text = google::protobuf::StringValue;

inline Text MakeText(std::string value) {
  Text text;
  text.set_value(std::move(value));
  return text;
}

// Waits for something that another thread brings about; false when it does not within ten seconds.
template <typename Condition>
bool Eventually(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return condition();
}

// Tokens are roles in text: "Bearer 1". Counts what it is asked and told.
class ToyAdmission final : public Admission {
 public:
  std::shared_ptr<const Caller> Identify(const Credentials& credentials) override;
  int64_t Generation() const override { return generation_; }
  absl::Status Admit(ServedCall& call) override;
  void Ended(const ServedCall& call, const absl::Status& status) override;

  // How long a stream may last.
  void set_max_stream_time(absl::Duration time);
  // The token is nobody's from now on.
  void Withdraw(const std::string& token);
  // Calls of a method that have ended, with this code and by this door.
  int ended(const std::string& method, Door door, absl::StatusCode code) const;
  int admitted() const { return admitted_; }
  int identified() const { return identified_; }

 private:
  mutable absl::Mutex mutex_;
  absl::Duration max_stream_time_ ABSL_GUARDED_BY(mutex_) = absl::Minutes(1);
  std::string withdrawn_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> ended_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int64_t> generation_ = 1;
  std::atomic<int> admitted_ = 0;
  std::atomic<int> identified_ = 0;
};

// What the methods have seen.
struct Seen {
  absl::Mutex mutex;
  std::vector<std::string> echoed ABSL_GUARDED_BY(mutex);
  std::string session ABSL_GUARDED_BY(mutex);
  absl::Status gone ABSL_GUARDED_BY(mutex);
  std::atomic<int> holding = 0;
  std::atomic<int> held = 0;
  std::atomic<int> written = 0;
};

// The methods:
//   toy.Toy/Echo    unary: the text again; "error" fails with a reason, "field" with a field; "late" when too late
//   toy.Toy/Join    requests joined into one response
//   toy.Toy/Split   a response for each character; "" gives none
//   toy.Toy/Talk    an answer "<request>!" to each request
//   toy.Toy/Watch   the same, as one that is there to stay
//   toy.Toy/Hold    unary: waits for Release, or until nobody waits for it
//   toy.Toy/Large   unary: as many bytes as the text says
//   toy.Toy/Flood   responses of 64 KiB, as many as the text says
//   toy.Toy/Own     unary like Echo, not for batches
//   toy.Toy/Open    unary like Echo, open to all
// All but Open are for role 1.
class Toy {
 public:
  explicit Toy(Executor& executor) : executor_(executor) {}
  void AddTo(MethodTable& methods);
  // What holds goes on; what comes later does not hold any more.
  void Release();
  Seen& seen() { return seen_; }

 private:
  Task<absl::Status> Echo(Call& call, const Text& request, Text& response);
  Task<absl::Status> Join(Call& call, Reader<Text>& requests, Text& response);
  Task<absl::Status> Split(Call& call, const Text& request, Writer<Text>& responses);
  Task<absl::Status> Talk(Call& call, Reader<Text>& requests, Writer<Text>& responses);
  Task<absl::Status> Hold(Call& call, const Text& request, Text& response);
  Task<absl::Status> Large(Call& call, const Text& request, Text& response);
  Task<absl::Status> Flood(Call& call, const Text& request, Writer<Text>& responses);
  Task<void> ReleaseThere();

  Executor& executor_;
  Seen seen_;
  // The executor's thread only.
  bool released_ = false;
  std::vector<Signal*> holding_;
};

// One gRPC call, step by step.
class GrpcCaller {
 public:
  GrpcCaller(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
             const std::string& token = "1", absl::Duration timeout = absl::Seconds(30),
             const std::string& session = "", grpc_compression_algorithm encoding = GRPC_COMPRESS_NONE);
  ~GrpcCaller();

  bool Write(const google::protobuf::MessageLite& request, bool last = false);
  // Bytes as they are.
  bool WriteBytes(const std::string& bytes, bool last);
  void HalfClose();
  bool Read(google::protobuf::MessageLite& response);
  absl::Status Finish();
  // Reads on to the end.
  absl::Status End();
  void Cancel() { context_.TryCancel(); }

 private:
  bool Next();

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

class ToyServer {
 public:
  explicit ToyServer(GrpcDoorOptions options = {}, BatchLimits limits = {});
  ~ToyServer();

  // Drain, and the end of the server.
  void Drain(absl::Duration timeout);
  void End();

  std::shared_ptr<grpc::Channel> channel() { return channel_; }
  ToyAdmission& admission() { return admission_; }
  Toy& toy() { return toy_; }
  Loop& loop() { return loop_; }
  const Service& service() const { return service_; }

 private:
  Loop loop_;
  ToyAdmission admission_;
  MethodTable methods_;
  const Service service_{methods_, admission_, Clock::System()};
  Draining draining_;
  Toy toy_{loop_};
  BatchDoor batches_;
  GrpcDoor door_;
  const std::string socket_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace mailstead::rpc
