#include "common/dns/resolver.h"

#include <exception>
#include <memory>
#include <utility>

#include "asio/any_io_executor.hpp"
#include "asio/co_spawn.hpp"
#include "asio/this_coro.hpp"
#include "common/rpc/resume.h"

namespace mailstead::dns {
namespace {

// Used on the executor of the one who asks.
struct Gathering {
  std::vector<Answer> answers;
  size_t missing_count = 0;
  rpc::Resumption<bool> done;
};

}  // namespace

asio::awaitable<std::vector<Answer>> AskAll(Resolver& resolver, std::vector<Question> questions,
                                            absl::Time deadline) {
  if (questions.empty()) co_return std::vector<Answer>();
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto gathering = std::make_shared<Gathering>();
  gathering->answers.resize(questions.size());
  gathering->missing_count = questions.size();
  auto start = [&](rpc::Resumption<bool> done) {
    gathering->done = std::move(done);
    for (size_t i = 0; i < questions.size(); ++i) {
      asio::co_spawn(executor, resolver.Ask(questions[i], deadline),
                     [gathering, i](const std::exception_ptr&, Answer answer) {
                       gathering->answers[i] = std::move(answer);
                       if (--gathering->missing_count == 0) gathering->done(true);
                     });
    }
  };
  co_await rpc::AwaitResumption<bool>(std::move(start));
  co_return std::move(gathering->answers);
}

}  // namespace mailstead::dns
