#include "common/net/tls_context.h"

#include <openssl/pem.h>

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/status.h"
#include "common/net/openssl.h"
#include "common/net/pem_file.h"
#include "common/net/self_signed.h"
#include "common/net/ticket_life.h"
#include "common/net/ticket_ring.h"
#include "common/obs/log.h"

namespace mailstead::net {
namespace {

// Forward secrecy and authenticated encryption only (RFC 9325 section 4.2); TLS 1.3 has nothing else.
constexpr char kTls12Ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr absl::string_view kSessionContext = "mailstead";
constexpr size_t kMaxLoggedNames = 20;
constexpr size_t kMinTicketSecretBytes = 48;

absl::Status UseCertificateChain(SSL_CTX* context, const PemFile& file) {
  const X509Ptr leaf = FirstCertificate(file.bytes);
  if (leaf == nullptr) return absl::InvalidArgumentError(absl::StrCat(file.path, ": no certificate in PEM"));
  if (SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(file.path, ": ", TakeOpenSslError()));
  }
  const BioPtr bio(BIO_new_mem_buf(file.bytes.data(), static_cast<int>(file.bytes.size())));
  X509Ptr skipped_leaf(PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr));
  for (;;) {
    X509Ptr issuer(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (issuer == nullptr) break;
    if (SSL_CTX_add0_chain_cert(context, issuer.get()) != 1) {
      return absl::InvalidArgumentError(absl::StrCat(file.path, ": ", TakeOpenSslError()));
    }
    issuer.release();
  }
  const unsigned long end = ERR_peek_last_error();
  ERR_clear_error();
  if (ERR_GET_LIB(end) == ERR_LIB_PEM && ERR_GET_REASON(end) == PEM_R_NO_START_LINE) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file.path, ": a certificate of the chain is damaged"));
}

bool SetPolicy(SSL_CTX* context) {
  // SECURITY: renegotiation lets a client make us do handshakes without end; compression leaks secrets
  // (CRIME).
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An idle session gives its 16 KiB record buffers back.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Sessions live in the client's ticket only: replicas share no memory, and ours is not spent on those who
  // never return.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context, absl::ToInt64Seconds(kTicketLife));
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1 && SSL_CTX_set_num_tickets(context, 1) == 1 &&
         SSL_CTX_set_session_id_context(context,
                                        reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                        kSessionContext.size()) == 1;
}

// As RFC 7301 section 3.1 writes them.
std::string AlpnList(const std::vector<std::string>& protocols) {
  std::string list;
  for (const std::string& protocol : protocols) {
    absl::StrAppend(&list, std::string(1, static_cast<char>(protocol.size())), protocol);
  }
  return list;
}

// SECURITY: a client that wants to speak something else gets no connection (RFC 7301 section 3.2): what is sent to one protocol
// could be passed to us as another (ALPACA).
int ChooseAlpn(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes, const unsigned char* named,
               unsigned int named_bytes, void* ours) {
  const auto& list = *static_cast<const std::string*>(ours);
  unsigned char* found = nullptr;
  const int result =
      SSL_select_next_proto(&found, chosen_bytes, reinterpret_cast<const unsigned char*>(list.data()),
                            static_cast<unsigned int>(list.size()), named, named_bytes);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// `alpn` outlives it.
absl::StatusOr<std::shared_ptr<SSL_CTX>> BuildContext(const PemFile& certificate, const PemFile& key,
                                                      const std::string& alpn, TicketRing& tickets) {
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (context == nullptr || !SetPolicy(context.get())) {
    return absl::InternalError(absl::StrCat("cannot set up TLS: ", TakeOpenSslError()));
  }
  if (!alpn.empty()) SSL_CTX_set_alpn_select_cb(context.get(), ChooseAlpn, const_cast<std::string*>(&alpn));
  RETURN_IF_ERROR(tickets.UseFor(context.get()));
  RETURN_IF_ERROR(CheckPair(certificate, key));
  RETURN_IF_ERROR(UseCertificateChain(context.get(), certificate));
  ASSIGN_OR_RETURN(const EvpKeyPtr private_key, PrivateKey(key));
  if (SSL_CTX_use_PrivateKey(context.get(), private_key.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(key.path, ": ", TakeOpenSslError()));
  }
  return context;
}

// A file that the operator named must be there.
absl::StatusOr<PemFile> ReadRequired(const std::string& path) {
  absl::StatusOr<PemFile> file = ReadPemFile(path);
  if (absl::IsNotFound(file.status())) return absl::InvalidArgumentError(file.status().message());
  return file;
}

}  // namespace

