// What it costs to read mail by the store's API: calls of a running stored, by one connection.
//
//   read_bench --store=127.0.0.1:7070 --token_file=operator.token --account=ann@example.test --message_id=1
//
// Prints a line of JSON: calls a second of an empty unary call (gRPC's health check), of GetMessage with the view SUMMARY and of
// ListMessages with a page of 50, by turns, and the median time of GetMessage with the view PARSED, one at a time.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "common/base/check.h"
#include "common/rpc/channel.h"
#include "common/rpc/grpc_transport.h"
#include "grpc/health/v1/health.pb.h"
#include "mailstead/store/v1/message.pb.h"

ABSL_FLAG(std::string, store, "", "Where stored listens.");
ABSL_FLAG(std::string, token_file, "", "Of an operator, or of a key that may read mail.");
ABSL_FLAG(std::string, account, "", "Whose message.");
ABSL_FLAG(int64_t, message_id, 1, "Which message.");
ABSL_FLAG(double, seconds, 2, "How long each kind is measured at a time.");
ABSL_FLAG(int, in_flight, 32, "Calls at a time, of those that are counted.");

namespace mailstead::bench {
namespace {

namespace v1 = store::v1;

constexpr char kCheck[] = "grpc.health.v1.Health/Check";
constexpr char kGetMessage[] = "mailstead.store.v1.MessageService/GetMessage";
constexpr char kListMessages[] = "mailstead.store.v1.MessageService/ListMessages";
constexpr int32_t kListed = 50;
constexpr int kTurns = 3;

v1::GetMessageRequest Wanted(v1::MessageView view) {
  v1::GetMessageRequest request;
  request.set_account(absl::GetFlag(FLAGS_account));
  request.set_message_id(absl::GetFlag(FLAGS_message_id));
  request.set_view(view);
  return request;
}

v1::ListMessagesRequest WantedPage() {
  v1::ListMessagesRequest request;
  request.set_account(absl::GetFlag(FLAGS_account));
  request.set_page_size(kListed);
  return request;
}

struct Load {
  absl::Time end;
  int running = 0;
  std::vector<absl::Duration> times;
};

template <typename Request, typename Response>
asio::awaitable<void> CallAgainAndAgain(rpc::Transport& way, const char* method, Request request, Load& load,
                                        Response response) {
  while (absl::Now() < load.end) {
    const absl::Time begin = absl::Now();
    const absl::Status status = co_await way.Call(method, request, response, rpc::CallOptions());
    CHECK(status.ok());
    load.times.push_back(absl::Now() - begin);
  }
  --load.running;
}

// The time of each call, `in_flight` at a time.
template <typename Response, typename Request>
std::vector<absl::Duration> Measure(rpc::Transport& way, const char* method, const Request& request,
                                    int in_flight) {
  asio::io_context io{1};
  Load load{
      .end = absl::Now() + absl::Seconds(absl::GetFlag(FLAGS_seconds)), .running = in_flight, .times = {}};
  for (int i = 0; i < in_flight; ++i) {
    asio::co_spawn(io, CallAgainAndAgain(way, method, request, load, Response()), asio::detached);
  }
  const auto guard = asio::make_work_guard(io);
  while (load.running > 0) io.run_one();
  return std::move(load.times);
}

void Run() {
  rpc::ChannelOptions options;
  options.target = absl::GetFlag(FLAGS_store);
  options.token_file = absl::GetFlag(FLAGS_token_file);
  const auto channel = *rpc::StoreChannel::Create(options);
  rpc::GrpcTransport transport(*channel);
  CHECK(channel->WaitUntilConnected(absl::Seconds(10)));
  const int in_flight = absl::GetFlag(FLAGS_in_flight);
  const double seconds = kTurns * absl::GetFlag(FLAGS_seconds);
  size_t empty = 0;
  size_t summaries = 0;
  size_t pages = 0;
  for (int turn = 0; turn < kTurns; ++turn) {
    const grpc::health::v1::HealthCheckRequest check;
    empty += Measure<grpc::health::v1::HealthCheckResponse>(transport, kCheck, check, in_flight).size();
    summaries +=
        Measure<v1::Message>(transport, kGetMessage, Wanted(v1::MESSAGE_VIEW_SUMMARY), in_flight).size();
    pages += Measure<v1::ListMessagesResponse>(transport, kListMessages, WantedPage(), in_flight).size();
  }
  std::vector<absl::Duration> parsed =
      Measure<v1::Message>(transport, kGetMessage, Wanted(v1::MESSAGE_VIEW_PARSED), 1);
  CHECK(!parsed.empty());
  std::sort(parsed.begin(), parsed.end());
  absl::PrintF(
      "{\"empty_per_second\": %.0f, \"summary_per_second\": %.0f, \"list_per_second\": %.0f, "
      "\"parsed_p50_us\": %.0f}\n",
      static_cast<double>(empty) / seconds, static_cast<double>(summaries) / seconds,
      static_cast<double>(pages) / seconds, absl::ToDoubleMicroseconds(parsed[parsed.size() / 2]));
}

}  // namespace
}  // namespace mailstead::bench

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  mailstead::bench::Run();
}
