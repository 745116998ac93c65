#include "common/sasl/step.h"

namespace mailstead::sasl {

std::string PlainMessage(const std::string& user, const std::string& password) {
  std::string message;
  message.reserve(user.size() + password.size() + 2);
  message.push_back('\0');
  message.append(user);
  message.push_back('\0');
  message.append(password);
  return message;
}

}  // namespace mailstead::sasl
