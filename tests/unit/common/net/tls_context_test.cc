#include "common/net/tls_context.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>
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

std::string PemOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
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
  return {PemOf(leaf.get()), leaf_pair.key.substr(leaf_pair.key.find("-----BEGIN"))};
}

// What an operator makes who signs for himself: as ours, without our marks.
PemPair WithoutMark(absl::Time now) {
  PemPair pair = Pair("own.example.test", now);
  const X509Ptr certificate = FirstCertificate(pair.certificate);
  const absl::StatusOr<EvpKeyPtr> key = PrivateKey({.path = "", .bytes = pair.key});
  EXPECT_TRUE(key.ok()) << key.status();
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_ENTRY_free(
      X509_NAME_delete_entry(name, X509_NAME_get_index_by_NID(name, NID_organizationName, -1)));
  X509_set_issuer_name(certificate.get(), name);
  if (key.ok()) X509_sign(certificate.get(), key->get(), EVP_sha256());
  return {PemOf(certificate.get()), pair.key.substr(pair.key.find("-----BEGIN"))};
}

// The certificate that connections would get, as PEM.
std::string Served(const TlsContext& context) {
  return PemOf(SSL_CTX_get0_certificate(context.current().get()));
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

// As clients check it (RFC 9525): by the alternative names, or by the common name where there are none.
TEST(PemFileTest, TheNamesOfACertificate) {
  const PemPair pair = Pair("*.example.test");
  EXPECT_TRUE(NamesHost(pair.certificate, "mx.example.test"));
  EXPECT_FALSE(NamesHost(pair.certificate, "a.mx.example.test"));
  EXPECT_FALSE(NamesHost(pair.certificate, "example.test"));
  EXPECT_TRUE(NamesHost(pair.certificate, "127.0.0.1"));
  EXPECT_FALSE(NamesHost(pair.certificate, "127.0.0.2"));
  EXPECT_THAT(NamesOf(pair.certificate),
              ::testing::ElementsAre("*.example.test", "localhost", "127.0.0.1", "::1"));

  const X509Ptr certificate = FirstCertificate(Pair("mx.example.test").certificate);
  X509_EXTENSION_free(
      X509_delete_ext(certificate.get(), X509_get_ext_by_NID(certificate.get(), NID_subject_alt_name, -1)));
  const absl::StatusOr<EvpKeyPtr> key = PrivateKey({.path = "", .bytes = pair.key});
  ASSERT_TRUE(key.ok()) << key.status();
  X509_sign(certificate.get(), key->get(), EVP_sha256());
  const std::string old_style = PemOf(certificate.get());
  EXPECT_TRUE(NamesHost(old_style, "mx.example.test"));
  EXPECT_THAT(NamesOf(old_style), ::testing::ElementsAre("mx.example.test"));

  EXPECT_FALSE(NamesHost("no PEM at all", "mx.example.test"));
  EXPECT_THAT(NamesOf("no PEM at all"), ::testing::IsEmpty());
}

TEST(PemFileTest, TheEndOfACertificate) {
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(ExpiryOf(Pair("mx.example.test", now).certificate), now + kSelfSignedLifetime);
  EXPECT_EQ(ExpiryOf("no PEM at all"), absl::InfinitePast());
}

class SelfSignedDirTest : public ::testing::Test {
 protected:
  std::string Cert() { return FileText(dir.Path("tls.crt")); }
  std::string Key() { return FileText(dir.Path("tls.key")); }
  absl::Status Keep(absl::Time now = absl::Now(), Serving serving = Serving::kNothing) {
    return KeepSelfSigned({.dir = dir.path(), .name = name, .serving = serving}, now);
  }
  void Remove(absl::string_view file) { ASSERT_EQ(::unlink(dir.Path(file).c_str()), 0); }
  bool Fits() { return CheckPair({.path = "c", .bytes = Cert()}, {.path = "k", .bytes = Key()}).ok(); }

  std::string name = "mx.example.test";

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
  EXPECT_NE(::access(dir.Path(".mailstead-tls.crt").c_str(), F_OK), 0);
  EXPECT_NE(::access(dir.Path(".mailstead-tls.key").c_str(), F_OK), 0);
}

TEST_F(SelfSignedDirTest, MakesTheFolder) {
  const std::string sub = dir.Path("tls");
  ASSERT_TRUE(KeepSelfSigned({.dir = sub, .name = name}, absl::Now()).ok());
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
  const std::string key = Key();
  ASSERT_TRUE(Keep(made + kSelfSignedLifetime - kSelfSignedRenewBefore - kDay, Serving::kOurs).ok());
  EXPECT_EQ(Cert(), first);
  ASSERT_TRUE(Keep(made + kSelfSignedLifetime - kSelfSignedRenewBefore + kDay, Serving::kOurs).ok());
  EXPECT_NE(Cert(), first);
  // TLSA records name the key.
  EXPECT_EQ(Key(), key);
  EXPECT_TRUE(Fits());
}

TEST_F(SelfSignedDirTest, HalfAPairOfOursIsMadeAgain) {
  ASSERT_TRUE(Keep().ok());
  const std::string first = Cert();
  Remove("tls.key");
  ASSERT_TRUE(Keep(absl::Now(), Serving::kOurs).ok());
  EXPECT_NE(Cert(), first);
  EXPECT_TRUE(Fits());

  // A crash before the second rename: the key is there, and no certificate or another's.
  const std::string key = Key();
  Remove("tls.crt");
  ASSERT_TRUE(Keep().ok());
  EXPECT_EQ(Key(), key);
  EXPECT_TRUE(Fits());
  dir.Write("tls.key", Pair().key);
  ASSERT_TRUE(Keep().ok());
  EXPECT_TRUE(Fits());
}

TEST_F(SelfSignedDirTest, ANewNameMakesANewCertificateAtTheStartOnly) {
  ASSERT_TRUE(Keep().ok());
  const std::string first = Cert();
  const std::string key = Key();
  name = "pop.example.test";
  ASSERT_TRUE(Keep(absl::Now(), Serving::kOurs).ok());
  EXPECT_EQ(Cert(), first) << "programs with two names would take turns";
  ASSERT_TRUE(Keep().ok());
  EXPECT_TRUE(NamesHost(Cert(), "pop.example.test"));
  EXPECT_TRUE(NamesHost(Cert(), "mx.example.test")) << "the other program would make it anew";
  EXPECT_TRUE(NamesHost(Cert(), "127.0.0.1"));
  EXPECT_EQ(Key(), key);
  EXPECT_TRUE(Fits());
  const std::string second = Cert();
  name = "mx.example.test";
  ASSERT_TRUE(Keep().ok());
  EXPECT_EQ(Cert(), second);
}

TEST_F(SelfSignedDirTest, WithoutANameItIsMadeOnce) {
  name = "";
  ASSERT_TRUE(Keep().ok());
  const std::string first = Cert();
  ASSERT_TRUE(Keep().ok());
  EXPECT_EQ(Cert(), first);
}

TEST_F(SelfSignedDirTest, NamesOfLongAgoAreForgotten) {
  for (int i = 0; i < 9; ++i) {
    name = absl::StrCat("mx", i, ".example.test");
    ASSERT_TRUE(Keep().ok());
  }
  EXPECT_THAT(NamesOf(Cert()), ::testing::ElementsAre(
                                   "mx8.example.test", "mx7.example.test", "mx6.example.test",
                                   "mx5.example.test", "mx4.example.test", "mx3.example.test",
                                   "mx2.example.test", "mx1.example.test", "localhost", "127.0.0.1", "::1"));
}

TEST_F(SelfSignedDirTest, WhatTheOperatorPutThereIsNeverReplaced) {
  // Expired long ago: that is for the operator to see and to mend. One is an authority's; the other signed itself, as ours
  // do.
  const absl::Time long_ago = absl::Now() - 2 * kSelfSignedLifetime;
  for (const PemPair& expired : {SignedByAnother(long_ago), WithoutMark(long_ago)}) {
    for (const Serving serving : {Serving::kNothing, Serving::kOurs, Serving::kOperators}) {
      dir.Write("tls.crt", expired.certificate);
      dir.Write("tls.key", expired.key);
      EXPECT_TRUE(Keep(absl::Now(), serving).ok());
      EXPECT_EQ(Cert(), expired.certificate);
      EXPECT_EQ(Key(), expired.key);

      // Of each half one that does not fit, whether ours or not, is damaged, or is not there.
      for (const std::string& wrong :
           {Pair().key, WithoutMark(absl::Now()).key, std::string(), expired.certificate}) {
        dir.Write("tls.key", wrong);
        const absl::Status status = Keep(absl::Now(), serving);
        EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
        EXPECT_THAT(std::string(status.message()), HasSubstr(dir.Path("tls.key")));
        EXPECT_EQ(Cert(), expired.certificate);
        EXPECT_EQ(Key(), wrong);
      }
      Remove("tls.key");
      absl::Status status = Keep(absl::Now(), serving);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()), HasSubstr(dir.Path("tls.key") + " is missing"));
      EXPECT_EQ(Cert(), expired.certificate);
      EXPECT_NE(::access(dir.Path("tls.key").c_str(), F_OK), 0);

      dir.Write("tls.key", expired.key);
      for (const std::string& wrong :
           {WithoutMark(absl::Now()).certificate, Pair().certificate, std::string()}) {
        dir.Write("tls.crt", wrong);
        EXPECT_EQ(Keep(absl::Now(), serving).code(), absl::StatusCode::kInvalidArgument);
        EXPECT_EQ(Cert(), wrong);
        EXPECT_EQ(Key(), expired.key);
      }
      Remove("tls.crt");
      status = Keep(absl::Now(), serving);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(std::string(status.message()), HasSubstr(dir.Path("tls.crt") + " is missing"));
      EXPECT_NE(::access(dir.Path("tls.crt").c_str(), F_OK), 0);
      EXPECT_EQ(Key(), expired.key);
    }
  }
}

