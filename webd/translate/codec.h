// Messages between JSON, as protobuf's documents have it, and their bytes. No message is made an object of: what a stranger sends
// costs a few times its own size at most.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/type_resolver.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "webd/connect/call.h"

namespace mailstead::web {

// Thread-safe.
class Translator {
 public:
  // `pool` outlives it.
  explicit Translator(const google::protobuf::DescriptorPool& pool);

  // The bytes of a message of that type out of what a client sent. Of kProto they are not looked into: the store does that.
  // InvalidArgument: it cannot be read, or has a field that the type has not.
  absl::StatusOr<std::string> Decode(Codec codec, const std::string& type, std::string text) const;
  // The other way. Internal: the store has sent what is no such message.
  absl::StatusOr<std::string> Encode(Codec codec, const std::string& type, std::string bytes) const;

 private:
  const std::unique_ptr<google::protobuf::util::TypeResolver> types_;
};

}  // namespace mailstead::web
