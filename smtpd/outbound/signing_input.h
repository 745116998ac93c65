// What a signature is made of, gathered as the octets of a message come by: the header fields that are signed, and the hash of
// the body (common/mailauth), for the store, which has the keys.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mailauth/canonical.h"
#include "common/mailauth/signed_header.h"
#include "common/store/relay_api.h"

typedef struct evp_md_ctx_st EVP_MD_CTX;

namespace mailstead::smtp::outbound {

class SigningInput {
 public:
  SigningInput();
  ~SigningInput();
  SigningInput(const SigningInput&) = delete;
  SigningInput& operator=(const SigningInput&) = delete;

  // Octets of the message, in order.
  void Feed(absl::string_view octets);
  // The message has ended: what is to be signed, for the attempt. Absent: it has not one From field, so that nobody could
  // vouch for it. InvalidArgument: its From is too large to be signed. Once.
  absl::StatusOr<std::optional<store::SigningRequest>> Finish(const store::QueueAttempt& attempt);

 private:
  void FeedBody(absl::string_view octets);

  mailauth::SignedHeaderReader header_;
  mailauth::BodyCanonicalizer body_{mailauth::Canonicalization::kRelaxed};
  EVP_MD_CTX* const digest_;
};

}  // namespace mailstead::smtp::outbound
