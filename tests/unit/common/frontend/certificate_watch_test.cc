#include "common/frontend/certificate_watch.h"

#include <openssl/ssl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "common/net/listener.h"
#include "common/net/pem_file.h"
#include "common/net/self_signed.h"
#include "common/net/tls_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailstead::frontend {
namespace {

constexpr absl::Duration kPeriod = absl::Milliseconds(2);

class CertificateWatchTest : public ::testing::Test {
 protected:
  CertificateWatchTest() {
    std::filesystem::create_directory(folder);
    Write(*net::MakeSelfSigned("a.example.test", absl::Now()));
  }
  ~CertificateWatchTest() override { std::filesystem::remove_all(folder); }

  void Write(const net::PemPair& pair) {
    // As tools do it: a new file takes the old one's name.
    for (const auto& [path, text] : {std::pair(key, pair.key), std::pair(cert, pair.certificate)}) {
      std::ofstream(path + ".new") << text;
      std::filesystem::rename(path + ".new", path);
    }
  }
  // Whether connections get the certificate that `pem` holds.
  static bool Serves(const net::TlsContext& tls, const std::string& pem) {
    const net::X509Ptr wanted = net::FirstCertificate(pem);
    return X509_cmp(SSL_CTX_get0_certificate(tls.current().get()), wanted.get()) == 0;
  }

  const std::string folder = absl::StrCat(::testing::TempDir(), "certificate_watch.", ::getpid());
  const std::string cert = folder + "/tls.crt";
  const std::string key = folder + "/tls.key";
};

TEST_F(CertificateWatchTest, ServesTheNewOneSoon) {
  const std::unique_ptr<net::TlsContext> tls = *net::TlsContext::Create({.cert_file = cert, .key_file = key});
  net::IoThreads threads(1);
  asio::co_spawn(threads.first(), WatchCertificate(*tls, kPeriod), asio::detached);
  const net::PemPair next = *net::MakeSelfSigned("b.example.test", absl::Now());
  EXPECT_FALSE(Serves(*tls, next.certificate));
  Write(next);
  const absl::Time end = absl::Now() + absl::Seconds(10);
  while (!Serves(*tls, next.certificate) && absl::Now() < end) absl::SleepFor(kPeriod);
  EXPECT_TRUE(Serves(*tls, next.certificate));
}

TEST_F(CertificateWatchTest, KeepsTheOldOneAndSaysWhy) {
  const std::unique_ptr<net::TlsContext> tls = *net::TlsContext::Create({.cert_file = cert, .key_file = key});
  const net::PemPair good = *net::MakeSelfSigned("c.example.test", absl::Now());
  net::PemPair bad = good;
  bad.certificate = "nonsense\n";
  ::testing::internal::CaptureStderr();
  {
    net::IoThreads threads(1);
    asio::co_spawn(threads.first(), WatchCertificate(*tls, kPeriod), asio::detached);
    Write(bad);
    absl::SleepFor(20 * kPeriod);
    EXPECT_NE(SSL_CTX_get0_certificate(tls->current().get()), nullptr);
    // It goes on looking.
    Write(good);
    const absl::Time end = absl::Now() + absl::Seconds(10);
    while (!Serves(*tls, good.certificate) && absl::Now() < end) absl::SleepFor(kPeriod);
    EXPECT_TRUE(Serves(*tls, good.certificate));
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr("event=certificate_not_reloaded"));
}

}  // namespace
}  // namespace mailstead::frontend
