#include "common/rpc/server/encoding.h"

#include <grpc/grpc.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"

// gRPC takes grpc-encoding, grpc-accept-encoding and the mark of a compressed message out of what a server may see, and
// answers questions about them by these alone, which no header of the library's names.
grpc_compression_algorithm grpc_call_test_only_get_compression_algorithm(grpc_call* call);
uint32_t grpc_call_test_only_get_encodings_accepted_by_peer(grpc_call* call);
uint32_t grpc_call_test_only_get_message_flags(grpc_call* call);

namespace mailstead::rpc {
namespace {

// Of a message's flags: it came compressed.
constexpr uint32_t kCompressedFlag = 0x80000000u;
constexpr size_t kChunkBytes = 32 << 10;
// zlib's: the largest window, alone for the format of zlib, and with this added for that of gzip.
constexpr int kWindowBits = 15;
constexpr int kGzip = 16;

// A message's bytes as they came, and how they are compressed.
class RawReader final : public grpc::ProtoBufferReader {
 public:
  explicit RawReader(grpc::ByteBuffer* bytes) : ProtoBufferReader(bytes) {}
  grpc_compression_algorithm algorithm() { return reader()->buffer_in->data.raw.compression; }
};

absl::Status TooLarge(size_t max_bytes) {
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat("the request has more than ", max_bytes, " bytes unpacked")),
      kReasonTooLarge);
}

absl::Status NotPacked() { return absl::InvalidArgumentError("the request cannot be unpacked"); }

// Unpacks what it is fed, into slices, up to a limit.
class Inflater {
 public:
  Inflater(size_t max_bytes, z_stream& stream) : max_bytes_(max_bytes), stream_(stream) {}

  absl::Status Feed(const void* data, int size) {
    if (at_end_) return size == 0 ? absl::OkStatus() : NotPacked();
    stream_.next_in = static_cast<Bytef*>(const_cast<void*>(data));
    stream_.avail_in = static_cast<uInt>(size);
    do {
      // One byte more than allowed shows that there are more.
      const size_t room = std::min(kChunkBytes, max_bytes_ - made_bytes_ + 1);
      grpc::Slice chunk(room);
      stream_.next_out = const_cast<Bytef*>(chunk.begin());
      stream_.avail_out = static_cast<uInt>(room);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return NotPacked();
      const size_t made = room - stream_.avail_out;
      made_bytes_ += made;
      if (made_bytes_ > max_bytes_) return TooLarge(max_bytes_);
      if (made > 0) slices_.push_back(made == room ? std::move(chunk) : chunk.sub(0, made));
      at_end_ = result == Z_STREAM_END;
      // Without progress it waits for more bytes.
      if (made == 0 && !at_end_) break;
    } while (!at_end_);
    return stream_.avail_in == 0 ? absl::OkStatus() : NotPacked();
  }

  absl::StatusOr<grpc::ByteBuffer> Finish() {
    if (!at_end_) return NotPacked();
    return grpc::ByteBuffer(slices_.data(), slices_.size());
  }

 private:
  const size_t max_bytes_;
  z_stream& stream_;
  std::vector<grpc::Slice> slices_;
  size_t made_bytes_ = 0;
  // Set when the packed bytes say that they are all.
  bool at_end_ = false;
};

}  // namespace

absl::Status Unpack(grpc_call* call, size_t max_bytes, grpc::ByteBuffer& message) {
  absl::StatusOr<grpc::ByteBuffer> unpacked;
  {
    RawReader packed(&message);
    if (!packed.status().ok()) return NotPacked();
    const grpc_compression_algorithm algorithm = packed.algorithm();
    if (algorithm == GRPC_COMPRESS_NONE) {
      // Its bytes are no message, though they may look like one.
      const bool is_packed = (grpc_call_test_only_get_message_flags(call) & kCompressedFlag) != 0;
      return is_packed ? absl::UnimplementedError("grpc-encoding must be gzip, deflate or identity")
                       : absl::OkStatus();
    }
    z_stream stream = {};
    const int window = algorithm == GRPC_COMPRESS_GZIP ? kWindowBits + kGzip : kWindowBits;
    if (inflateInit2(&stream, window) != Z_OK)
      return absl::ResourceExhaustedError("no memory to unpack the request");
    const absl::Cleanup end = [&stream] { inflateEnd(&stream); };
    Inflater inflater(max_bytes, stream);
    const void* data = nullptr;
    for (int size = 0; packed.Next(&data, &size);) {
      const absl::Status fed = inflater.Feed(data, size);
      if (!fed.ok()) return fed;
    }
    unpacked = inflater.Finish();
  }
  if (!unpacked.ok()) return unpacked.status();
  message.Swap(&*unpacked);
  return absl::OkStatus();
}

grpc_compression_algorithm WantedEncoding(grpc_call* call) {
  const grpc_compression_algorithm asked = grpc_call_test_only_get_compression_algorithm(call);
  if (asked != GRPC_COMPRESS_GZIP && asked != GRPC_COMPRESS_DEFLATE) return GRPC_COMPRESS_NONE;
  const uint32_t accepted = grpc_call_test_only_get_encodings_accepted_by_peer(call);
  return (accepted & (1u << asked)) != 0 ? asked : GRPC_COMPRESS_NONE;
}

}  // namespace mailstead::rpc
