// TLS from the first byte (RFC 8314), and where a password may go.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/unit/smtpd/outbound/dialog.h"

namespace mailstead::smtp::outbound {
namespace {

using Level = TlsPolicy::Level;

ClientConfig Implicit(Level level) {
  ClientConfig config = TestConfig(level);
  config.tls.implicit = true;
  return config;
}

TEST(ClientTlsTest, TlsFromTheFirstByte) {
  const struct {
    std::string script;
    std::string connection;
  } kTable[] = {
      {"! tls\nS: 220 mx\nC: EHLO mail.example.test\nS: 250 mx", "usable"},
      // There is TLS already: what is offered is not asked for.
      {"! tls\nS: 220 mx\nC: EHLO mail.example.test\nS: 250-mx\nS: 250 STARTTLS", "usable"},
      {"! no tls", "tls broken 0 4.7.5 handshake"},
      // Behind the handshake a host says no as any other does.
      {"! tls\nS: 554 5.3.2 no\nC: QUIT", "refused 554 5.3.2 greeting"},
      {"! tls\nS: 421 4.3.2 busy", "closing 421 4.3.2 greeting"},
      {"! tls\nS: 220 mx\nC: EHLO mail.example.test\nS: 550 5.7.1 no\nC: QUIT", "refused 550 5.7.1 ehlo"},
      {"! tls\n! closed", "broken 0 4.4.2 greeting"},
      {"! tls\n! silent", "broken 0 4.4.2 greeting"},
      // SECURITY: a greeting in the clear is nobody's.
      {"S: 220 mx", "broken 0 4.5.0 handshake"},
      {"! shutdown", "broken 0 4.3.2 handshake"},
  };
  for (const Level level : {Level::kRequire, Level::kVerify}) {
    for (const Arrival arrival : kArrivals) {
      for (const auto& row : kTable) {
        SCOPED_TRACE(row.script);
        Dialog dialog(Implicit(level), arrival);
        dialog.Run(level == Level::kVerify ? absl::StrReplaceAll(row.script, {{"! tls", "! verified"}})
                                           : row.script);
        EXPECT_EQ(dialog.Connection(), row.connection);
      }
    }
  }
}

TEST(ClientTlsTest, TheHandshakeHasItsTime) {
  ClientConfig config = Implicit(Level::kRequire);
  config.timeouts.handshake = absl::Seconds(7);
  Dialog dialog(config);
  EXPECT_EQ(std::get<ShakeHandsAction>(dialog.action()).timeout, absl::Seconds(7));
  config.timeouts.cap = absl::Seconds(3);
  EXPECT_EQ(std::get<ShakeHandsAction>(Dialog(config).action()).timeout, absl::Seconds(3));
}

// SECURITY: a password, or an exchange to guess it by, goes to a host that has shown who it is, or to one on loopback, whatever
// the policy, and whatever the host offers.
TEST(ClientTlsTest, WhereAPasswordMayGo) {
  enum class Tls { kClear, kUnverified, kVerified };
  const struct {
    Level level;
    bool implicit;
    Tls tls;
    bool elsewhere;
    bool on_loopback;
  } kTable[] = {
      {Level::kNone, false, Tls::kClear, false, true},
      {Level::kMay, false, Tls::kClear, false, true},
      {Level::kMay, false, Tls::kUnverified, false, true},
      {Level::kRequire, false, Tls::kUnverified, false, true},
      {Level::kVerify, false, Tls::kVerified, true, true},
      {Level::kRequire, true, Tls::kUnverified, false, true},
      {Level::kVerify, true, Tls::kVerified, true, true},
  };
  for (const auto& row : kTable) {
    for (const bool loopback : {false, true}) {
      SCOPED_TRACE(absl::StrCat(static_cast<int>(row.level), row.implicit ? " implicit" : "", " tls ",
                                static_cast<int>(row.tls), loopback ? " loopback" : ""));
      ClientConfig config = TestConfig(row.level);
      config.tls.implicit = row.implicit;
      config.auth_mechanisms = {"PLAIN"};
      config.allow_auth_without_verified_tls = loopback;
      Dialog dialog(config);
      dialog.responses = {"secret"};
      const std::string handshake = row.tls == Tls::kVerified ? "! verified\n" : "! tls\n";
      const std::string hello = "C: EHLO mail.example.test\nS: 250-mx\n";
      if (row.implicit) {
        dialog.Run(handshake + "S: 220 mx\n" + hello);
      } else {
        dialog.Run("S: 220 mx\n" + hello);
        if (row.tls != Tls::kClear) {
          dialog.Run("S: 250-AUTH PLAIN\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n" + handshake + hello);
        }
      }
      dialog.Say("250 AUTH PLAIN\r\n");
      const bool sent = absl::StrContains(dialog.TakeWritten(), "AUTH PLAIN");
      EXPECT_EQ(sent, loopback ? row.on_loopback : row.elsewhere);
      EXPECT_EQ(dialog.Connection(), sent ? "usable" : "refused 0 4.7.0 auth");
    }
  }
}

}  // namespace
}  // namespace mailstead::smtp::outbound
