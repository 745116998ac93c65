// DNS packets as tests write them, apart from the code under test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace mailstead::dns {

inline std::string U8(unsigned number) { return std::string(1, static_cast<char>(number)); }
inline std::string U16(unsigned number) { return U8(number >> 8) + U8(number & 0xff); }
inline std::string U32(uint32_t number) { return U16(number >> 16) + U16(number & 0xffff); }

// "mx.example.test" uncompressed; "." is the root.
inline std::string Name(absl::string_view text) {
  std::string wire;
  if (text != ".") {
    for (const absl::string_view label : absl::StrSplit(text, '.'))
      absl::StrAppend(&wire, U8(label.size()), label);
  }
  return wire + U8(0);
}
inline std::string PointerTo(unsigned at) { return U16(0xc000 | at); }
// Where the name of the question is.
inline std::string ToQuestion() { return PointerTo(12); }

constexpr unsigned kA = 1, kCname = 5, kSoa = 6, kPtr = 12, kMx = 15, kTxt = 16, kAaaa = 28, kOpt = 41,
                   kRrsig = 46, kTlsa = 52;

inline std::string Rr(absl::string_view owner_wire, unsigned type, uint32_t ttl, absl::string_view data) {
  return absl::StrCat(owner_wire, U16(type), U16(1), U32(ttl), U16(data.size()), data);
}
inline std::string OptRr(uint32_t extended_rcode = 0) {
  return absl::StrCat(U8(0), U16(kOpt), U16(1232), U32(extended_rcode << 24 | 0x8000), U16(0));
}
inline std::string SoaData(uint32_t minimum) {
  return Name("ns.test") + Name("admin.test") + U32(1) + U32(2) + U32(3) + U32(4) + U32(minimum);
}
inline std::string TlsaData(absl::string_view data) { return absl::StrCat(U8(3), U8(1), U8(1), data); }

// A whole answer. QR, RD and RA are set.
struct Packet {
  std::string name = "example.test";
  unsigned type = kMx;
  unsigned flags = 0x8180;
  unsigned rcode = 0;
  std::vector<std::string> answer;
  std::vector<std::string> authority;
  std::vector<std::string> additional = {OptRr()};

  std::string Wire() const {
    std::string wire =
        absl::StrCat(U16(0x1234), U16(flags | rcode), U16(1), U16(answer.size()), U16(authority.size()),
                     U16(additional.size()), Name(name), U16(type), U16(1));
    for (const auto* section : {&answer, &authority, &additional}) {
      for (const std::string& record : *section) wire += record;
    }
    return wire;
  }
};

}  // namespace mailstead::dns
