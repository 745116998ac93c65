// A blocking TLS client on OpenSSL alone, and files for tests of TLS.
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/net/openssl.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/loopback.h"

namespace mailstead::net {

// A folder that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string name = absl::StrCat(::testing::TempDir(), "mailstead-XXXXXX");
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TempDir() {
    if (DIR* dir = ::opendir(path_.c_str()); dir != nullptr) {
      while (const dirent* entry = ::readdir(dir)) ::unlink(Path(entry->d_name).c_str());
      ::closedir(dir);
    }
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string Path(absl::string_view name) const { return absl::StrCat(path_, "/", name); }
  std::string Write(absl::string_view name, absl::string_view bytes) const {
    const std::string path = Path(name);
    std::ofstream(path, std::ios::binary) << std::string(bytes);
    return path;
  }

 private:
  std::string path_;
};

inline std::string FileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<SSL_SESSION_free>>;

struct TlsClientOptions {
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  uint64_t options = 0;
  SSL_SESSION* resume = nullptr;
  // As on the wire: "\2h2".
  std::string alpn;
};

// Not verifying unless told.
class TlsClient {
 public:
  TlsClient(int fd, TlsClientOptions options = {}) : context_(SSL_CTX_new(TLS_client_method())) {
    // Old versions are for seeing them refused.
    if (options.min_version < TLS1_2_VERSION) SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), options.min_version);
    SSL_CTX_set_max_proto_version(context_.get(), options.max_version);
    SSL_CTX_set_options(context_.get(), options.options);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd);
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.alpn.data()),
                        static_cast<unsigned int>(options.alpn.size()));
    if (options.resume != nullptr) SSL_set_session(ssl_.get(), options.resume);
  }

  // Trust this certificate alone, for this name.
  void Verify(absl::string_view pem, const std::string& name) {
    const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const X509Ptr root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    X509_STORE* const store = X509_STORE_new();
    X509_STORE_add_cert(store, root.get());
    SSL_set1_verify_cert_store(ssl_.get(), store);
    X509_STORE_free(store);
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_set1_host(ssl_.get(), name.c_str());
  }

  bool Handshake() {
    ERR_clear_error();
    return SSL_connect(ssl_.get()) == 1;
  }
  bool Send(absl::string_view bytes) {
    ERR_clear_error();
    return SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  // Empty at the end and on errors.
  std::string Receive(size_t max_bytes = 4096) {
    ERR_clear_error();
    std::string bytes(max_bytes, '\0');
    const int count = SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    end_ = SSL_get_error(ssl_.get(), count);
    bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
    return bytes;
  }
  // SSL_ERROR_ZERO_RETURN when the last Receive met close_notify.
  int end() const { return end_; }
  void CloseNotify() { SSL_shutdown(ssl_.get()); }
  std::string Exporter() {
    std::string value(32, '\0');
    // RFC 9266 section 3: a context of no bytes.
    static constexpr unsigned char kNoBytes[1] = {};
    EXPECT_EQ(SSL_export_keying_material(ssl_.get(), reinterpret_cast<unsigned char*>(value.data()),
                                         value.size(), "EXPORTER-Channel-Binding", 24, kNoBytes, 0, 1),
              1);
    return value;
  }
  // RFC 5929 section 3.1: the first Finished message.
  std::string Unique() {
    std::string value(EVP_MAX_MD_SIZE, '\0');
    value.resize(resumed() ? SSL_get_peer_finished(ssl_.get(), value.data(), value.size())
                           : SSL_get_finished(ssl_.get(), value.data(), value.size()));
    return value;
  }
  bool resumed() { return SSL_session_reused(ssl_.get()) == 1; }
  SessionPtr session() { return SessionPtr(SSL_get1_session(ssl_.get())); }
  std::string PeerCertificatePem() {
    const X509Ptr certificate(SSL_get1_peer_certificate(ssl_.get()));
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return std::string(data, static_cast<size_t>(size));
  }
  SSL* ssl() { return ssl_.get(); }

 private:
  SslContextPtr context_;
  SslPtr ssl_;
  int end_ = SSL_ERROR_NONE;
};

}  // namespace mailstead::net
