#include "common/net/client_tls.h"

#include <openssl/x509v3.h>

#include <algorithm>
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

// RFC 6698 section 7.2: the certificate usages that RFC 7672 section 3.1 has for SMTP.
constexpr uint8_t kDaneTa = 2;
constexpr uint8_t kDaneEe = 3;

// SECURITY: to OpenSSL an empty name is no check, and one with a NUL is its beginning.
bool IsName(const std::string& name) {
  return !name.empty() && name.find('\0') == std::string::npos && !IsAddress(name);
}

bool AddNames(SSL* ssl, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!IsName(name) || SSL_add1_host(ssl, name.c_str()) != 1) return false;
  }
  return true;
}

// Whether `ssl` could be made to look at the certificate.
bool CheckNames(SSL* ssl, const ClientHandshake& wanted) {
  // OpenSSL looks at it in either case: with SSL_VERIFY_NONE it goes on whatever it has found.
  SSL_set_verify(ssl, wanted.only_look ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  // RFC 9525 section 6.3: a wildcard is a whole label.
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const std::vector<std::string>& names = wanted.names;
  if (names.size() == 1 && IsAddress(names.front())) {
    return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), names.front().c_str()) == 1;
  }
  return AddNames(ssl, names);
}

// Whether OpenSSL can use the record.
bool AddRecord(SSL* ssl, const dns::Tlsa& record) {
  // SECURITY: OpenSSL knows the usages PKIX-TA and PKIX-EE as well, which no mail host is held to (RFC 7672 section 3.1.3).
  if (record.usage != kDaneTa && record.usage != kDaneEe) return false;
  const auto* const data = reinterpret_cast<const unsigned char*>(record.data.data());
  return SSL_dane_tlsa_add(ssl, record.usage, record.selector, record.matching_type, data, record.data.size()) == 1;
}

// Whether `ssl` could be made to check the certificate by the records.
bool CheckByRecords(SSL* ssl, const ClientHandshake& wanted) {
  if (wanted.names.empty() || !IsName(wanted.names.front())) return false;
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  // It takes the first name for the certificate, and for SNI where there is none yet.
  if (SSL_dane_enable(ssl, wanted.names.front().c_str()) != 1) return false;
  // RFC 7672 section 3.1.1: with DANE-EE the record says who the host is, not the certificate.
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  if (!AddNames(ssl, {wanted.names.begin() + 1, wanted.names.end()})) return false;
  size_t count = 0;
  for (const dns::Tlsa& record : wanted.tlsa) {
    if (AddRecord(ssl, record)) ++count;
  }
  // SECURITY: without a record OpenSSL goes by the system's store, which is not what was asked for.
  if (count == 0) return false;
  // What it has said of those that it cannot use.
  ERR_clear_error();
  return true;
}

Certificate VerdictOf(long error) {
  switch (error) {
    case X509_V_OK:
      return Certificate::kGood;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Certificate::kOtherName;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Certificate::kExpired;
    case X509_V_ERR_DANE_NO_MATCH:
      return Certificate::kNoTlsaRecord;
    default:
      return Certificate::kNotTrusted;
  }
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
  // Of those that ask for DANE only, each for itself.
  if (context == nullptr || SSL_CTX_dane_enable(context) != 1 || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
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
  if (!wanted.tlsa.empty()) {
    if (!CheckByRecords(ssl.get(), wanted)) return nullptr;
  } else if (!wanted.names.empty() && !CheckNames(ssl.get(), wanted)) {
    return nullptr;
  }
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

ClientHandshakeSeen ClientTls::Look(const SslPtr& ssl, const ClientHandshake& wanted) {
  ClientHandshakeSeen seen;
  if (ssl == nullptr || (wanted.names.empty() && wanted.tlsa.empty())) return seen;
  const long error = SSL_get_verify_result(ssl.get());
  // As long as nothing was looked at the result is "good".
  if (error == X509_V_OK && SSL_is_init_finished(ssl.get()) != 1) return seen;
  seen.certificate = VerdictOf(error);
  uint8_t usage = 0;
  uint8_t selector = 0;
  uint8_t matching_type = 0;
  if (seen.certificate == Certificate::kGood &&
      SSL_get0_dane_tlsa(ssl.get(), &usage, &selector, &matching_type, nullptr, nullptr) >= 0) {
    seen.tlsa = absl::StrCat(int{usage}, " ", int{selector}, " ", int{matching_type});
  }
  return seen;
}

std::vector<dns::Tlsa> ClientTls::UsableRecords(std::vector<dns::Tlsa> records) const {
  const SslPtr ssl(SSL_new(impl_->context.get()));
  // SECURITY: a set of which nothing is left means "TLS, whoever it is"; a machine without memory must not end there. What
  // is kept here and cannot be used later fails the handshake.
  if (ssl == nullptr || SSL_dane_enable(ssl.get(), nullptr) != 1) return records;
  const auto of_no_use = [&ssl](const dns::Tlsa& record) { return !AddRecord(ssl.get(), record); };
  records.erase(std::remove_if(records.begin(), records.end(), of_no_use), records.end());
  ERR_clear_error();
  return records;
}

size_t ClientTls::ticket_count() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->tickets.size();
}

}  // namespace mailstead::net
