#include "webd/translate/wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

namespace mailstead::web {

bool ForEachBytesField(absl::string_view message, absl::FunctionRef<void(int, absl::string_view)> each) {
  using google::protobuf::internal::WireFormatLite;
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(message.data()),
                                               static_cast<int>(message.size()));
  while (const uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      continue;
    }
    uint32_t size = 0;
    if (!input.ReadVarint32(&size)) return false;
    const auto begin = static_cast<size_t>(input.CurrentPosition());
    if (size > message.size() - begin) return false;
    each(WireFormatLite::GetTagFieldNumber(tag), message.substr(begin, size));
    input.Skip(static_cast<int>(size));
  }
  return input.ConsumedEntireMessage();
}

}  // namespace mailstead::web
