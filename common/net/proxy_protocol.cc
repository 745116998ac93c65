#include "common/net/proxy_protocol.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/net/network_list.h"
#include "common/net/stream.h"

namespace mailstead::net {
namespace {

using asio::ip::tcp;
using MaybeHeader = absl::StatusOr<std::optional<ProxyHeader>>;

// Version 1 (section 2.1): one line, at most 107 bytes with its CRLF.
//   PROXY TCP4 192.0.2.1 192.0.2.9 49152 25\r\n
//   PROXY TCP6 2001:db8::1 2001:db8::9 49152 25\r\n
//   PROXY UNKNOWN[ anything]\r\n
constexpr absl::string_view kTextStart = "PROXY ";
constexpr size_t kMaxTextBytes = 107;

// Version 2 (section 2.2): signature (12), version and command (1), family and transport (1), length of what
// follows (2, network order), addresses, TLVs.
constexpr absl::string_view kBinarySignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kBinaryFixedBytes = 16;
constexpr uint8_t kCommandLocal = 0x20;
constexpr uint8_t kCommandProxy = 0x21;
constexpr uint8_t kFamilyUnspecified = 0x00;
constexpr uint8_t kFamilyTcp4 = 0x11;
constexpr uint8_t kFamilyTcp6 = 0x21;
constexpr uint8_t kFamilyUnixStream = 0x31;
constexpr size_t kTcp4Bytes = 12;
constexpr size_t kTcp6Bytes = 36;
constexpr size_t kUnixBytes = 216;

absl::Status Bad(absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("PROXY header: ", why));
}

uint8_t ByteAt(absl::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

uint16_t Uint16At(absl::string_view bytes, size_t i) {
  return static_cast<uint16_t>(ByteAt(bytes, i) << 8 | ByteAt(bytes, i + 1));
}

template <typename Address>
Address AddressAt(absl::string_view bytes, size_t i) {
  typename Address::bytes_type raw;
  std::memcpy(raw.data(), bytes.data() + i, raw.size());
  return Address(raw);
}

// 0 to 65535 in decimal without leading zeros.
std::optional<uint16_t> ParsePort(absl::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  if (text.find_first_not_of("0123456789") != absl::string_view::npos) return std::nullopt;
  uint32_t port = 0;
  if (!absl::SimpleAtoi(text, &port) || port > 65535) return std::nullopt;
  return static_cast<uint16_t>(port);
}

std::optional<tcp::endpoint> ParseTextEndpoint(bool v6, absl::string_view address,
                                               absl::string_view port_text) {
  const std::optional<uint16_t> port = ParsePort(port_text);
  if (!port.has_value()) return std::nullopt;
  std::error_code error;
  const std::string text(address);
  if (v6) {
    const asio::ip::address_v6 parsed = asio::ip::make_address_v6(text, error);
    // An interface of the balancer's machine means nothing here.
    if (error || parsed.scope_id() != 0) return std::nullopt;
    return tcp::endpoint(parsed, *port);
  }
  const asio::ip::address_v4 parsed = asio::ip::make_address_v4(text, error);
  if (error) return std::nullopt;
  return tcp::endpoint(parsed, *port);
}

// `line` is without "PROXY " and CRLF.
MaybeHeader ParseTextLine(absl::string_view line, size_t size_bytes) {
  ProxyHeader header{.size_bytes = size_bytes};
  if (line == "UNKNOWN" || absl::StartsWith(line, "UNKNOWN ")) return header;
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
  if (fields.size() != 5 || (fields[0] != "TCP4" && fields[0] != "TCP6")) return Bad("fields");
  const bool v6 = fields[0] == "TCP6";
  header.source = ParseTextEndpoint(v6, fields[1], fields[3]);
  header.destination = ParseTextEndpoint(v6, fields[2], fields[4]);
  if (!header.source.has_value() || !header.destination.has_value()) return Bad("address or port");
  return header;
}

MaybeHeader ParseText(absl::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxTextBytes).find_first_of("\r\n");
  if (end == absl::string_view::npos) {
    // The shortest line end still has to fit.
    if (bytes.size() >= kMaxTextBytes) return Bad("line too long");
    return std::nullopt;
  }
  if (bytes[end] != '\r') return Bad("line end");
  if (end + 2 > kMaxTextBytes) return Bad("line too long");
  if (end + 1 == bytes.size()) return std::nullopt;
  if (bytes[end + 1] != '\n') return Bad("line end");
  return ParseTextLine(bytes.substr(kTextStart.size(), end - kTextStart.size()), end + 2);
}

// `block` is what the length covers: addresses, then TLVs.
MaybeHeader ParseBlock(uint8_t family, absl::string_view block, size_t size_bytes) {
  ProxyHeader header{.size_bytes = size_bytes};
  switch (family) {
    case kFamilyUnspecified:
      return header;
    case kFamilyTcp4:
      if (block.size() < kTcp4Bytes) return Bad("length");
      header.source = tcp::endpoint(AddressAt<asio::ip::address_v4>(block, 0), Uint16At(block, 8));
      header.destination = tcp::endpoint(AddressAt<asio::ip::address_v4>(block, 4), Uint16At(block, 10));
      return header;
    case kFamilyTcp6:
      if (block.size() < kTcp6Bytes) return Bad("length");
      header.source = tcp::endpoint(AddressAt<asio::ip::address_v6>(block, 0), Uint16At(block, 32));
      header.destination = tcp::endpoint(AddressAt<asio::ip::address_v6>(block, 16), Uint16At(block, 34));
      return header;
    case kFamilyUnixStream:
      // A path is no address of a mail client: as if unknown.
      if (block.size() < kUnixBytes) return Bad("length");
      return header;
    default:
      return Bad("family or transport");
  }
}

MaybeHeader ParseBinary(absl::string_view bytes) {
  // Each field is looked at as soon as it is there, so that nonsense is not waited for.
  constexpr size_t kCommandAt = 12;
  constexpr size_t kFamilyAt = 13;
  constexpr size_t kLengthAt = 14;
  if (bytes.size() <= kCommandAt) return std::nullopt;
  const uint8_t command = ByteAt(bytes, kCommandAt);
  if (command != kCommandLocal && command != kCommandProxy) return Bad("version or command");
  if (bytes.size() < kBinaryFixedBytes) return std::nullopt;
  const size_t size_bytes = kBinaryFixedBytes + Uint16At(bytes, kLengthAt);
  // SECURITY: the length is a stranger's number; what we keep of it is bounded.
  if (size_bytes > kMaxProxyHeaderBytes) return Bad("too long");
  if (bytes.size() < size_bytes) return std::nullopt;
  // LOCAL: the addresses, of whatever family, are to be skipped.
  if (command == kCommandLocal) return ProxyHeader{.size_bytes = size_bytes};
  return ParseBlock(ByteAt(bytes, kFamilyAt), bytes.substr(kBinaryFixedBytes, size_bytes - kBinaryFixedBytes),
                    size_bytes);
}

bool StartsAs(absl::string_view bytes, absl::string_view start) {
  const size_t size = std::min(bytes.size(), start.size());
  return bytes.substr(0, size) == start.substr(0, size);
}

}  // namespace

