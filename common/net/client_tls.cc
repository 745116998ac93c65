#include "common/net/client_tls.h"

#include <openssl/x509v3.h>

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "asio/ip/address.hpp"

namespace mailstead::net {
namespace {

using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<SSL_SESSION_free>>;

bool IsAddress(const std::string& name) {
  std::error_code error;
  asio::ip::make_address(name, error);
  return !error;
}

// Whether `ssl` could be made to check the certificate.
bool CheckNames(SSL* ssl, const std::vector<std::string>& names) {
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  // RFC 9525 section 6.3: a wildcard is a whole label.
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (names.size() == 1 && IsAddress(names.front())) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), names.front().c_str()) == 1;
  }
  for (const std::string& name : names) {
    // SECURITY: to OpenSSL an empty name is no check, and one with a NUL is its beginning.
    if (name.empty() || name.find('\0') != std::string::npos || IsAddress(name)) return false;
    if (SSL_add1_host(ssl, name.c_str()) != 1) return false;
  }
  return true;
}

}  // namespace

struct ClientTls::Impl {
  // Called by OpenSSL for each ticket; takes the session over when it gives 1.
  static int KeepTicket(SSL* ssl, SSL_SESSION* session);
  static void FreeKey(void*, void* key, CRYPTO_EX_DATA*, int, long, void*) {
    delete static_cast<std::string*>(key);
  }
  // Where an SSL has the key of its tickets.
  static int KeyIndex() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, FreeKey);
    return index;
  }
  SslSessionPtr TakeTicket(const std::string& key);

  SslContextPtr context;
  mutable absl::Mutex mutex;
  absl::flat_hash_map<std::string, SslSessionPtr> tickets ABSL_GUARDED_BY(mutex);
};

int ClientTls::Impl::KeepTicket(SSL* ssl, SSL_SESSION* session) {
  auto* const impl = static_cast<Impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  const auto* const key = static_cast<const std::string*>(SSL_get_ex_data(ssl, KeyIndex()));
  if (key == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
  absl::MutexLock lock(&impl->mutex);
  if (impl->tickets.size() >= kMaxTickets && !impl->tickets.contains(*key)) {
    impl->tickets.erase(impl->tickets.begin());
  }
  impl->tickets.insert_or_assign(*key, SslSessionPtr(session));
  return 1;
}

SslSessionPtr ClientTls::Impl::TakeTicket(const std::string& key) {
  absl::MutexLock lock(&mutex);
  auto node = tickets.extract(key);
  return node.empty() ? nullptr : std::move(node.mapped());
}

absl::StatusOr<std::unique_ptr<ClientTls>> ClientTls::Create() {
  auto impl = std::make_unique<Impl>();
  impl->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = impl->context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_default_verify_paths(context) != 1) {
    return absl::InternalError(absl::StrCat("cannot set up TLS: ", TakeOpenSslError()));
  }
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context, impl.get());
  SSL_CTX_sess_set_new_cb(context, Impl::KeepTicket);
  return std::unique_ptr<ClientTls>(new ClientTls(std::move(impl)));
}

ClientTls::ClientTls(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientTls::~ClientTls() = default;

SslPtr ClientTls::Begin(const ClientHandshake& wanted) {
  ERR_clear_error();
  SslPtr ssl(SSL_new(impl_->context.get()));
  if (ssl == nullptr) return nullptr;
  SSL_set_connect_state(ssl.get());
  if (!wanted.server_name.empty() && SSL_set_tlsext_host_name(ssl.get(), wanted.server_name.c_str()) != 1)
    return nullptr;
  if (!wanted.names.empty() && !CheckNames(ssl.get(), wanted.names)) return nullptr;
  if (wanted.ticket_key.empty()) return ssl;
  auto key = std::make_unique<std::string>(wanted.ticket_key);
  if (SSL_set_ex_data(ssl.get(), Impl::KeyIndex(), key.get()) != 1) return nullptr;
  key.release();
  // A ticket that does not fit is no ticket: the handshake is a whole one then.
  if (const SslSessionPtr ticket = impl_->TakeTicket(wanted.ticket_key); ticket != nullptr) {
    SSL_set_session(ssl.get(), ticket.get());
  }
  return ssl;
}

size_t ClientTls::ticket_count() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->tickets.size();
}

}  // namespace mailstead::net
