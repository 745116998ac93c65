// All methods of a program, by name: the one list that every door serves.
#pragma once

#include <string>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/strings/string_view.h"
#include "common/rpc/server/method.h"

namespace mailstead::rpc {

// Filled before a door opens, and not changed afterwards; then any thread may read it.
class MethodTable {
 public:
  // Once for each name.
  void Add(Method method);
  // Null: there is no such method. `name` is without the first slash of a path.
  const Method* Find(absl::string_view name) const;
  // All of them, sorted by name.
  std::vector<const Method*> All() const;
  // The services that the methods belong to, each once, sorted: "mailstead.store.v1.DirectoryService".
  std::vector<std::string> Services() const;

 private:
  absl::node_hash_map<std::string, Method> methods_;
};

}  // namespace mailstead::rpc
