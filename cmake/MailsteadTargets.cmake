# Functions so that every CMakeLists.txt of the tree reads the same.

# Everything that ctest runs out of this build folder; a sanitizer or fuzz build needs no more than these.
add_custom_target(all_tests)
add_custom_target(all_fuzzers)

# What most sources include, compiled once for all targets (MAILSTEAD_PCH): the half of what a small source costs. Nothing
# that belongs to one library's macros (gRPC, Asio, GoogleTest) may stand here. The images are built without it, so that a
# source which forgot an include is seen.
if(MAILSTEAD_PCH)
  add_library(mailstead_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
  target_precompile_headers(mailstead_pch PRIVATE
    <algorithm> <atomic> <cstdint> <deque> <fstream> <functional> <map> <memory> <optional> <string> <thread> <utility>
    <variant> <vector>
    <absl/container/flat_hash_map.h> <absl/container/flat_hash_set.h> <absl/status/statusor.h> <absl/strings/match.h>
    <absl/strings/numbers.h> <absl/strings/str_cat.h> <absl/strings/str_join.h> <absl/strings/str_split.h>
    <absl/synchronization/mutex.h> <absl/synchronization/notification.h> <absl/time/clock.h> <absl/time/time.h>)
endif()
function(mailstead_reuse_pch name)
  if(MAILSTEAD_PCH)
    target_precompile_headers(${name} REUSE_FROM mailstead_pch)
  endif()
endfunction()

# mailstead_library(NAME SRCS a.cc ... DEPS lib ...): a static library; includes are from the top of the tree.
function(mailstead_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  mailstead_reuse_pch(${name})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# mailstead_pure_library(NAME SRCS ... DEPS ...): a library of grammar, rules or values: no socket, clock, thread, log or
# database. It links Abseil, other pure libraries and what is pure in the system (libidn2) only, and this is where that is
# enforced for links; tests/docs does so for includes.
function(mailstead_pure_library name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  foreach(dep IN LISTS ARG_DEPS)
    if(dep MATCHES "^absl::" OR dep STREQUAL "PkgConfig::IDN2")
      continue()
    endif()
    get_property(pure GLOBAL PROPERTY mailstead_pure_${dep})
    if(NOT pure)
      message(FATAL_ERROR "${name} is pure and may not link ${dep}")
    endif()
  endforeach()
  mailstead_library(${name} SRCS ${ARG_SRCS} DEPS ${ARG_DEPS})
  set_property(GLOBAL PROPERTY mailstead_pure_${name} TRUE)
endfunction()

# mailstead_embed(VARIABLE file kSymbol): a source, whose path is put into VARIABLE, with the bytes of the file (Embed.cmake).
function(mailstead_embed variable file symbol)
  get_filename_component(input ${file} ABSOLUTE)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.cc)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${input} -DOUTPUT=${output} -DSYMBOL=${symbol} -P ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${input} ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake
    VERBATIM)
  set(${variable} ${output} PARENT_SCOPE)
endfunction()

# mailstead_binary(NAME SRCS ... DEPS ...): a program, in build/bin.
function(mailstead_binary name)
  cmake_parse_arguments(ARG "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  mailstead_reuse_pch(${name})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  mailstead_tell_sanitizer(${name})
endfunction()

# What the thread sanitizer cannot see in the system's libraries: tests/support/tsan_absl.cc says why.
function(mailstead_tell_sanitizer name)
  if(MAILSTEAD_SANITIZE STREQUAL "thread" AND "tests" IN_LIST MAILSTEAD_PARTS)
    target_link_libraries(${name} PRIVATE tsan_stand_ins)
  endif()
endfunction()

# mailstead_test(NAME SRCS ... DEPS ... [LABELS ...] [TIMEOUT seconds]): one GoogleTest program, one ctest entry.
# Its label is "unit" unless LABELS says otherwise. In a sanitizer build the test's name begins with that build's name.
function(mailstead_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  mailstead_reuse_pch(${name})
  add_dependencies(all_tests ${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  mailstead_tell_sanitizer(${name})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    # For what hangs: a sanitizer on a machine that is busy with other things takes ten times as long.
    set(ARG_TIMEOUT 400)
  endif()
  set(test ${MAILSTEAD_TEST_PREFIX}${name})
  add_test(NAME ${test} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${test} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
  if(MAILSTEAD_TEST_ENVIRONMENT)
    set_tests_properties(${test} PROPERTIES ENVIRONMENT "${MAILSTEAD_TEST_ENVIRONMENT}")
  endif()
endfunction()

# mailstead_fuzzer(NAME SRCS ... DEPS ... CORPUS dir): a libFuzzer target; clang only.
function(mailstead_fuzzer name)
  cmake_parse_arguments(ARG "" "CORPUS" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(all_fuzzers ${name})
  # A brief run over the corpus and beyond; scripts/fuzz runs longer.
  add_test(NAME ${name}
    COMMAND ${name} -max_total_time=5 -timeout=5 -rss_limit_mb=1024 ${CMAKE_BINARY_DIR}/fuzz/${name}.found ${ARG_CORPUS})
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz/${name}.found)
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 60)
endfunction()
