#include "mailctl/diagnosis.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "mailctl/socket.h"

namespace mailstead::ctl {
namespace {

// For connecting, and for each read and write of the handshake.
constexpr absl::Duration kPatience = absl::Seconds(2);

// "host" of "host:port" or "[::1]:port"; empty for a Unix socket.
struct Place {
  std::string host;
  std::string port;
  std::string path;
};

Place PlaceOf(absl::string_view target) {
  Place place;
  if (absl::ConsumePrefix(&target, "unix:")) {
    absl::ConsumePrefix(&target, "//");
    place.path = std::string(target);
    return place;
  }
  absl::ConsumePrefix(&target, "dns:///");
  absl::ConsumePrefix(&target, "dns:");
  const size_t colon = target.rfind(':');
  if (colon == absl::string_view::npos) return place;
  place.port = std::string(target.substr(colon + 1));
  absl::string_view host = target.substr(0, colon);
  absl::ConsumePrefix(&host, "[");
  absl::ConsumeSuffix(&host, "]");
  place.host = std::string(host);
  return place;
}

std::unique_ptr<Socket> ConnectTo(const Place& place) {
  return place.path.empty() ? ConnectTcp(place.host, place.port, kPatience)
                            : ConnectUnix(place.path, kPatience);
}

// What came of a handshake with whoever listens.
struct Handshake {
  bool spoke_tls = false;
  bool complete = false;
  long verify_result = X509_V_OK;  // NOLINT(runtime/int): OpenSSL's type
};

Handshake TryTls(const Socket& socket, const std::string& host, const std::string& ca_file) {
  using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
  const Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  const bool verifies = !ca_file.empty() && SSL_CTX_load_verify_file(context.get(), ca_file.c_str()) == 1;
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  // gRPC's protocol, without which its servers end the handshake (RFC 7301).
  constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(ssl.get(), kHttp2, sizeof kHttp2);
  if (verifies && !host.empty()) {
    // An address is compared with addresses, a name with names (RFC 6125).
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()) != 1)
      SSL_set1_host(ssl.get(), host.c_str());
  }
  SSL_set_fd(ssl.get(), socket.fd());
  Handshake handshake;
  handshake.complete = SSL_connect(ssl.get()) == 1;
  handshake.verify_result = verifies ? SSL_get_verify_result(ssl.get()) : X509_V_OK;
  // A server that asks for a certificate shows its own before.
  handshake.spoke_tls = handshake.complete || SSL_get0_peer_certificate(ssl.get()) != nullptr;
  ERR_clear_error();
  return handshake;
}

}  // namespace

std::string Diagnose(const rpc::ChannelOptions& channel) {
  const Place place = PlaceOf(channel.target);
  const std::unique_ptr<Socket> socket = ConnectTo(place);
  if (socket == nullptr) return "";
  const Handshake handshake = TryTls(*socket, place.host, channel.tls_ca_file);
  if (channel.tls_ca_file.empty())
    return handshake.spoke_tls ? "it speaks TLS, and --tls_ca is not given" : "";
  if (!handshake.spoke_tls) return "something listens there that does not speak TLS (--tls_ca)";
  if (handshake.verify_result != X509_V_OK) {
    return absl::StrCat("its certificate cannot be trusted: ",
                        X509_verify_cert_error_string(handshake.verify_result), " (--tls_ca)");
  }
  if (channel.tls_cert_file.empty()) return "it may want a certificate (--tls_cert)";
  return "";
}

}  // namespace mailstead::ctl
