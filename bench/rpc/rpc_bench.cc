// What a call between our programs costs, by each way that a call may take: CPU time of both ends, over a Unix socket.
//
//   rpc_bench                       # all ways, sizes and numbers in flight, as a table
//   rpc_bench --seconds=10 --way=batched
//
// Both ends are our own: GrpcTransport, and the doors of a server whose one method answers at once with what it got. The
// server is a process of its own, so that the CPU time of each end is that of a process.
//
//   unary          a gRPC call each, by completion queues
//   minimal_stack  the same with grpc.minimal_stack at both ends
//   stream         a call each on a stream that lives long: one message, one answer, in turn
//   batched        BatchService.Calls: those that wait at one moment share a message
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/status.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_transport.h"
#include "common/rpc/server/batch_door.h"
#include "common/rpc/server/bind.h"
#include "common/rpc/server/draining.h"
#include "common/rpc/server/grpc_door.h"
#include "common/rpc/server/loop.h"
#include "mailstead/frontend/v1/batch.pb.h"

ABSL_FLAG(double, seconds, 3, "How long each way is measured.");
ABSL_FLAG(std::string, way, "", "Only this one: unary, minimal_stack, stream or batched.");

namespace mailstead::bench {
namespace {

using google::protobuf::BytesValue;

// The names decide the way: GrpcTransport batches what is in the package of our front-ends.
constexpr char kAlone[] = "mailstead.bench.Echo/Echo";
constexpr char kBatched[] = "mailstead.frontend.v1.Echo/Echo";
constexpr char kDialog[] = "mailstead.bench.Echo/Dialog";

// ---- The server

struct Echo {
  Task<absl::Status> One(rpc::Call&, const BytesValue& request, BytesValue& response) {
    response = request;
    co_return absl::OkStatus();
  }
  Task<absl::Status> Many(rpc::Call&, rpc::Reader<BytesValue>& requests, rpc::Writer<BytesValue>& responses) {
    BytesValue message;
    while (true) {
      CO_ASSIGN_OR_RETURN(const bool more, co_await requests.Read(message));
      if (!more) co_return absl::OkStatus();
      CO_RETURN_IF_ERROR(co_await responses.Write(message));
    }
  }
};

class Anybody final : public rpc::Admission {
 public:
  std::shared_ptr<const rpc::Caller> Identify(const rpc::Credentials&) override { return caller_; }
  int64_t Generation() const override { return 1; }
  absl::Status Admit(rpc::ServedCall&) override { return absl::OkStatus(); }
  void Ended(const rpc::ServedCall&, const absl::Status&) override {}

 private:
  const std::shared_ptr<const rpc::Caller> caller_ = std::make_shared<rpc::Caller>();
};

// Never returns. Writes a byte to `ready` when it serves.
[[noreturn]] void Serve(const std::string& address, bool minimal_stack, int ready) {
  rpc::Loop loop;
  Echo echo;
  Anybody admission;
  rpc::MethodTable methods;
  rpc::Draining draining;
  const rpc::Service service{methods, admission, Clock::System()};
  rpc::BatchDoor batches(service, loop, draining);
  methods.Add(rpc::Bind({.name = kAlone}, echo, &Echo::One));
  methods.Add(rpc::Bind({.name = kBatched, .batched = true}, echo, &Echo::One));
  methods.Add(rpc::Bind({.name = kDialog}, echo, &Echo::Many));
  methods.Add(rpc::Bind({.name = "mailstead.frontend.v1.BatchService/Calls"}, batches, &rpc::BatchDoor::Calls));
  rpc::GrpcDoor door(service, loop, draining);
  if (minimal_stack) loop.builder().AddChannelArgument(GRPC_ARG_MINIMAL_STACK, 1);
  // The client pings every ten seconds, also between calls.
  loop.builder().AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  loop.builder().AddListeningPort(address, grpc::InsecureServerCredentials());
  const std::unique_ptr<grpc::Server> server = loop.builder().BuildAndStart();
  CHECK(server != nullptr);
  door.Open();
  CHECK(write(ready, "r", 1) == 1);
  while (true) pause();
}

class ServerProcess {
 public:
  ServerProcess(std::string address, bool minimal_stack) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_ = fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) Serve(address, minimal_stack, ends[1]);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    close(ends[0]);
    close(ends[1]);
  }
  // Ends the process.
  ~ServerProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  // What all its threads have used, in steps of 10 ms.
  absl::Duration CpuTime() const {
    FILE* const file = fopen(absl::StrCat("/proc/", pid_, "/stat").c_str(), "r");
    CHECK(file != nullptr);
    unsigned long user = 0;
    unsigned long system = 0;
    // Our name has no blanks (proc(5)).
    CHECK(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2);
    fclose(file);
    return absl::Seconds(static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK)));
  }

 private:
  pid_t pid_ = 0;
};