struct TlsContext::Impl {
  Impl(TlsOptions tls_options, const Clock& clock)
      : options(std::move(tls_options)), alpn(AlpnList(options.alpn)), tickets(clock) {}

  // No certificate was named: ours, or what the operator has put into our folder.
  bool self_signed() const { return options.cert_file.empty(); }
  Serving serving() const;
  // Warns of a certificate that clients who check will refuse.
  void NoteUnfit(const PemFile& certificate) const;
  // Finds the pair to be used now; makes it first when it is ours to make.
  absl::StatusOr<std::pair<PemFile, PemFile>> ReadPair();
  absl::StatusOr<std::pair<PemFile, PemFile>> MakeInMemory();
  // The secret in the ticket key file.
  absl::StatusOr<std::string> TicketSecretInFile();
  absl::Status Load();
  bool Changed();

  const TlsOptions options;
  const std::string alpn;
  // Serializes Load; everything below but `context` is its own.
  absl::Mutex load_mutex;
  // The files in use and what they were like.
  std::vector<std::pair<std::string, FileStamp>> files;
  // The certificate in use; empty before the first.
  std::string pem;
  // Kept over reloads.
  TicketRing tickets;

  mutable absl::Mutex mutex;
  std::shared_ptr<SSL_CTX> context ABSL_GUARDED_BY(mutex);
};

Serving TlsContext::Impl::serving() const {
  if (pem.empty()) return Serving::kNothing;
  return IsOurCertificate(pem) ? Serving::kOurs : Serving::kOperators;
}

void TlsContext::Impl::NoteUnfit(const PemFile& certificate) const {
  const absl::Time end = ExpiryOf(certificate.bytes);
  if (end < absl::Now()) {
    obs::LogWarning("certificate_expired",
                    {{"cert", certificate.path}, {"not_after", absl::FormatTime(end, absl::UTCTimeZone())}});
  }
  const std::string& hostname = options.self_signed_name;
  if (hostname.empty() || IsOurCertificate(certificate.bytes) || NamesHost(certificate.bytes, hostname))
    return;
  std::vector<std::string> names = NamesOf(certificate.bytes);
  if (names.size() > kMaxLoggedNames) names.resize(kMaxLoggedNames);
  obs::LogWarning("certificate_without_hostname",
                  {{"cert", certificate.path}, {"hostname", hostname}, {"names", absl::StrJoin(names, ",")}});
}

absl::StatusOr<std::pair<PemFile, PemFile>> TlsContext::Impl::MakeInMemory() {
  ASSIGN_OR_RETURN(PemPair made, MakeSelfSigned(options.self_signed_name, absl::Now()));
  obs::LogWarning("tls_self_signed", {{"name", options.self_signed_name}, {"kept", "in memory"}});
  return std::make_pair(PemFile{.path = "self-signed certificate", .bytes = std::move(made.certificate)},
                        PemFile{.path = "self-signed key", .bytes = std::move(made.key)});
}

