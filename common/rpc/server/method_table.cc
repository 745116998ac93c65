#include "common/rpc/server/method_table.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace mailstead::rpc {

void MethodTable::Add(Method method) {
  CHECK(method.handler != nullptr);
  std::string name = method.name;
  const bool is_new = methods_.try_emplace(std::move(name), std::move(method)).second;
  CHECK(is_new);
}

const Method* MethodTable::Find(absl::string_view name) const {
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &found->second;
}

std::vector<const Method*> MethodTable::All() const {
  std::vector<const Method*> all;
  for (const auto& [name, method] : methods_) all.push_back(&method);
  std::sort(all.begin(), all.end(), [](const Method* a, const Method* b) { return a->name < b->name; });
  return all;
}

std::vector<std::string> MethodTable::Services() const {
  std::vector<std::string> services;
  for (const Method* method : All()) {
    std::string service = method->name.substr(0, method->name.find('/'));
    if (services.empty() || services.back() != service) services.push_back(std::move(service));
  }
  return services;
}

}  // namespace mailstead::rpc
