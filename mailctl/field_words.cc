#include "mailctl/field_words.h"

#include <google/protobuf/message.h>

#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/reason.h"
#include "mailstead/store/v1/directory.pb.h"

namespace mailstead::ctl {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// One step of a path: "recipients[1]".
struct Step {
  std::string name;
  // -1: none.
  int index = -1;
};

Step ParseStep(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('[', 1));
  Step step{std::string(parts[0])};
  if (parts.size() == 2 && !absl::SimpleAtoi(absl::StripSuffix(parts[1], "]"), &step.index)) step.index = -1;
  return step;
}

// The value of a string field, or of an element of a repeated one; empty when there is none.
std::string StringAt(const Message& message, const FieldDescriptor& field, int index) {
  if (field.type() != FieldDescriptor::TYPE_STRING) return "";
  const auto& reflection = *message.GetReflection();
  if (!field.is_repeated()) return reflection.GetString(message, &field);
  const bool there = index >= 0 && index < reflection.FieldSize(message, &field);
  return there ? reflection.GetRepeatedString(message, &field, index) : "";
}

// The message in a field, or in an element of a repeated one; null when there is none.
const Message* MessageAt(const Message& message, const FieldDescriptor& field, int index) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return nullptr;
  const auto& reflection = *message.GetReflection();
  if (!field.is_repeated()) return &reflection.GetMessage(message, &field);
  const bool there = index >= 0 && index < reflection.FieldSize(message, &field);
  return there ? &reflection.GetRepeatedMessage(message, &field, index) : nullptr;
}

}  // namespace

std::string WordsForField(const Message& request, absl::string_view field) {
  const Message* message = &request;
  const std::vector<absl::string_view> path = absl::StrSplit(field, '.');
  for (size_t i = 0; i < path.size(); ++i) {
    const Step step = ParseStep(path[i]);
    const FieldDescriptor* const descriptor = message->GetDescriptor()->FindFieldByName(step.name);
    if (descriptor == nullptr) return std::string(field);
    // SECURITY: an error is shown, and kept in logs of scripts.
    const bool is_password = step.name == "password" || descriptor->message_type() == store::v1::Password::descriptor();
    if (is_password) return "password";
    if (i + 1 == path.size()) {
      const std::string value = StringAt(*message, *descriptor, step.index);
      if (!value.empty()) return value;
      // "account.quota.bytes" is the option --quota_bytes.
      if (message->GetDescriptor() == store::v1::Quota::descriptor())
        return absl::StrCat("quota_", step.name);
      return absl::StrReplaceAll(field, {{".", " "}});
    }
    message = MessageAt(*message, *descriptor, step.index);
    if (message == nullptr) return std::string(field);
  }
  return std::string(field);
}

absl::Status InTypedWords(const absl::Status& status, const Message& request) {
  const std::string field = FieldOf(status);
  absl::string_view text = status.message();
  if (field.empty() || !absl::ConsumePrefix(&text, absl::StrCat(field, ": "))) return status;
  return Reworded(status, absl::StrCat(WordsForField(request, field), ": ", text));
}

absl::Status Reworded(const absl::Status& status, absl::string_view message) {
  absl::Status reworded(status.code(), message);
  status.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { reworded.SetPayload(url, payload); });
  return reworded;
}

}  // namespace mailstead::ctl
