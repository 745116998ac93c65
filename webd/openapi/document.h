// The API as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1) has it: every method out of its descriptor, and the paths
// beside them (routes/route.h).
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace mailstead::web {

// `files` are of `pool`; the words of it are the comments of these files, where the pool was made with their source info.
std::string OpenApiDocument(const google::protobuf::DescriptorPool& pool,
                            const std::vector<std::string>& files);

// The same of the descriptors of mailstead.store.v1 that this program was built with.
std::string StoreOpenApiDocument();

}  // namespace mailstead::web