TEST_F(SelfSignedDirTest, NothingIsPutInThePlaceOfAnOperatorsPairThatIsInUse) {
  const absl::Status status = Keep(absl::Now(), Serving::kOperators);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("stays in use"));
  EXPECT_NE(::access(dir.Path("tls.crt").c_str(), F_OK), 0);
  EXPECT_NE(::access(dir.Path("tls.key").c_str(), F_OK), 0);
}

TEST_F(SelfSignedDirTest, AnotherKeyBehindOurMarkIsNotOurs) {
  ASSERT_TRUE(Keep().ok());
  EXPECT_TRUE(IsOurKey(Key()));
  EXPECT_TRUE(IsOurCertificate(Cert()));
  const std::string mark = Key().substr(0, Key().find('\n') + 1);
  const std::string pasted = mark + WithoutMark(absl::Now()).key;
  EXPECT_FALSE(IsOurKey(pasted));
  dir.Write("tls.key", pasted);
  EXPECT_EQ(Keep().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Key(), pasted);
  EXPECT_FALSE(IsOurKey(mark));
  EXPECT_FALSE(IsOurKey(mark.substr(0, mark.size() - 1)));
}

// The old pair is better than none, but while the process runs it is told each time.
TEST_F(SelfSignedDirTest, WhatCannotBeRenewedIsUsed) {
  // As in a folder that is read-only, which is none to root.
  ASSERT_EQ(::mkdir(dir.Path("tls.lock").c_str(), 0700), 0);
  const PemPair old = Pair("old.example.test");
  dir.Write("tls.crt", old.certificate);
  dir.Write("tls.key", old.key);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(Keep().ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("event=certificate_not_renewed"));
  EXPECT_EQ(Cert(), old.certificate);
  EXPECT_EQ(Keep(absl::Now() + kSelfSignedLifetime, Serving::kOurs).code(),
            absl::StatusCode::kInvalidArgument);
  ::rmdir(dir.Path("tls.lock").c_str());
}

