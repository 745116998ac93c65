#include "webd/translate/methods.h"

#include <google/protobuf/descriptor.pb.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/check.h"

namespace mailstead::web {
namespace {

Method Describe(const google::protobuf::MethodDescriptor& method) {
  return {.name = absl::StrCat(method.service()->full_name(), "/", method.name()),
          .kind = MethodKindOf(method),
          .request_type = method.input_type()->full_name(),
          .response_type = method.output_type()->full_name()};
}

}  // namespace

MethodKind MethodKindOf(const google::protobuf::MethodDescriptor& method) {
  using Options = google::protobuf::MethodOptions;
  return {.client_streaming = method.client_streaming(),
          .server_streaming = method.server_streaming(),
          .no_side_effects = method.options().idempotency_level() == Options::NO_SIDE_EFFECTS};
}

MethodTable::MethodTable(const google::protobuf::DescriptorPool& pool,
                         const std::vector<std::string>& files) {
  for (const std::string& name : files) {
    const google::protobuf::FileDescriptor* const file = pool.FindFileByName(name);
    CHECK(file != nullptr);
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        Method method = Describe(*file->service(i)->method(j));
        methods_.emplace(method.name, method);
      }
    }
  }
}

const Method* MethodTable::Find(absl::string_view path) const {
  if (!absl::ConsumePrefix(&path, "/")) return nullptr;
  const auto found = methods_.find(path);
  return found == methods_.end() ? nullptr : &found->second;
}

// CMake lists them: what is added to the API is here with it.
std::vector<std::string> StoreFiles() { return absl::StrSplit(MAILSTEAD_STORE_FILES, ','); }

}  // namespace mailstead::web
