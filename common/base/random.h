// Identifiers and secrets from the operating system's generator.
#pragma once

#include <cstddef>
#include <string>

namespace mailstead {

// `size` random bytes, fit for secrets.
std::string RandomBytes(size_t size);

// A printable random identifier of `size` characters out of [0-9a-z] without i, l, o, u (5 bits each):
// safe in logs, headers, file names and POP3 unique-ids. 26 characters hold 130 bits.
std::string RandomId(size_t size);

// Evenly from 0 up to, not with, 1.
double RandomFraction();

}  // namespace mailstead
