// The server's wish to end, for calls that would last for ever.
#pragma once

#include <functional>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace mailstead::rpc {

// One thread: that of the methods.
class Draining {
 public:
  // Calls `then` once when the server begins to drain, at once when it has begun. `then` destroys no Listener.
  class Listener {
   public:
    Listener(Draining& draining, std::function<void()> then) : draining_(draining), then_(std::move(then)) {
      if (draining_.begun_) {
        then_();
      } else {
        draining_.listeners_.insert(this);
      }
    }
    ~Listener() { draining_.listeners_.erase(this); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

   private:
    friend Draining;
    Draining& draining_;
    const std::function<void()> then_;
  };

  // Never ends again.
  void Begin() {
    if (std::exchange(begun_, true)) return;
    for (Listener* const listener : std::exchange(listeners_, {})) listener->then_();
  }
  bool begun() const { return begun_; }

 private:
  bool begun_ = false;
  absl::flat_hash_set<Listener*> listeners_;
};

}  // namespace mailstead::rpc
