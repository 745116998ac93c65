// A SASL client for tests, through libgsasl: the other side of what core/authenticator.h does.
#pragma once

#include <gsasl.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace mailstead::stored {

class SaslClient {
 public:
  SaslClient(const char* mechanism, std::string user, std::string password, std::string tls_exporter = "",
             std::string tls_unique = "")
      : user_(std::move(user)),
        password_(std::move(password)),
        tls_exporter_(std::move(tls_exporter)),
        tls_unique_(std::move(tls_unique)) {
    EXPECT_EQ(gsasl_init(&gsasl_), GSASL_OK);
    gsasl_callback_set(gsasl_, Callback);
    EXPECT_EQ(gsasl_client_start(gsasl_, mechanism, &session_), GSASL_OK);
    gsasl_session_hook_set(session_, this);
  }
  ~SaslClient() {
    gsasl_finish(session_);
    gsasl_done(gsasl_);
  }
  SaslClient(const SaslClient&) = delete;
  SaslClient& operator=(const SaslClient&) = delete;

  // The response to a challenge. `ok` is false when the client gives up (it checks the server too).
  std::string Step(absl::string_view challenge, bool* ok = nullptr) {
    char* output = nullptr;
    size_t size = 0;
    const int code = gsasl_step(session_, challenge.data(), challenge.size(), &output, &size);
    const bool good = code == GSASL_OK || code == GSASL_NEEDS_MORE;
    if (ok != nullptr) {
      *ok = good;
    } else {
      EXPECT_TRUE(good) << gsasl_strerror(code);
    }
    std::string response(output == nullptr ? "" : output, output == nullptr ? 0 : size);
    gsasl_free(output);
    return response;
  }

 private:
  static int Callback(Gsasl*, Gsasl_session* session, Gsasl_property property) {
    const auto* client = static_cast<const SaslClient*>(gsasl_session_hook_get(session));
    switch (property) {
      case GSASL_AUTHID:
        return gsasl_property_set(session, property, client->user_.c_str());
      case GSASL_PASSWORD:
        return gsasl_property_set(session, property, client->password_.c_str());
      case GSASL_CB_TLS_EXPORTER:
        if (client->tls_exporter_.empty()) return GSASL_NO_CALLBACK;
        return gsasl_property_set(session, property, absl::Base64Escape(client->tls_exporter_).c_str());
      case GSASL_CB_TLS_UNIQUE:
        if (client->tls_unique_.empty()) return GSASL_NO_CALLBACK;
        return gsasl_property_set(session, property, absl::Base64Escape(client->tls_unique_).c_str());
      default:
        return GSASL_NO_CALLBACK;
    }
  }

  const std::string user_;
  const std::string password_;
  const std::string tls_exporter_;
  const std::string tls_unique_;
  Gsasl* gsasl_ = nullptr;
  Gsasl_session* session_ = nullptr;
};

}  // namespace mailstead::stored
