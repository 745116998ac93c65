// Everything that must be true of the records of the queue for other hosts.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "stored/engine/rocksdb/database.h"
#include "stored/rules/queue.h"

namespace mailstead::engine {

// Compares messages, recipients, destinations, attempts, indexes and counters with one another. A line for each difference
// is added to `problems`, and how many messages there name a body to `entries_of_body`.
void CheckQueue(const Database::Use& use, const rules::QueuePolicy& policy,
                std::map<int64_t, int64_t>& entries_of_body, std::string& problems);

}  // namespace mailstead::engine
