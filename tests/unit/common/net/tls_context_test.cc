#include "common/net/tls_context.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "common/base/random.h"
#include "common/net/pem_file.h"
#include "common/net/self_signed.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/common/net/tls_client.h"

namespace mailstead::net {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kDay = absl::Hours(24);

PemPair Pair(absl::string_view name = "a.example.test", absl::Time now = absl::Now()) {
  absl::StatusOr<PemPair> pair = MakeSelfSigned(name, now);
  EXPECT_TRUE(pair.ok()) << pair.status();
  return *pair;
}

// The certificate of `pair` with another's name as its issuer: what an authority would give out.
PemPair SignedByAnother(absl::Time now) {
  const PemPair leaf_pair = Pair("leaf.example.test", now);
  const PemPair issuer_pair = Pair("authority.example.test", now);
  const X509Ptr leaf = FirstCertificate(leaf_pair.certificate);
  const X509Ptr issuer = FirstCertificate(issuer_pair.certificate);
  const absl::StatusOr<EvpKeyPtr> issuer_key = PrivateKey({.path = "", .bytes = issuer_pair.key});
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get()));
  EXPECT_TRUE(issuer_key.ok()) << issuer_key.status();
  if (issuer_key.ok()) X509_sign(leaf.get(), issuer_key->get(), EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), leaf.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {std::string(data, static_cast<size_t>(size)), leaf_pair.key};
}

