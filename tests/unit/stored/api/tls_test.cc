#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "mailstead/frontend/v1/maildrop.grpc.pb.h"
#include "tests/unit/stored/api/server_fixture.h"

namespace mailstead::stored {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

struct Identity {
  Key key{nullptr, EVP_PKEY_free};
  Certificate certificate{nullptr, X509_free};
};

// A certificate for this common name, signed by `issuer`, or by itself when there is none.
Identity MakeIdentity(const std::string& common_name, const std::string& dns_name, const Identity* issuer) {
  Identity identity;
  identity.key.reset(EVP_EC_gen("P-256"));
  identity.certificate.reset(X509_new());
  X509* const certificate = identity.certificate.get();
  X509_set_version(certificate, 2);
  static int serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
  X509_set_pubkey(certificate, identity.key.get());
  const Identity& signer = issuer == nullptr ? identity : *issuer;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer.certificate.get()));
  X509V3_CTX context;
  X509V3_set_ctx(&context, signer.certificate.get(), certificate, nullptr, nullptr, 0);
  const auto extend = [&](int nid, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (issuer == nullptr) extend(NID_basic_constraints, "critical,CA:TRUE");
  if (!dns_name.empty()) extend(NID_subject_alt_name, absl::StrCat("DNS:", dns_name));
  X509_sign(certificate, signer.key.get(), EVP_sha256());
  return identity;
}

std::string Pem(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string pem(bytes, size);
  BIO_free(bio);
  return pem;
}

std::string KeyPem(const Identity& identity) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return Pem(bio);
}

std::string CertificatePem(const Identity& identity) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, identity.certificate.get());
  return Pem(bio);
}

class TlsTest : public ServerTest {
 protected:
  TlsTest() : authority_(MakeIdentity("test authority", "", nullptr)) {
    std::string pattern = testing::TempDir() + "tlsXXXXXX";
    folder_ = mkdtemp(pattern.data());
    const Identity server = MakeIdentity("store", "localhost", &authority_);
    std::ofstream(folder_ + "/ca.crt") << CertificatePem(authority_);
    std::ofstream(folder_ + "/tls.crt") << CertificatePem(server);
    std::ofstream(folder_ + "/tls.key") << KeyPem(server);
  }
  ~TlsTest() override {
    tls_.server.reset();
    std::filesystem::remove_all(folder_);
  }

  void StartServer(bool mutual) {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.tls_cert_file = folder_ + "/tls.crt";
    options.tls_key_file = folder_ + "/tls.key";
    if (mutual) options.tls_client_ca_file = folder_ + "/ca.crt";
    options.tls_reload_interval = absl::Seconds(1);
    const absl::Status started = tls_.Start(options);
    ASSERT_TRUE(started.ok()) << started;
  }

  // What an operator's and a front-end's call give to who shows this certificate (null: none) and token.
  std::pair<grpc::StatusCode, grpc::StatusCode> Calls(const Identity* client, const std::string& token) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = CertificatePem(authority_);
    if (client != nullptr) {
      ssl.pem_cert_chain = CertificatePem(*client);
      ssl.pem_private_key = KeyPem(*client);
    }
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto channel = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", tls_.server->port()),
                                                   grpc::SslCredentials(ssl), arguments);
    store::v1::GetStatusResponse status;
    const auto operators = store::v1::AdminService::NewStub(channel)->GetStatus(As(token).get(), {}, &status);
    frontend::v1::RenewLeaseRequest request;
    frontend::v1::RenewLeaseResponse response;
    request.set_lease_id("lease-of-the-test");
    request.mutable_ttl()->set_seconds(60);
    const auto front_ends =
        frontend::v1::LeaseService::NewStub(channel)->RenewLease(As(token).get(), request, &response);
    return {operators.error_code(), front_ends.error_code()};
  }

  Identity authority_;
  std::string folder_;
  ServerParts tls_{AdmissionOptions()};
};

constexpr auto kOk = grpc::StatusCode::OK;
constexpr auto kDenied = grpc::StatusCode::PERMISSION_DENIED;
constexpr auto kUnknownCaller = grpc::StatusCode::UNAUTHENTICATED;
// No connection comes about.
constexpr auto kNoConnection = grpc::StatusCode::UNAVAILABLE;

TEST_F(TlsTest, ACertificateHasTheRoleOfItsName) {
  StartServer(true);
  const Identity boss = MakeIdentity("operator", "", &authority_);
  const Identity front = MakeIdentity("smtp", "", &authority_);
  const Identity front_by_dns = MakeIdentity("smtpd-7", "smtp", &authority_);
  const Identity nobody = MakeIdentity("somebody", "some.host", &authority_);
  EXPECT_EQ(Calls(&boss, ""), std::pair(kOk, kDenied));
  EXPECT_EQ(Calls(&front, ""), std::pair(kDenied, kOk));
  EXPECT_EQ(Calls(&front_by_dns, ""), std::pair(kDenied, kOk));
  EXPECT_EQ(Calls(&nobody, ""), std::pair(kUnknownCaller, kUnknownCaller));
  EXPECT_EQ(Calls(&nobody, kOperatorToken), std::pair(kOk, kDenied));
}

TEST_F(TlsTest, OnlyCertificatesOfTheAuthorityCount) {
  StartServer(true);
  const Identity other_authority = MakeIdentity("another authority", "", nullptr);
  const Identity impostor = MakeIdentity("operator", "", &other_authority);
  EXPECT_EQ(Calls(&impostor, "").first, kNoConnection);
  EXPECT_EQ(Calls(&impostor, kOperatorToken).first, kNoConnection);
  // Who shows none needs a token.
  EXPECT_EQ(Calls(nullptr, kOperatorToken), std::pair(kOk, kDenied));
  EXPECT_EQ(Calls(nullptr, ""), std::pair(kUnknownCaller, kUnknownCaller));
}

TEST_F(TlsTest, WithoutAnAuthorityTokensCount) {
  StartServer(false);
  const Identity self_made = MakeIdentity("operator", "", nullptr);
  EXPECT_EQ(Calls(&self_made, ""), std::pair(kUnknownCaller, kUnknownCaller));
  EXPECT_EQ(Calls(nullptr, kSmtpToken), std::pair(kDenied, kOk));
}

TEST_F(TlsTest, ChangedFilesAreTakenUp) {
  StartServer(false);
  ASSERT_EQ(Calls(nullptr, kSmtpToken).second, kOk);
  // From now on clients trust another authority only.
  authority_ = MakeIdentity("next authority", "", nullptr);
  EXPECT_EQ(Calls(nullptr, kSmtpToken).second, kNoConnection);
  const Identity server = MakeIdentity("store", "localhost", &authority_);
  std::ofstream(folder_ + "/tls.crt") << CertificatePem(server);
  std::ofstream(folder_ + "/tls.key") << KeyPem(server);
  EXPECT_TRUE(AwaitCondition([&] { return Calls(nullptr, kSmtpToken).second == kOk; }));
}

}  // namespace
}  // namespace mailstead::stored
