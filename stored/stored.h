// The store, put together: engine, rules, methods, server.
#pragma once

#include <memory>
#include <string>

#include "stored/flags.h"

namespace mailstead::stored {

class Stored {
 public:
  // Opens the engine and serves. What is impossible ends the program with one line that names the flag.
  explicit Stored(const Flags& flags);
  // Ends at once what Drain has left.
  ~Stored();

  // Says that it does not serve, and refuses new calls. Those that run have until --drain_timeout; what has not ended by
  // then gets UNAVAILABLE.
  void Drain();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace mailstead::stored
