#include "bench/load/load.h"

#include <exception>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "asio/co_spawn.hpp"

namespace mailstead::bench {

void RunSessions(asio::io_context& io, size_t sessions,
                 const std::function<asio::awaitable<void>(size_t)>& session) {
  std::exception_ptr first_error;
  for (size_t i = 0; i < sessions; ++i) {
    asio::co_spawn(io, session(i), [&](std::exception_ptr error) {
      if (error == nullptr || first_error != nullptr) return;
      first_error = error;
      io.stop();
    });
  }
  io.run();
  io.restart();
  if (first_error != nullptr) std::rethrow_exception(first_error);
}

std::string MakeMessage(size_t bytes, uint64_t seed) {
  std::string message = absl::StrCat("From: bench@example.test\r\nTo: demo@example.test\r\nSubject: load ",
                                     seed, "\r\nMessage-ID: <", seed, "@bench.example.test>\r\n\r\n");
  std::mt19937_64 random(seed);
  constexpr size_t kLineBytes = 76;
  while (message.size() < bytes) {
    for (size_t i = 0; i < kLineBytes && message.size() + 2 < bytes; ++i) {
      message.push_back(static_cast<char>('a' + random() % 26));
    }
    message.append("\r\n");
  }
  return message;
}

std::string Numbered(const std::string& text, size_t number) {
  return absl::StrReplaceAll(text, {{"%", absl::StrCat(number)}});
}

}  // namespace mailstead::bench
