// The methods that can be called, out of the descriptors of the API.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "webd/connect/call.h"

namespace mailstead::web {

struct Method {
  // "mailstead.store.v1.MessageService/ListMessages"
  std::string name;
  MethodKind kind;
  // Full names of messages.
  std::string request_type;
  std::string response_type;
};

MethodKind MethodKindOf(const google::protobuf::MethodDescriptor& method);

// SECURITY: a table that is made once: a pool that is asked for names which strangers make up keeps each of them.
class MethodTable {
 public:
  // Of all services in `files`, which are of `pool`.
  MethodTable(const google::protobuf::DescriptorPool& pool, const std::vector<std::string>& files);

  // `path` begins with a slash. Null: there is no such method.
  const Method* Find(absl::string_view path) const;
  size_t size() const { return methods_.size(); }

 private:
  absl::flat_hash_map<std::string, Method> methods_;
};

// The files of mailstead.store.v1.
std::vector<std::string> StoreFiles();

}  // namespace mailstead::web
