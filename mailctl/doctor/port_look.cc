#include "mailctl/doctor/port_look.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/text/utf8.h"
#include "mailctl/socket.h"

namespace mailstead::ctl {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr absl::Duration kPatienceInAll = absl::Seconds(20);
// Of a reply: its lines, and the octets of one.
constexpr int kMaxReplyLines = 100;
constexpr size_t kMaxLineBytes = 2000;
constexpr size_t kMaxShownBytes = 200;
constexpr size_t kMaxShownNames = 5;

using Ssl = std::unique_ptr<SSL, decltype(&SSL_free)>;
using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// Lines with whoever listens, in the clear or under TLS.
class Dialog {
 public:
  explicit Dialog(const Socket& socket) : socket_(socket) {}

  void UseTls(SSL* ssl) { ssl_ = ssl; }
  bool Send(absl::string_view line) {
    const std::string bytes = absl::StrCat(line, "\r\n");
    if (ssl_ != nullptr) return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
    return send(socket_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // Without its end; nullopt: the connection ended, or nothing came in time.
  std::optional<std::string> ReadLine() {
    std::string line;
    while (line.size() < kMaxLineBytes && absl::Now() < until_) {
      char c;
      const auto got = ssl_ != nullptr ? SSL_read(ssl_, &c, 1) : recv(socket_.fd(), &c, 1, 0);
      if (got != 1) return std::nullopt;
      if (c != '\n') {
        line.push_back(c);
        continue;
      }
      if (absl::EndsWith(line, "\r")) line.pop_back();
      return line;
    }
    return std::nullopt;
  }
  // The lines of a reply (RFC 5321 section 4.2.1) that begins with `code`; empty: there was none, or another.
  std::vector<std::string> ReadReply(absl::string_view code) {
    std::vector<std::string> lines;
    for (int i = 0; i < kMaxReplyLines; ++i) {
      std::optional<std::string> line = ReadLine();
      if (!line.has_value() || !absl::StartsWith(*line, code)) return {};
      lines.push_back(line->substr(std::min<size_t>(line->size(), 4)));
      if (line->size() < 4 || (*line)[3] != '-') return lines;
    }
    return {};
  }

 private:
  const Socket& socket_;
  SSL* ssl_ = nullptr;
  const absl::Time until_ = absl::Now() + kPatienceInAll;
};

// The first line of the greeting; nullopt: there is none.
std::optional<std::string> ReadGreeting(const MailPort& port, Dialog& dialog) {
  if (port.protocol == MailPort::Protocol::kPop3) {
    std::optional<std::string> line = dialog.ReadLine();
    if (!line.has_value() || !absl::StartsWith(*line, "+OK")) return std::nullopt;
    return std::string(absl::StripPrefix(absl::string_view(*line).substr(3), " "));
  }
  const std::vector<std::string> lines = dialog.ReadReply("220");
  if (lines.empty()) return std::nullopt;
  return lines.front();
}

// Empty: TLS begins. Else why it does not.
std::string AskForTls(const MailPort& port, Dialog& dialog) {
  if (port.protocol == MailPort::Protocol::kPop3) {
    dialog.Send("STLS");
    const std::optional<std::string> line = dialog.ReadLine();
    return line.has_value() && absl::StartsWith(*line, "+OK") ? "" : "it does not offer STLS";
  }
  // RFC 5321 section 4.1.3: a client without a name of its own.
  dialog.Send("EHLO [127.0.0.1]");
  bool offered = false;
  for (const std::string& line : dialog.ReadReply("250"))
    offered = offered || absl::EqualsIgnoreCase(line, "STARTTLS");
  if (!offered) return "it does not offer STARTTLS";
  dialog.Send("STARTTLS");
  return dialog.ReadReply("220").empty() ? "it refuses STARTTLS" : "";
}

absl::Time EndOf(X509& certificate) {
  tm time = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &time) != 1) return absl::InfinitePast();
  return absl::FromTM(time, absl::UTCTimeZone());
}

std::string NamesOf(X509& certificate) {
  std::vector<std::string> names;
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> found(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  const int count = found == nullptr ? 0 : sk_GENERAL_NAME_num(found.get());
  for (int i = 0; i < count && names.size() < kMaxShownNames; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(found.get(), i);
    if (name->type != GEN_DNS) continue;
    const ASN1_IA5STRING* const text = name->d.dNSName;
    names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                       static_cast<size_t>(ASN1_STRING_length(text)));
  }
  if (names.empty()) return "no name";
  return PrintableUtf8(absl::StrJoin(names, ", "), kMaxShownBytes);
}

CertificateView ViewOf(X509& certificate, const std::string& host,
                       long verify_result) {  // NOLINT(runtime/int)
  CertificateView view;
  view.end = EndOf(certificate);
  view.names = NamesOf(certificate);
  view.names_host = X509_check_host(&certificate, host.c_str(), host.size(), 0, nullptr) == 1;
  if (verify_result != X509_V_OK) view.untrusted = X509_verify_cert_error_string(verify_result);
  return view;
}

// Whether the certificate is one that the records are for: OpenSSL's own word.
bool EnableDane(SSL_CTX& context, SSL& ssl, const std::string& host, const std::vector<dns::Tlsa>& tlsa) {
  // RFC 7672 section 3.1.1: what is in a certificate of usage 3 beside the key does not count.
  SSL_CTX_dane_set_flags(&context, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  if (SSL_dane_enable(&ssl, host.c_str()) != 1) return false;
  SSL_dane_set_flags(&ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  bool any = false;
  for (const dns::Tlsa& record : tlsa) {
    if (record.usage != 2 && record.usage != 3) continue;
    any = SSL_dane_tlsa_add(&ssl, record.usage, record.selector, record.matching_type,
                            reinterpret_cast<const unsigned char*>(record.data.data()),
                            record.data.size()) == 1 ||
          any;
  }
  return any;
}

std::string WhyNot() {
  const unsigned long error = ERR_peek_last_error();  // NOLINT(runtime/int)
  const char* const reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  ERR_clear_error();
  return absl::StrCat("the handshake fails", reason == nullptr ? "" : ": ", reason == nullptr ? "" : reason);
}

// One connection. With `by_tlsa` the certificate is compared with the records and with nothing else.
PortView Look(const MailPort& port, const std::string& address, const std::string& host,
              const std::vector<dns::Tlsa>& tlsa, bool by_tlsa) {
  PortView view;
  const std::unique_ptr<Socket> socket = ConnectTcp(address, absl::StrCat(port.port), kPatience);
  if (socket == nullptr) {
    const bool late = errno == EINPROGRESS || errno == EAGAIN;
    view.problem = absl::StrCat("no connection: ", late ? "nothing answers" : std::strerror(errno));
    return view;
  }
  Dialog dialog(*socket);
  const Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  SSL_CTX_set_default_verify_paths(context.get());
  if (by_tlsa) SSL_CTX_dane_enable(context.get());
  const Ssl ssl(SSL_new(context.get()), &SSL_free);
  SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  SSL_set_fd(ssl.get(), socket->fd());
  const bool dane = by_tlsa && EnableDane(*context, *ssl, host, tlsa);
  const auto shake_hands = [&] {
    if (SSL_connect(ssl.get()) != 1) {
      view.tls_problem = WhyNot();
      return false;
    }
    dialog.UseTls(ssl.get());
    const long result = SSL_get_verify_result(ssl.get());  // NOLINT(runtime/int)
    view.matches_tlsa =
        dane && result == X509_V_OK && SSL_get0_dane_authority(ssl.get(), nullptr, nullptr) >= 0;
    X509* const certificate = SSL_get0_peer_certificate(ssl.get());
    if (certificate != nullptr) view.certificate = ViewOf(*certificate, host, result);
    return true;
  };
  if (port.implicit_tls && !shake_hands()) {
    view.problem = view.tls_problem;
    return view;
  }
  const std::optional<std::string> greeting = ReadGreeting(port, dialog);
  if (!greeting.has_value()) {
    view.problem = "what answers there is no mail server that takes mail";
    return view;
  }
  view.greeting = PrintableUtf8(*greeting, kMaxShownBytes);
  if (!port.implicit_tls) {
    view.tls_problem = AskForTls(port, dialog);
    if (view.tls_problem.empty()) shake_hands();
  }
  dialog.Send("QUIT");
  return view;
}

}  // namespace

PortView LookAtPort(const MailPort& port, const std::string& address, const std::string& host,
                    const std::vector<dns::Tlsa>& tlsa) {
  PortView view = Look(port, address, host, tlsa, /*by_tlsa=*/false);
  if (!tlsa.empty() && view.certificate.has_value()) {
    view.matches_tlsa = Look(port, address, host, tlsa, /*by_tlsa=*/true).matches_tlsa;
  }
  return view;
}

}  // namespace mailstead::ctl
