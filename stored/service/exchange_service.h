// ExchangeService: the small calls of a front-end over one stream.
#pragma once

#include <memory>

namespace grpc {
class Service;
}

namespace mailstead::store {

struct Environment;

class ExchangeService {
 public:
  explicit ExchangeService(Environment& environment);
  ~ExchangeService();

  grpc::Service* service();
  // Ends the streams when their calls are answered. They would last for ever.
  void Drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::store
