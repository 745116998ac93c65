// How functions of the system's libraries, which are not built for the thread sanitizer, are told to it: a function of
// the same name in the program, which the loader prefers for all of the process.
//
//   STAND_IN(int, name, Thing* thing) {
//     Release(thing);
//     return BEHIND(name)(thing);  // the library's
//   }
#pragma once

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#define STAND_IN(result, name, ...)    \
  extern "C" result name(__VA_ARGS__); \
  extern "C" result name(__VA_ARGS__)

#define BEHIND(name) (mailstead::tsan::Behind<decltype(&name), &name>(#name))

namespace mailstead::tsan {

inline void Acquire(const void* object) { __tsan_acquire(const_cast<void*>(object)); }
inline void Release(const void* object) { __tsan_release(const_cast<void*>(object)); }

template <typename Function, Function kStandIn>
Function Behind(const char* name) {
  static const auto behind = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
  return behind;
}

}  // namespace mailstead::tsan
