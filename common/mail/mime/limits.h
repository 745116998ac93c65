// What the MIME parser keeps at most, whatever it is fed. A message that has more is read to its end all the same:
// its offsets stay right, and a defect says what was left out.
#pragma once

#include <cstddef>

#include "common/mail/header_reader.h"

namespace mailstead::mime {

// Parts inside of parts: a list's digest of forwarded mail has ten. Readers of Protocol Buffers stop at 100 levels,
// and a part takes two of them where a tree is told as one. A multipart or message that lies deeper is a leaf.
inline constexpr size_t kMaxDepth = 40;

// Parts of a message. A digest has some hundreds; 1,000 of them fit in an answer of 4 MiB, gRPC's default, with all
// that is told of each.
inline constexpr size_t kMaxPartCount = 1'000;

// What is kept of all parts' parameters, file names, ids and descriptions together, each parameter with the memory
// that it takes: a quarter of such an answer.
inline constexpr size_t kMaxPartTextBytes = 1'048'576;

// The fields of the message that are kept: what one field may have at most is kMaxHeaderFieldBytes, as everywhere.
// Hosts on the way refuse larger headers (Postfix keeps 100 KiB, Exim 1 MiB).
inline constexpr size_t kMaxHeaderBytes = 262'144;
inline constexpr size_t kMaxFieldCount = 1'000;

// A line without its line end (RFC 5322 section 2.1.1). A longer one is read, but is no delimiter, and begins no field
// whose name does not end within.
inline constexpr size_t kMaxLineBytes = 998;

// RFC 2046 section 5.1.1 has 70; writers that have more are read. With "--" at both ends it fills a line.
inline constexpr size_t kMaxBoundaryBytes = kMaxLineBytes - 4;

// Parameters of a field, each piece of a continued one counted (RFC 2231 section 3). A file name of 255 bytes in pieces
// of 60 has 13.
inline constexpr size_t kMaxParameterCount = 128;

// type/subtype, each of 127 characters (RFC 6838 section 4.2).
inline constexpr size_t kMaxMediaTypeBytes = 255;

// The names of character sets that IANA lists have 45 characters at most.
inline constexpr size_t kMaxCharsetNameBytes = 45;

// A field of kMaxHeaderFieldBytes with addresses (groups are counted, too) and ids of ordinary length has fewer.
inline constexpr size_t kMaxAddressCount = 1'000;
inline constexpr size_t kMaxMessageIdCount = 1'000;

// Blanks that may stand at the end of a line of quoted-printable and are not a part of its text (RFC 2045 section 6.7,
// rule 3). More in a row than a line may have are text.
inline constexpr size_t kMaxHeldBlankBytes = kMaxLineBytes;

}  // namespace mailstead::mime
