#include "webd/translate/codec.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mailstead::web {
namespace {

namespace util = google::protobuf::util;

constexpr char kUrlPrefix[] = "type.googleapis.com";
// Of what the library says of a JSON that it cannot read: a line or two, which quotes the place.
constexpr size_t kMaxReasonBytes = 200;

std::string UrlOf(const std::string& type) { return absl::StrCat(kUrlPrefix, "/", type); }

std::string FirstLineOf(const google::protobuf::util::Status& status) {
  const std::string text(status.message().data(), status.message().size());
  return text.substr(0, std::min(text.find('\n'), kMaxReasonBytes));
}

}  // namespace

Translator::Translator(const google::protobuf::DescriptorPool& pool)
    : types_(util::NewTypeResolverForDescriptorPool(kUrlPrefix, &pool)) {}

absl::StatusOr<std::string> Translator::Decode(Codec codec, const std::string& type, std::string text) const {
  if (codec == Codec::kProto) return text;
  std::string bytes;
  // What would be read past in silence may be a filter whose name was mistyped.
  const util::JsonParseOptions strict;
  const auto status = util::JsonToBinaryString(types_.get(), UrlOf(type), text, &bytes, strict);
  if (status.ok()) return bytes;
  return absl::InvalidArgumentError(absl::StrCat("the JSON cannot be read: ", FirstLineOf(status)));
}

absl::StatusOr<std::string> Translator::Encode(Codec codec, const std::string& type,
                                               std::string bytes) const {
  if (codec == Codec::kProto) return bytes;
  std::string text;
  const auto status = util::BinaryToJsonString(types_.get(), UrlOf(type), bytes, &text);
  if (status.ok()) return text;
  return absl::InternalError("the store sent what is no such message");
}

}  // namespace mailstead::web
