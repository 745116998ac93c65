// The reference model under the conformance suite: verbs that end at once, and verbs that go on, on an executor.
#include <memory>

#include "stored/engine/memory/memory_engine.h"
#include "tests/conformance/conformance.h"

namespace mailstead::engine {
namespace {

class MemoryUnderTest final : public EngineUnderTest {
 public:
  explicit MemoryUnderTest(bool waits) : waits_(waits), store_(std::make_shared<MemoryStore>()) {
    OpenEngine();
  }
  Engine& engine() override { return *engine_; }
  void Restart() override {
    engine_.reset();
    OpenEngine();
  }

 private:
  void OpenEngine() {
    MemoryOptions options;
    options.store = store_;
    options.clock = &clock_;
    options.executor = waits_ ? &executor_ : nullptr;
    options.dice = [this] { return dice_.load(); };
    options.queue_policy = queue_policy_;
    engine_ = OpenMemoryEngine(options);
  }

  const bool waits_;
  const std::shared_ptr<MemoryStore> store_;
  std::unique_ptr<Engine> engine_;
};

const EngineKind kMemory{"Memory", /*keeps_on_disk=*/false,
                         [] { return std::make_unique<MemoryUnderTest>(false); }};
const EngineKind kWaitingMemory{"WaitingMemory", /*keeps_on_disk=*/false,
                                [] { return std::make_unique<MemoryUnderTest>(true); }};

}  // namespace

INSTANTIATE_ENGINE_CONFORMANCE(Memory, kMemory);
INSTANTIATE_ENGINE_CONFORMANCE(WaitingMemory, kWaitingMemory);

}  // namespace mailstead::engine
