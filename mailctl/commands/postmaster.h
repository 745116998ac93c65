// Who gets mail for postmaster (RFC 5321 section 4.5.1).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailstead::ctl {

class Client;

struct Postmaster {
  // The addresses that get it, for a person: "ann@example.test, by default"; "nobody" while no account is there.
  std::string text;
  // No account or alias has the address: it goes to --postmaster of stored, or to the first account that there is.
  bool by_default = false;
};

// `domain` empty: mail for "postmaster" without a domain.
absl::StatusOr<Postmaster> FindPostmaster(Client& store, absl::string_view domain);

std::string PostmasterOf(absl::string_view domain);

}  // namespace mailstead::ctl
