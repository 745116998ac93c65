// Messages that are compressed on their way (https://github.com/grpc/grpc/blob/master/doc/compression.md): gzip and deflate.
#pragma once

#include <grpc/compression.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>

#include "absl/status/status.h"

struct grpc_call;

namespace mailstead::rpc {

// What is smaller is sent as it is: a frame of gzip alone has 18 bytes, and a packet is no shorter for what is saved.
inline constexpr size_t kMinPackedBytes = 1024;

// Unpacks the message that `call` has read last, where it came compressed; another one stays as it is. gRPC does not do that
// here (GrpcDoor switches it off): it would unpack gigabytes out of a small message before it asks how much is allowed. At
// most `max_bytes` are made. ResourceExhausted with kReasonTooLarge: it has more. InvalidArgument: it cannot be unpacked.
// Unimplemented: it is compressed in another way.
absl::Status Unpack(grpc_call* call, size_t max_bytes, grpc::ByteBuffer& message);

// How responses of the call are to be compressed: as its caller compresses requests, where it takes that. Callers that do
// not ask get them as they are, also those that would take them otherwise, as nearly all libraries say of themselves:
// it costs more time than it saves on a fast network.
grpc_compression_algorithm WantedEncoding(grpc_call* call);

}  // namespace mailstead::rpc
