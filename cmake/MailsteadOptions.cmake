# Language level, warnings, sanitizers, compiler cache.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  if(MAILSTEAD_PCH)
    # What ccache wants to be told before it keeps a compilation that uses a precompiled header.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  endif()
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these inside coroutine frames and std::string at -O2.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow)
endif()

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(MAILSTEAD_SANITIZE)
  add_compile_options(-fsanitize=${MAILSTEAD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MAILSTEAD_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Its check of function types cannot be compiled for coroutines (clang 14).
    add_compile_options(-fno-sanitize=function)
  endif()
endif()

# Tests of the sanitizer builds run beside those of the plain build: their names tell them apart.
if(MAILSTEAD_SANITIZE STREQUAL "thread")
  # Headers of installed libraries that would lay out their classes otherwise than those libraries do.
  include_directories(BEFORE ${CMAKE_SOURCE_DIR}/cmake/tsan)
  set(MAILSTEAD_TEST_PREFIX tsan.)
  set(MAILSTEAD_TEST_ENVIRONMENT
      "TSAN_OPTIONS=halt_on_error=1 second_deadlock_stack=1 suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
elseif(MAILSTEAD_SANITIZE STREQUAL "address,undefined")
  set(MAILSTEAD_TEST_PREFIX asan-ubsan.)
  set(MAILSTEAD_TEST_ENVIRONMENT
      "ASAN_OPTIONS=strict_string_checks=1 detect_stack_use_after_return=1" "UBSAN_OPTIONS=print_stacktrace=1")
endif()