TEST_F(SelfSignedDirTest, AFolderThatCannotBeIsNamed) {
  const std::string file = dir.Write("file", "");
  const absl::Status status = KeepSelfSigned({.dir = file + "/tls", .name = "x"}, absl::Now());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(file));
}

TEST_F(SelfSignedDirTest, ProgramsThatStartAtOnceEndWithTheSamePair) {
  std::vector<std::thread> programs;
  std::vector<std::unique_ptr<TlsContext>> contexts(8);
  // Two replicas each of programs with names of their own.
  for (size_t i = 0; i < contexts.size(); ++i) {
    programs.emplace_back([&, i] {
      TlsOptions options;
      options.self_signed_dir = dir.path();
      options.self_signed_name = absl::StrCat("name", i / 2, ".example.test");
      absl::StatusOr<std::unique_ptr<TlsContext>> context = TlsContext::Create(options);
      ASSERT_TRUE(context.ok()) << context.status();
      contexts[i] = *std::move(context);
    });
  }
  for (std::thread& program : programs) program.join();
  const std::string last = Cert();
  for (const std::unique_ptr<TlsContext>& context : contexts) {
    ASSERT_NE(context, nullptr);
    EXPECT_TRUE(context->ReloadIfChanged().ok());
    EXPECT_EQ(Served(*context), last);
  }
  EXPECT_EQ(Cert(), last);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(NamesHost(last, absl::StrCat("name", i, ".example.test")));
}

