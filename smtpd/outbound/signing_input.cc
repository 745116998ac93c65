#include "smtpd/outbound/signing_input.h"

#include <openssl/evp.h>

#include <optional>
#include <string>
#include <utility>

#include "common/base/check.h"

namespace mailstead::smtp::outbound {
namespace {

constexpr size_t kSha256Bytes = 32;

// Looked up once: OpenSSL 3 looks for it at each beginning otherwise, which costs more than the digest of a small message.
const EVP_MD* Sha256() {
  static const EVP_MD* const implementation = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return implementation;
}

}  // namespace

SigningInput::SigningInput() : digest_(EVP_MD_CTX_new()) {
  CHECK(digest_ != nullptr);
  CHECK(EVP_DigestInit_ex(digest_, Sha256(), nullptr) == 1);
}

SigningInput::~SigningInput() { EVP_MD_CTX_free(digest_); }

void SigningInput::FeedBody(absl::string_view octets) {
  const auto hash = [this](absl::string_view canonical) {
    CHECK(EVP_DigestUpdate(digest_, canonical.data(), canonical.size()) == 1);
  };
  body_.Feed(octets, hash);
}

void SigningInput::Feed(absl::string_view octets) { FeedBody(header_.Feed(octets)); }

absl::StatusOr<std::optional<store::SigningRequest>> SigningInput::Finish(
    const store::QueueAttempt& attempt) {
  mailauth::SignedHeader header = header_.Finish();
  if (header.from_count != 1) return std::optional<store::SigningRequest>();
  if (header.from_too_large) return absl::InvalidArgumentError("its From field is too large to be signed");
  const auto hash = [this](absl::string_view canonical) {
    CHECK(EVP_DigestUpdate(digest_, canonical.data(), canonical.size()) == 1);
  };
  body_.Finish(hash);
  store::SigningRequest request;
  request.message = attempt.message;
  request.recipient_number = attempt.recipient_numbers.front();
  request.names = std::move(header.names);
  request.canonical_header = std::move(header.canonical);
  request.body_sha256.assign(kSha256Bytes, '\0');
  CHECK(EVP_DigestFinal_ex(digest_, reinterpret_cast<unsigned char*>(request.body_sha256.data()), nullptr) ==
        1);
  return std::optional<store::SigningRequest>(std::move(request));
}

}  // namespace mailstead::smtp::outbound
