// The server's certificate and key, shared by all connections and reloaded when the files change.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace mailstead::net {

class TicketRing;

struct TlsOptions {
  // The PEM files of the chain, leaf first, and of its key. Both empty: a self-signed certificate is made in
  // memory, with a warning.
  std::string cert_file;
  std::string key_file;
  // The name in a self-signed certificate. A certificate of the operator that is not good for it is used, with a warning.
  std::string self_signed_name;
  // The folder with the pair (tls.crt, tls.key) when cert_file is empty: the operator's, or a self-signed one that is
  // made and kept there (KeepSelfSigned). Empty: memory only.
  std::string self_signed_dir;
  // A file of 48 or more bytes shared by all replicas, so that a session ticket of one resumes at another. Empty: what
  // tickets() is given, and a key of our own before that.
  std::string ticket_key_file;
  // The protocols that clients may choose by ALPN (RFC 7301), the best first. A client that names others only is refused.
  // Empty: what clients name is passed over.
  std::vector<std::string> alpn;
  // Told when the certificate ends, whenever one is put into use. Of one call at a time; may be empty.
  std::function<void(absl::Time not_after)> in_use;
};

// Thread-safe. TLS 1.2 and 1.3 only (RFC 8314, RFC 9325).
class TlsContext {
 public:
  // InvalidArgument when the files are unreadable, not PEM, or do not belong together; the message names the
  // file. `clock`, which outlives it, is for the ages of ticket keys.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Create(const TlsOptions& options,
                                                            const Clock& clock = Clock::Steady());
  ~TlsContext();

  // The current SSL_CTX; connections made before a reload keep theirs.
  std::shared_ptr<SSL_CTX> current() const;

  // The keys of session tickets, for who gets them from the store; null when they are those of a file.
  TicketRing* tickets();

  // Loads the files again when they have changed; OK also when they have not. On error the old pair stays in
  // use. Called every few seconds by the program.
  absl::Status ReloadIfChanged();

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::net