absl::Duration OwnCpuTime() {
  rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

// ---- The client

// Calls in flight and what came of them.
struct Load {
  absl::Time end;
  size_t bytes = 0;
  int64_t calls = 0;
  int running = 0;
};

asio::awaitable<void> CallAgainAndAgain(rpc::Transport& way, std::string method, Load& load) {
  BytesValue request;
  request.set_value(std::string(load.bytes, 'x'));
  while (absl::Now() < load.end) {
    BytesValue response;
    rpc::CallOptions options;
    const absl::Status status = co_await way.Call(method, request, response, options);
    CHECK(status.ok() && response.value().size() == load.bytes);
    ++load.calls;
  }
  --load.running;
}

asio::awaitable<void> AskAgainAndAgain(rpc::Transport& way, Load& load) {
  const std::unique_ptr<rpc::CallStream> stream = way.Open(kDialog, {.timeout = absl::Hours(1)});
  BytesValue request;
  request.set_value(std::string(load.bytes, 'x'));
  BytesValue response;
  while (absl::Now() < load.end) {
    const absl::Status written = co_await stream->Write(request, /*last=*/false);
    const absl::StatusOr<bool> read = co_await stream->Read(response);
    CHECK(written.ok() && read.ok() && *read && response.value().size() == load.bytes);
    ++load.calls;
  }
  --load.running;
}

struct Result {
  double microseconds_of_cpu = 0;
  double calls_per_second = 0;
};

// A process of its own, so that gRPC never sees a fork.
Result Measure(const std::string& way, size_t bytes, int in_flight) {
  const std::string address = absl::StrCat("unix:/tmp/mailstead-rpc-bench-", getpid());
  const bool minimal_stack = way == "minimal_stack";
  ServerProcess server(address, minimal_stack);
  const auto channel = *rpc::StoreChannel::Create({.target = address, .minimal_stack = minimal_stack});
  rpc::GrpcTransport transport(*channel);
  CHECK(channel->WaitUntilConnected(absl::Seconds(10)));
  asio::io_context io{1};
  const auto run = [&](absl::Duration time) {
    Load load{.end = absl::Now() + time, .bytes = bytes, .running = in_flight};
    for (int i = 0; i < in_flight; ++i) {
      if (way == "stream") {
        asio::co_spawn(io, AskAgainAndAgain(transport, load), asio::detached);
      } else {
        asio::co_spawn(io, CallAgainAndAgain(transport, way == "batched" ? kBatched : kAlone, load), asio::detached);
      }
    }
    const auto guard = asio::make_work_guard(io);
    io.restart();
    while (load.running > 0) io.run_one();
    return load.calls;
  };
  run(absl::Milliseconds(300));
  const absl::Time begin = absl::Now();
  const absl::Duration cpu_before = OwnCpuTime() + server.CpuTime();
  const int64_t calls = run(absl::Seconds(absl::GetFlag(FLAGS_seconds)));
  const absl::Duration cpu = OwnCpuTime() + server.CpuTime() - cpu_before;
  return {absl::ToDoubleMicroseconds(cpu) / static_cast<double>(calls),
          static_cast<double>(calls) / absl::ToDoubleSeconds(absl::Now() - begin)};
}

Result MeasureApart(const std::string& way, size_t bytes, int in_flight) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    const Result result = Measure(way, bytes, in_flight);
    CHECK(write(ends[1], &result, sizeof(result)) == sizeof(result));
    _exit(0);
  }
  Result result;
  CHECK(read(ends[0], &result, sizeof(result)) == sizeof(result));
  waitpid(pid, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  return result;
}

void Run() {
  absl::PrintF("| way | bytes | in flight | CPU of both ends, us a call | calls/s |\n|---|---|---|---|---|\n");
  fflush(stdout);
  for (const char* way : {"unary", "minimal_stack", "stream", "batched"}) {
    if (!absl::GetFlag(FLAGS_way).empty() && absl::GetFlag(FLAGS_way) != way) continue;
    for (const size_t bytes : {100, 4096}) {
      for (const int in_flight : {1, 32}) {
        const Result result = MeasureApart(way, bytes, in_flight);
        absl::PrintF("| %s | %d | %d | %.1f | %.0f |\n", way, bytes, in_flight, result.microseconds_of_cpu,
                     result.calls_per_second);
        fflush(stdout);
      }
    }
  }
}

}  // namespace
}  // namespace mailstead::bench

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  mailstead::bench::Run();
}
