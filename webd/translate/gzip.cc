#include "webd/translate/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/base/check.h"
#include "common/base/reason.h"

namespace mailstead::web {
namespace {

// zlib's: the largest window, and 16 for the format of gzip.
constexpr int kWindowBits = 15 + 16;
constexpr int kMemoryLevel = 8;
// Mail's JSON shrinks by it to nearly what the best gives, at a third of the time.
constexpr int kLevel = 3;
constexpr size_t kPieceBytes = 32 << 10;

Bytef* Bytes(const char* text) { return reinterpret_cast<Bytef*>(const_cast<char*>(text)); }

}  // namespace

std::string Gzipped(absl::string_view bytes) {
  z_stream stream = {};
  CHECK(deflateInit2(&stream, kLevel, Z_DEFLATED, kWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
  const absl::Cleanup end = [&stream] { deflateEnd(&stream); };
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = Bytes(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = Bytes(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  packed.resize(stream.total_out);
  return packed;
}

absl::StatusOr<std::string> Gunzipped(absl::string_view packed, size_t max_bytes) {
  z_stream stream = {};
  if (inflateInit2(&stream, kWindowBits) != Z_OK) {
    return absl::ResourceExhaustedError("no memory to unpack the request");
  }
  const absl::Cleanup end = [&stream] { inflateEnd(&stream); };
  stream.next_in = Bytes(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string bytes;
  for (int result = Z_OK; result != Z_STREAM_END;) {
    // One more than is allowed, so that what has more is seen.
    const size_t piece = std::min(kPieceBytes, max_bytes + 1 - bytes.size());
    const size_t before = bytes.size();
    bytes.resize(before + piece);
    stream.next_out = Bytes(bytes.data() + before);
    stream.avail_out = static_cast<uInt>(piece);
    result = inflate(&stream, Z_NO_FLUSH);
    bytes.resize(before + piece - stream.avail_out);
    if (bytes.size() > max_bytes) {
      return WithReason(absl::ResourceExhaustedError(
                            absl::StrCat("the request has more than ", max_bytes, " bytes unpacked")),
                        kReasonTooLarge);
    }
    if (result != Z_OK && result != Z_STREAM_END) {
      return absl::InvalidArgumentError("the request cannot be unpacked");
    }
  }
  if (stream.avail_in > 0) return absl::InvalidArgumentError("something stands behind the packed request");
  return bytes;
}

}  // namespace mailstead::web