absl::StatusOr<std::optional<ProxyHeader>> ParseProxyHeader(absl::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  if (StartsAs(bytes, kTextStart)) {
    if (bytes.size() < kTextStart.size()) return std::nullopt;
    return ParseText(bytes);
  }
  if (StartsAs(bytes, kBinarySignature)) return ParseBinary(bytes);
  return Bad("signature");
}

asio::awaitable<absl::Status> ReadProxyHeader(Stream& stream, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  // On the heap while the header is read, and not in the frame of the session that follows.
  std::string bytes;
  for (;;) {
    const size_t had = bytes.size();
    bytes.resize(kMaxProxyHeaderBytes);
    absl::StatusOr<size_t> peeked =
        co_await stream.Peek(absl::MakeSpan(bytes).subspan(had), deadline - absl::Now());
    if (!peeked.ok()) co_return peeked.status();
    bytes.resize(had + *peeked);
    absl::StatusOr<std::optional<ProxyHeader>> header = ParseProxyHeader(bytes);
    if (!header.ok()) co_return header.status();
    // What was peeked is the header's up to its end, and all of it while the end is not there.
    const bool complete = header->has_value();
    const size_t to_take = complete ? (*header)->size_bytes - had : *peeked;
    absl::StatusOr<size_t> taken =
        co_await stream.ReadSome(absl::MakeSpan(bytes).subspan(had, to_take), deadline - absl::Now());
    if (!taken.ok()) co_return taken.status();
    bytes.resize(had + *taken);
    if (!complete || *taken < to_take) continue;
    if ((*header)->source.has_value()) stream.SetEndpoints(*(*header)->source, *(*header)->destination);
    co_return absl::OkStatus();
  }
}

// SECURITY: the header is believed from the balancers' networks only, and from these it is required: else any client could
// choose the address that limits and logs go by.
asio::awaitable<absl::Status> ReadProxyHeader(Stream& stream, const NetworkList& balancers,
                                              absl::Duration timeout) {
  if (!balancers.Contains(stream.peer().address())) co_return absl::OkStatus();
  co_return co_await ReadProxyHeader(stream, timeout);
}

}  // namespace mailstead::net