TEST_F(SelfSignedDirTest, ReplicasThatStartAtOnceServeTheSamePairAtOnce) {
  std::vector<std::thread> programs;
  std::vector<std::string> served(8);
  for (std::string& one : served) {
    programs.emplace_back([&] {
      absl::StatusOr<std::unique_ptr<TlsContext>> context =
          TlsContext::Create({.self_signed_name = "mx.example.test", .self_signed_dir = dir.path()});
      ASSERT_TRUE(context.ok()) << context.status();
      one = Served(**context);
    });
  }
  for (std::thread& program : programs) program.join();
  EXPECT_FALSE(served[0].empty());
  for (const std::string& one : served) EXPECT_EQ(one, served[0]);
}

TEST_F(SelfSignedDirTest, AnOperatorsPairMayBeReplacedInAnyOrder) {
  const auto put = [&](absl::string_view file, const std::string& text) {
    dir.Write("new", text);
    ASSERT_EQ(::rename(dir.Path("new").c_str(), dir.Path(file).c_str()), 0);
  };
  const PemPair old = SignedByAnother(absl::Now());
  const PemPair next = SignedByAnother(absl::Now());
  put("tls.crt", old.certificate);
  put("tls.key", old.key);
  absl::StatusOr<std::unique_ptr<TlsContext>> context =
      TlsContext::Create({.self_signed_name = "mx.example.test", .self_signed_dir = dir.path()});
  ASSERT_TRUE(context.ok()) << context.status();
  // Each step is looked at.
  const std::vector<std::function<void()>> steps = {[&] { Remove("tls.crt"); }, [&] { Remove("tls.key"); },
                                                    [&] { put("tls.key", next.key); }};
  for (const auto& step : steps) {
    step();
    EXPECT_EQ((*context)->ReloadIfChanged().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Served(**context), old.certificate);
  }
  put("tls.crt", next.certificate);
  EXPECT_TRUE((*context)->ReloadIfChanged().ok());
  EXPECT_EQ(Served(**context), next.certificate);
  EXPECT_EQ(Key(), next.key);
}

TEST_F(TlsContextTest, WarnsOfACertificateThatClientsWillRefuse) {
  options.self_signed_name = "mx.example.test";
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(CreateFrom(SignedByAnother(absl::Now() - 2 * kSelfSignedLifetime)).ok());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("event=certificate_expired"));
  EXPECT_THAT(log, HasSubstr("event=certificate_without_hostname"));
  EXPECT_THAT(log, HasSubstr("leaf.example.test,localhost,127.0.0.1,::1"));

  options.self_signed_name = "leaf.example.test";
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(CreateFrom(SignedByAnother(absl::Now())).ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), ::testing::Not(HasSubstr("event=certificate_")));
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
