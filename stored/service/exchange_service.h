// ExchangeService: the small calls of a front-end over one stream.
#pragma once

#include <memory>

namespace grpc {
class ServerBuilder;
}

namespace mailstead::store {

struct Environment;

class ExchangeService {
 public:
  explicit ExchangeService(Environment& environment);
  ~ExchangeService();

  // In this order: Register before the server is made, Start when it serves, Drain, and Stop when it has been
  // shut down. Stop waits until no call is at work.
  void Register(grpc::ServerBuilder& builder);
  void Start();
  // Ends the streams when their calls are answered. They would last for ever.
  void Drain();
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::store