// The certificate that connections would get, as PEM.
std::string Served(const TlsContext& context) {
  X509* const certificate = SSL_CTX_get0_certificate(context.current().get());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

class TlsContextTest : public ::testing::Test {
 protected:
  // Writes a pair and makes a context of it.
  absl::StatusOr<std::unique_ptr<TlsContext>> CreateFrom(const PemPair& pair) {
    options.cert_file = dir.Write("cert.pem", pair.certificate);
    options.key_file = dir.Write("key.pem", pair.key);
    return TlsContext::Create(options);
  }
  absl::Status CreateError() { return TlsContext::Create(options).status(); }

  TempDir dir;
  TlsOptions options;
};

TEST_F(TlsContextTest, LoadsAPair) {
  const PemPair pair = Pair();
  auto context = CreateFrom(pair);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_EQ(Served(**context), pair.certificate);
}

TEST_F(TlsContextTest, LoadsTheChainBehindTheLeaf) {
  PemPair pair = Pair();
  pair.certificate += Pair("intermediate").certificate + Pair("root").certificate;
  auto context = CreateFrom(pair);
  ASSERT_TRUE(context.ok()) << context.status();
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs((*context)->current().get(), &chain);
  EXPECT_EQ(sk_X509_num(chain), 2);
}

TEST_F(TlsContextTest, ErrorsNameTheFile) {
  const PemPair pair = Pair();
  options.cert_file = dir.Path("missing.pem");
  options.key_file = dir.Write("key.pem", pair.key);
  EXPECT_EQ(CreateError().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(CreateError().message()), HasSubstr("missing.pem"));

  options.cert_file = dir.Write("cert.pem", "no PEM at all");
  EXPECT_EQ(CreateError().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(CreateError().message()), HasSubstr("cert.pem"));

  options.cert_file = dir.Write("cert.pem", pair.certificate);
  options.key_file = dir.Write("key.pem", pair.certificate);
  EXPECT_EQ(CreateError().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(CreateError().message()), HasSubstr("key.pem"));
}

TEST_F(TlsContextTest, ADamagedChainIsRefused) {
  PemPair pair = Pair();
  std::string damaged = Pair("intermediate").certificate;
  damaged[100] = '!';
  pair.certificate += damaged;
  EXPECT_EQ(CreateFrom(pair).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TlsContextTest, APairMustBelongTogether) {
  const absl::Status status = CreateFrom({Pair().certificate, Pair().key}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is not the key of"));
}

TEST_F(TlsContextTest, AnEncryptedKeyIsRefusedAndNobodyIsAsked) {
  const PemPair pair = Pair();
  const absl::StatusOr<EvpKeyPtr> key = PrivateKey({.path = "", .bytes = pair.key});
  ASSERT_TRUE(key.ok()) << key.status();
  const BioPtr bio(BIO_new(BIO_s_mem()));
  unsigned char password[] = "secret";
  PEM_write_bio_PrivateKey(bio.get(), key->get(), EVP_aes_128_cbc(), password, 6, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const absl::Status status =
      CreateFrom({pair.certificate, std::string(data, static_cast<size_t>(size))}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("key.pem"));
}

TEST_F(TlsContextTest, CertificateAndKeyComeTogether) {
  options.cert_file = dir.Write("cert.pem", Pair().certificate);
  EXPECT_EQ(CreateError().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TlsContextTest, ReloadsWhatWasReplaced) {
  auto context = CreateFrom(Pair());
  ASSERT_TRUE(context.ok());
  const std::shared_ptr<SSL_CTX> before = (*context)->current();
  EXPECT_TRUE((*context)->ReloadIfChanged().ok());
  EXPECT_EQ((*context)->current(), before) << "nothing had changed";

  const PemPair renewed = Pair("b.example.test");
  dir.Write("key.pem.new", renewed.key);
  dir.Write("cert.pem.new", renewed.certificate);
  ASSERT_EQ(::rename(dir.Path("key.pem.new").c_str(), options.key_file.c_str()), 0);
  // Between the two renames the files do not belong together: the old pair serves on.
  EXPECT_EQ((*context)->ReloadIfChanged().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*context)->current(), before);
  ASSERT_EQ(::rename(dir.Path("cert.pem.new").c_str(), options.cert_file.c_str()), 0);
  EXPECT_TRUE((*context)->ReloadIfChanged().ok());
  EXPECT_EQ(Served(**context), renewed.certificate);
}

TEST_F(TlsContextTest, MissingFilesKeepTheOldPairAndComeBack) {
  const PemPair pair = Pair();
  auto context = CreateFrom(pair);
  ASSERT_TRUE(context.ok());
  ASSERT_EQ(::unlink(options.cert_file.c_str()), 0);
  EXPECT_EQ((*context)->ReloadIfChanged().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ((*context)->ReloadIfChanged().code(), absl::StatusCode::kInvalidArgument)
      << "said as long as it is so";
  EXPECT_EQ(Served(**context), pair.certificate);
  dir.Write("cert.pem", pair.certificate);
  EXPECT_TRUE((*context)->ReloadIfChanged().ok());
}

TEST_F(TlsContextTest, ReloadsANewTicketKey) {
  options.ticket_key_file = dir.Write("ticket.key", RandomBytes(48));
  auto context = CreateFrom(Pair());
  ASSERT_TRUE(context.ok()) << context.status();
  const std::shared_ptr<SSL_CTX> before = (*context)->current();
  dir.Write("ticket.key", RandomBytes(64));
  EXPECT_TRUE((*context)->ReloadIfChanged().ok());
  EXPECT_NE((*context)->current(), before);
}

TEST_F(TlsContextTest, TicketSecretHasALeastLength) {
  options.ticket_key_file = dir.Write("ticket.key", RandomBytes(47));
  const absl::Status status = CreateFrom(Pair()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ticket.key"));
  dir.Write("ticket.key", RandomBytes(48));
  EXPECT_TRUE(CreateFrom(Pair()).ok());
}

TEST_F(TlsContextTest, AllProtocolsBeforeTls12AreOff) {
  auto context = TlsContext::Create(options);
  ASSERT_TRUE(context.ok()) << context.status();
  SSL_CTX* const raw = (*context)->current().get();
  EXPECT_EQ(SSL_CTX_get_min_proto_version(raw), TLS1_2_VERSION);
  EXPECT_EQ(SSL_CTX_get_session_cache_mode(raw), SSL_SESS_CACHE_OFF);
  EXPECT_EQ(SSL_CTX_get_options(raw) & SSL_OP_CIPHER_SERVER_PREFERENCE, 0u);
  EXPECT_NE(SSL_CTX_get_options(raw) & SSL_OP_NO_RENEGOTIATION, 0u);
}

class SelfSignedDirTest : public ::testing::Test {
 protected:
  std::string Cert() { return FileText(dir.Path("tls.crt")); }
  std::string Key() { return FileText(dir.Path("tls.key")); }
  absl::Status Keep(absl::Time now = absl::Now()) {
    return KeepSelfSigned(dir.path(), "mx.example.test", now);
  }

  TempDir dir;
};

TEST_F(SelfSignedDirTest, MakesAPairForItsOwnerOnlyAndUsesItAgain) {
  const mode_t before = ::umask(077);
  const absl::Cleanup restore = [before] { ::umask(before); };
  ASSERT_TRUE(Keep().ok());
  struct stat status;
  ASSERT_EQ(::stat(dir.Path("tls.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  // Clients may be given the certificate, whatever the umask is.
  ASSERT_EQ(::stat(dir.Path("tls.crt").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
  const std::string cert = Cert();
  ASSERT_TRUE(Keep().ok());
  EXPECT_EQ(Cert(), cert);
  EXPECT_NE(::access(dir.Path("tls.crt.new").c_str(), F_OK), 0);
}

TEST_F(SelfSignedDirTest, MakesTheFolder) {
  const std::string sub = dir.Path("tls");
  ASSERT_TRUE(KeepSelfSigned(sub, "mx.example.test", absl::Now()).ok());
  struct stat status;
  ASSERT_EQ(::stat(sub.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  for (const char* name : {"tls.crt", "tls.key", "tls.lock"}) ::unlink(absl::StrCat(sub, "/", name).c_str());
  ::rmdir(sub.c_str());
}

TEST_F(SelfSignedDirTest, IsRenewedBeforeItExpires) {
  const absl::Time made = absl::Now();
  ASSERT_TRUE(Keep(made).ok());
  const std::string first = Cert();
  ASSERT_TRUE(Keep(made + kSelfSignedLifetime - kSelfSignedRenewBefore - kDay).ok());
  EXPECT_EQ(Cert(), first);
  ASSERT_TRUE(Keep(made + kSelfSignedLifetime - kSelfSignedRenewBefore + kDay).ok());
  EXPECT_NE(Cert(), first);
}

TEST_F(SelfSignedDirTest, HalfAPairOfOursIsMadeAgain) {
  ASSERT_TRUE(Keep().ok());
  const std::string first = Cert();
  ASSERT_EQ(::unlink(dir.Path("tls.key").c_str()), 0);
  ASSERT_TRUE(Keep().ok());
  EXPECT_NE(Cert(), first);

  // A crash between the renames: the new key is there, the old certificate still is.
  const std::string second = Cert();
  dir.Write("tls.key", Pair().key);
  ASSERT_TRUE(Keep().ok());
  EXPECT_NE(Cert(), second);
  EXPECT_TRUE(CheckPair({.path = "c", .bytes = Cert()}, {.path = "k", .bytes = Key()}).ok());
}

TEST_F(SelfSignedDirTest, WhatTheOperatorPutThereIsNeverReplaced) {
  // Expired long ago, but an authority's: that is for the operator to see and to mend.
  const PemPair expired = SignedByAnother(absl::Now() - 2 * kSelfSignedLifetime);
  dir.Write("tls.crt", expired.certificate);
  dir.Write("tls.key", expired.key);
  EXPECT_TRUE(Keep().ok());
  EXPECT_EQ(Cert(), expired.certificate);

  const std::string wrong_key = Pair().key;
  dir.Write("tls.key", wrong_key);
  EXPECT_EQ(Keep().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Cert(), expired.certificate);
  EXPECT_EQ(Key(), wrong_key);
}

TEST_F(SelfSignedDirTest, AFolderThatCannotBeIsNamed) {
  const std::string file = dir.Write("file", "");
  const absl::Status status = KeepSelfSigned(file + "/tls", "x", absl::Now());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(file));
}

TEST_F(SelfSignedDirTest, ProgramsThatStartAtOnceEndWithTheSamePair) {
  std::vector<std::thread> programs;
  std::vector<std::string> served(8);
  for (size_t i = 0; i < served.size(); ++i) {
    programs.emplace_back([&, i] {
      TlsOptions options;
      options.self_signed_dir = dir.path();
      options.self_signed_name = absl::StrCat("name", i, ".example.test");
      absl::StatusOr<std::unique_ptr<TlsContext>> context = TlsContext::Create(options);
      ASSERT_TRUE(context.ok()) << context.status();
      served[i] = Served(**context);
    });
  }
  for (std::thread& program : programs) program.join();
  EXPECT_FALSE(served[0].empty());
  for (const std::string& one : served) EXPECT_EQ(one, served[0]);
}

TEST(SelfSignedTest, HasWhatClientsLookFor) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const PemPair pair = Pair("mx.example.test", now);
  const X509Ptr certificate = FirstCertificate(pair.certificate);
  ASSERT_NE(certificate, nullptr);
  EXPECT_EQ(X509_check_host(certificate.get(), "mx.example.test", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "other.example.test", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ca(certificate.get()), 0);
  const std::time_t end = absl::ToTimeT(now + kSelfSignedLifetime);
  EXPECT_EQ(ASN1_TIME_cmp_time_t(X509_get0_notAfter(certificate.get()), end), 0);
  EXPECT_LT(ASN1_TIME_cmp_time_t(X509_get0_notBefore(certificate.get()), absl::ToTimeT(now)), 0);
}

// Programs on the same host that check names, and trust this certificate, say one of these.
TEST(SelfSignedTest, NamesTheHostAsItsOwnProgramsDo) {
  for (const char* const host : {"mx.example.test", "localhost", "::1"}) {
    const X509Ptr certificate = FirstCertificate(Pair(host).certificate);
    EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), "::1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.2", 0), 0);
  }
}

TEST(SelfSignedTest, TakesAnAddressForAName) {
  const X509Ptr v4 = FirstCertificate(Pair("192.0.2.1").certificate);
  EXPECT_EQ(X509_check_ip_asc(v4.get(), "192.0.2.1", 0), 1);
  const X509Ptr v6 = FirstCertificate(Pair("2001:db8::1").certificate);
  EXPECT_EQ(X509_check_ip_asc(v6.get(), "2001:db8::1", 0), 1);
}

TEST(SelfSignedTest, TakesNamesThatAreLongOrStrange) {
  const std::string long_name = std::string(60, 'a') + "." + std::string(60, 'b') + ".example.test";
  const X509Ptr long_one = FirstCertificate(Pair(long_name).certificate);
  EXPECT_EQ(X509_check_host(long_one.get(), long_name.c_str(), 0, 0, nullptr), 1);
  // A comma does not smuggle a second name in.
  const X509Ptr strange = FirstCertificate(Pair("a.test,DNS:b.test").certificate);
  EXPECT_NE(X509_check_host(strange.get(), "b.test", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(FirstCertificate(Pair("").certificate).get(), "localhost", 0, 0, nullptr), 1);
}

TEST(SelfSignedTest, SerialNumbersAndKeysAreNeverTheSame) {
  const PemPair a = Pair();
  const PemPair b = Pair();
  EXPECT_NE(a.key, b.key);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get_serialNumber(FirstCertificate(a.certificate).get()),
                             X509_get_serialNumber(FirstCertificate(b.certificate).get())),
            0);
}

}  // namespace
}  // namespace mailstead::net
