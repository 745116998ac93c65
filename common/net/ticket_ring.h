// The keys by which a server seals session tickets (RFC 5077, RFC 8446 section 4.6.1) and opens those that clients bring back.
// Replicas with the same keys resume each other's sessions.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/net/openssl.h"

namespace mailstead::net {

// What keys are derived from.
struct TicketSecret {
  // 32 random bytes or more.
  std::string bytes;
  // How long its key opens tickets from now on.
  absl::Duration open_for;
};

// Thread-safe.
class TicketRing {
 public:
  static constexpr size_t kMaxKeys = 64;

  // Begins with a key of its own. `clock` outlives it.
  explicit TicketRing(const Clock& clock = Clock::Steady());
  ~TicketRing();
  TicketRing(const TicketRing&) = delete;
  TicketRing& operator=(const TicketRing&) = delete;

  // The first secret's key seals from now on, and opens until the next call at least. Keys of before that are not among them
  // open for as long as was said of them, and not beyond the life of the tickets that they sealed. InvalidArgument, and
  // nothing has changed: there is none, one is short, or there are more than kMaxKeys. Of more in all the oldest ones go.
  absl::Status Update(const std::vector<TicketSecret>& secrets);
  // This secret's key alone, from now on and for ever. InvalidArgument.
  absl::Status Fix(absl::string_view secret);

  // Has servers of `context` use this ring, which outlives their handshakes. Takes the context's app data. Internal.
  absl::Status UseFor(SSL_CTX* context);

 private:
  struct Key {
    ~Key();

    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> mac_key;
    std::array<unsigned char, 32> cipher_key;
    absl::Time open_until = absl::InfiniteFuture();
  };

  static absl::StatusOr<Key> Derive(absl::string_view secret);
  // As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) asks.
  static int Callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, int sealing);
  int Seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac);
  int Open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
           bool always_renew);

  const Clock& clock_;
  absl::Mutex mutex_;
  // The one that seals first. Never empty.
  std::vector<Key> keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mailstead::net
