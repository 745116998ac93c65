// Who a message says that it is from: the addresses of From and Sender (RFC 5322 section 3.6.2), which a submission
// server holds against the login (RFC 6409 sections 6.1 and 8.1). Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/mail/header_reader.h"

namespace mailstead {

// Addresses of From and Sender together. The store is asked about each, so a client must not choose how many there are.
inline constexpr size_t kMaxOriginators = 10;

class Originators : public HeaderObserver {
 public:
  void OnField(const HeaderField& field) override;

  // False when a From or Sender has no address, something that is none, or too much: what a mail program would show
  // of it is not known.
  bool readable() const { return readable_; }
  // Each once, as Address::ToString writes it. Repeated fields count too.
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  bool readable_ = true;
  std::vector<std::string> addresses_;
};

}  // namespace mailstead
