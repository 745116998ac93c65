#include "tests/fuzz/fuzz.h"

// The entry point that libFuzzer calls.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  mailstead::fuzz::Run(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
