// Walks of the directory, a page at a time.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "stored/engine/rocksdb/engine_impl.h"

namespace mailstead::store {

// Records of family directory whose keys start with `prefix` and are greater than `after`, at most `limit`.
template <typename Record>
absl::StatusOr<std::vector<Record>> ListRecords(Database& database, const std::string& prefix,
                                                const std::string& after, size_t limit) {
  std::vector<Record> records;
  if (limit == 0) return records;
  const Database::Use use(database);
  RETURN_IF_ERROR(use.status());
  const std::string first = after.empty() ? prefix : std::max(prefix, after + '\0');
  RETURN_IF_ERROR(Scan(use, nullptr, Family::kDirectory, first, PrefixEnd(prefix),
                       [&](absl::string_view, absl::string_view value) -> absl::StatusOr<bool> {
                         RETURN_IF_ERROR(Decode(value, records.emplace_back()));
                         return records.size() < limit;
                       }));
  return records;
}

// NotFound: its domain is not there. AlreadyExists: an account or alias has it.
absl::Status CheckAddressIsFree(const Source& source, absl::string_view address);

}  // namespace mailstead::store
