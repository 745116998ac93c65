// CHECK: for our own bugs only. No peer, disk or operator can make one fail; those get a Status.
#pragma once

namespace mailstead {

[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace mailstead

#define CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::mailstead::CheckFailed(#condition, __FILE__, __LINE__))