absl::StatusOr<std::pair<PemFile, PemFile>> TlsContext::Impl::ReadPair() {
  std::string cert_path = options.cert_file;
  std::string key_path = options.key_file;
  if (self_signed()) {
    if (options.self_signed_dir.empty()) return MakeInMemory();
    RETURN_IF_ERROR(KeepSelfSigned(
        {.dir = options.self_signed_dir, .name = options.self_signed_name, .serving = serving()},
        absl::Now()));
    cert_path = absl::StrCat(options.self_signed_dir, "/", kSelfSignedCertName);
    key_path = absl::StrCat(options.self_signed_dir, "/", kSelfSignedKeyName);
  }
  ASSIGN_OR_RETURN(PemFile certificate, ReadRequired(cert_path));
  ASSIGN_OR_RETURN(PemFile key, ReadRequired(key_path));
  files.emplace_back(cert_path, certificate.stamp);
  files.emplace_back(key_path, key.stamp);
  if (self_signed() && IsSelfSigned(certificate.bytes)) {
    obs::LogWarning("tls_self_signed", {{"name", options.self_signed_name}, {"kept", cert_path}});
  }
  return std::make_pair(std::move(certificate), std::move(key));
}

absl::StatusOr<std::string> TlsContext::Impl::TicketSecretInFile() {
  ASSIGN_OR_RETURN(PemFile secret, ReadRequired(options.ticket_key_file));
  if (secret.bytes.size() < kMinTicketSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(secret.path, ": must hold at least ", kMinTicketSecretBytes, " random bytes"));
  }
  files.emplace_back(secret.path, secret.stamp);
  return std::move(secret.bytes);
}

absl::Status TlsContext::Impl::Load() {
  const auto files_before = std::exchange(files, {});
  const absl::Status status = [this]() -> absl::Status {
    ASSIGN_OR_RETURN(auto pair, ReadPair());
    std::string ticket_secret;
    if (!options.ticket_key_file.empty()) {
      ASSIGN_OR_RETURN(ticket_secret, TicketSecretInFile());
    }
    ASSIGN_OR_RETURN(std::shared_ptr<SSL_CTX> loaded, BuildContext(pair.first, pair.second, alpn, tickets));
    if (!ticket_secret.empty()) RETURN_IF_ERROR(tickets.Fix(ticket_secret));
    OPENSSL_cleanse(ticket_secret.data(), ticket_secret.size());
    OPENSSL_cleanse(pair.second.bytes.data(), pair.second.bytes.size());
    NoteUnfit(pair.first);
    if (options.in_use) options.in_use(ExpiryOf(pair.first.bytes));
    pem = std::move(pair.first.bytes);
    absl::MutexLock lock(&mutex);
    context.swap(loaded);
    return absl::OkStatus();
  }();
  // What could not be used is looked at again the next time, since it differs from what is in use.
  if (!status.ok()) files = files_before;
  return status;
}

bool TlsContext::Impl::Changed() {
  if (self_signed() && SelfSignedNeedsRenewal(pem, absl::Now())) return true;
  for (const auto& [path, stamp] : files) {
    const absl::StatusOr<FileStamp> now = StampOf(path);
    if (!now.ok() || *now != stamp) return true;
  }
  return false;
}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const TlsOptions& options,
                                                               const Clock& clock) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("the certificate file and the key file are needed together");
  }
  auto impl = std::make_unique<Impl>(options, clock);
  {
    absl::MutexLock lock(&impl->load_mutex);
    RETURN_IF_ERROR(impl->Load());
  }
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

std::shared_ptr<SSL_CTX> TlsContext::current() const {
  absl::MutexLock lock(&impl_->mutex);
  return impl_->context;
}

TicketRing* TlsContext::tickets() {
  return impl_->options.ticket_key_file.empty() ? &impl_->tickets : nullptr;
}

absl::Status TlsContext::ReloadIfChanged() {
  absl::MutexLock lock(&impl_->load_mutex);
  if (!impl_->Changed()) return absl::OkStatus();
  RETURN_IF_ERROR(impl_->Load());
  obs::LogInfo("tls_reloaded", {});
  return absl::OkStatus();
}

}  // namespace mailstead::net
