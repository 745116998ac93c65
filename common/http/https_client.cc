#include "common/http/https_client.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "asio/any_io_executor.hpp"
#include "asio/async_result.hpp"
#include "asio/post.hpp"
#include "asio/this_coro.hpp"
#include "asio/use_awaitable.hpp"

namespace mailstead::http {
namespace {

// Of all fields of a response together; those of policy hosts have a few hundred octets.
constexpr size_t kMaxHeaderBytes = 32'768;
// Between two looks at what is new, beside wake-ups.
constexpr int kPollMilliseconds = 1'000;

using Result = absl::StatusOr<HttpsResponse>;
using Done = absl::AnyInvocable<void(Result)>;

void InitializeOnce() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// The environment's names, as OpenSSL takes them (SSL_CTX_set_default_verify_paths); libcurl itself does not.
std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// SECURITY: a host that reads as an address would be connected to without a look at HttpsRequest::addresses. No top-level
// domain begins with a digit (RFC 3696 section 2), and every way to write an address has a last part that does, or a colon.
bool IsName(absl::string_view host) {
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') return false;
  }
  const absl::string_view last = host.substr(host.rfind('.') + 1);
  return host.size() > last.size() && !last.empty() &&
         absl::ascii_isalpha(static_cast<unsigned char>(last.front()));
}

// Nothing that could end the host in a URL.
bool IsAnyHost(absl::string_view host) {
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("-_.:[]", c)) return false;
  }
  return !host.empty();
}

std::string PartOf(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return std::string();
  std::string copy(text);
  curl_free(text);
  return copy;
}

}  // namespace

absl::StatusOr<HttpsUrl> ParseHttpUrl(absl::string_view url) {
  InitializeOnce();
  const std::unique_ptr<CURLU, UrlDeleter> parts(curl_url());
  const std::string text(url);
  // A NUL would end it for libcurl, and for nobody else.
  if (parts == nullptr || text.find('\0') != std::string::npos ||
      curl_url_set(parts.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    return absl::InvalidArgumentError("not a URL");
  }
  HttpsUrl parsed;
  const std::string scheme = PartOf(parts.get(), CURLUPART_SCHEME);
  parsed.plain = scheme == "http";
  if (!parsed.plain && scheme != "https") return absl::InvalidArgumentError("not an http or https URL");
  parsed.host = PartOf(parts.get(), CURLUPART_HOST);
  parsed.port =
      static_cast<uint16_t>(std::atoi(PartOf(parts.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str()));
  parsed.path = PartOf(parts.get(), CURLUPART_PATH);
  const std::string query = PartOf(parts.get(), CURLUPART_QUERY);
  if (!query.empty()) absl::StrAppend(&parsed.path, "?", query);
  return parsed;
}

absl::StatusOr<HttpsUrl> ParseHttpsUrl(absl::string_view url) {
  absl::StatusOr<HttpsUrl> parsed = ParseHttpUrl(url);
  if (parsed.ok() && !parsed->plain) return parsed;
  return absl::InvalidArgumentError("not an https URL");
}

namespace {

// One request while it is under way.
class Transfer {
 public:
  Transfer(HttpsRequest request, Done done) : request_(std::move(request)), done_(std::move(done)) {}
  ~Transfer() {
    if (easy_ != nullptr) curl_easy_cleanup(easy_);
    curl_slist_free_all(resolve_);
    curl_slist_free_all(fields_);
    if (share_ != nullptr) curl_share_cleanup(share_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Null: out of memory, or an option that this libcurl has not.
  CURL* Prepare(const std::string& ca_file, const std::string& ca_dir, bool reuse) {
    easy_ = curl_easy_init();
    // Addresses of its own: nothing that another request was told is used for this one.
    share_ = curl_share_init();
    if (easy_ == nullptr || share_ == nullptr) return nullptr;
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    std::string addresses;
    for (const asio::ip::address& address : request_.addresses) {
      absl::StrAppend(&addresses, addresses.empty() ? "" : ",", address.is_v6() ? "[" : "",
                      address.to_string(), address.is_v6() ? "]" : "");
    }
    resolve_ =
        curl_slist_append(nullptr, absl::StrCat(request_.host, ":", request_.port, ":", addresses).c_str());
    const char* const scheme = request_.plain ? "http" : "https";
    const std::string url = absl::StrCat(scheme, "://", request_.host, ":", request_.port, request_.path);
    bool ok = resolve_ != nullptr;
    const auto set = [&](CURLoption option, auto value) {
      ok = ok && curl_easy_setopt(easy_, option, value) == CURLE_OK;
    };
    set(CURLOPT_SHARE, share_);
    set(CURLOPT_RESOLVE, resolve_);
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_PROTOCOLS_STR, scheme);
    set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::OpenSocket);
    set(CURLOPT_OPENSOCKETDATA, this);
    set(CURLOPT_FOLLOWLOCATION, 0L);
    // An empty name: no proxy, whatever the environment says.
    set(CURLOPT_PROXY, "");
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_FRESH_CONNECT, reuse ? 0L : 1L);
    set(CURLOPT_FORBID_REUSE, reuse ? 0L : 1L);
    set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!ca_file.empty()) set(CURLOPT_CAINFO, ca_file.c_str());
    if (!ca_dir.empty()) set(CURLOPT_CAPATH, ca_dir.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(request_.timeout)));
    set(CURLOPT_USERAGENT, "Mailstead");
    if (!request_.status_only) {
      set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request_.max_body_bytes));
    }
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_WRITEFUNCTION, &Transfer::TakeBody);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::TakeField);
    set(CURLOPT_HEADERDATA, this);
    if (!request_.content_type.empty()) {
      fields_ = curl_slist_append(nullptr, absl::StrCat("Content-Type: ", request_.content_type).c_str());
      // No wait for "100 Continue", which some hosts never send.
      if (fields_ != nullptr) fields_ = AppendOrFree(fields_, "Expect:");
      for (const std::string& field : request_.fields) {
        if (fields_ != nullptr) fields_ = AppendOrFree(fields_, field.c_str());
      }
      ok = ok && fields_ != nullptr;
      set(CURLOPT_HTTPHEADER, fields_);
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDS, request_.body.data());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    }
    return ok ? easy_ : nullptr;
  }

  void Finish(CURLcode code) { done_(ResultOf(code)); }
  void Fail(absl::Status status) { done_(std::move(status)); }

 private:
  static curl_slist* AppendOrFree(curl_slist* list, const char* text) {
    curl_slist* const longer = curl_slist_append(list, text);
    if (longer == nullptr) curl_slist_free_all(list);
    return longer;
  }

  // SECURITY: whatever libcurl makes of the host, it reaches none but the addresses that were allowed.
  static curl_socket_t OpenSocket(void* self, curlsocktype, curl_sockaddr* to) {
    const Transfer& transfer = *static_cast<const Transfer*>(self);
    asio::ip::address address;
    if (to->family == AF_INET) {
      sockaddr_in v4;
      std::memcpy(&v4, &to->addr, sizeof(v4));
      address = asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
    } else if (to->family == AF_INET6 && to->addrlen >= sizeof(sockaddr_in6)) {
      sockaddr_in6 v6;
      std::memcpy(&v6, static_cast<const void*>(&to->addr), sizeof(v6));
      asio::ip::address_v6::bytes_type bytes;
      std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
      address = asio::ip::address_v6(bytes);
    }
    const auto& allowed = transfer.request_.addresses;
    const auto is_it = [&](const asio::ip::address& one) {
      return one.is_v4() == address.is_v4() &&
             (one.is_v4() ? one == address : one.to_v6().to_bytes() == address.to_v6().to_bytes());
    };
    if (std::none_of(allowed.begin(), allowed.end(), is_it)) return CURL_SOCKET_BAD;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  }

  static size_t TakeBody(char* bytes, size_t size, size_t count, void* self) {
    Transfer& transfer = *static_cast<Transfer*>(self);
    const size_t length = size * count;
    if (transfer.body_.size() + length > transfer.request_.max_body_bytes) {
      (transfer.request_.status_only ? transfer.cut_ : transfer.too_large_) = true;
      return 0;
    }
    transfer.body_.append(bytes, length);
    return length;
  }

  static size_t TakeField(char*, size_t size, size_t count, void* self) {
    Transfer& transfer = *static_cast<Transfer*>(self);
    transfer.header_bytes_ += size * count;
    if (transfer.header_bytes_ <= kMaxHeaderBytes) return size * count;
    transfer.too_large_ = true;
    return 0;
  }

  Result ResultOf(CURLcode code) {
    const std::string why = error_[0] != '\0' ? std::string(error_) : std::string(curl_easy_strerror(code));
    if (too_large_ || code == CURLE_FILESIZE_EXCEEDED) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the response is larger than ", request_.max_body_bytes, " octets"));
    }
    switch (cut_ ? CURLE_OK : code) {
      case CURLE_OK:
        break;
      case CURLE_OPERATION_TIMEDOUT:
        return absl::DeadlineExceededError(
            absl::StrCat("no whole response within ", absl::FormatDuration(request_.timeout)));
      case CURLE_PEER_FAILED_VERIFICATION:
        return absl::PermissionDeniedError(why);
      default:
        return absl::UnavailableError(why);
    }
    HttpsResponse response;
    long status = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    const char* type = nullptr;
    if (curl_easy_getinfo(easy_, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != nullptr)
      response.content_type = type;
    curl_off_t retry_after = 0;
    if (curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK) {
      response.retry_after = absl::Seconds(static_cast<int64_t>(retry_after));
    }
    response.body = std::move(body_);
    return response;
  }

  const HttpsRequest request_;
  Done done_;
  CURL* easy_ = nullptr;
  CURLSH* share_ = nullptr;
  curl_slist* resolve_ = nullptr;
  curl_slist* fields_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  std::string body_;
  size_t header_bytes_ = 0;
  bool too_large_ = false;
  // More came than is wanted.
  bool cut_ = false;
};

}  // namespace

class HttpsClient::Impl {
 public:
  explicit Impl(HttpsOptions options)
      : options_(std::move(options)),
        ca_file_(options_.ca_file.empty() ? FromEnvironment("SSL_CERT_FILE") : options_.ca_file),
        ca_dir_(options_.ca_file.empty() ? FromEnvironment("SSL_CERT_DIR") : std::string()) {
    InitializeOnce();
    multi_ = curl_multi_init();
    thread_ = std::thread([this] { Run(); });
  }

  ~Impl() { curl_multi_cleanup(multi_); }

  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    if (thread_.joinable()) thread_.join();
  }

  // Calls `done` once, on the client's thread or at once.
  void Start(HttpsRequest request, Done done) {
    auto transfer = std::make_unique<Transfer>(std::move(request), std::move(done));
    absl::Status refused;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) {
        refused = absl::CancelledError("shutting down");
      } else if (waiting_.size() >= options_.max_waiting) {
        refused = absl::ResourceExhaustedError("too many requests over HTTPS at a time");
      } else {
        waiting_.push_back(std::move(transfer));
      }
    }
    if (refused.ok()) {
      curl_multi_wakeup(multi_);
    } else {
      transfer->Fail(std::move(refused));
    }
  }

 private:
  void Run() {
    while (BeginWaiting()) {
      int running = 0;
      curl_multi_perform(multi_, &running);
      EndFinished();
      // What has ended makes room for what waits.
      if (open_.size() < options_.max_open && AnyWaiting()) continue;
      curl_multi_poll(multi_, nullptr, 0, kPollMilliseconds, nullptr);
    }
    for (auto& [easy, transfer] : open_) {
      curl_multi_remove_handle(multi_, easy);
      transfer->Fail(absl::CancelledError("shutting down"));
    }
    open_.clear();
    std::deque<std::unique_ptr<Transfer>> left;
    {
      absl::MutexLock lock(&mutex_);
      left.swap(waiting_);
    }
    for (const std::unique_ptr<Transfer>& transfer : left)
      transfer->Fail(absl::CancelledError("shutting down"));
  }

  bool AnyWaiting() {
    absl::MutexLock lock(&mutex_);
    return stopping_ || !waiting_.empty();
  }

  // False: Stop.
  bool BeginWaiting() {
    while (open_.size() < options_.max_open) {
      std::unique_ptr<Transfer> transfer;
      {
        absl::MutexLock lock(&mutex_);
        if (stopping_) return false;
        if (waiting_.empty()) return true;
        transfer = std::move(waiting_.front());
        waiting_.pop_front();
      }
      CURL* const easy = transfer->Prepare(ca_file_, ca_dir_, options_.reuse_connections);
      if (easy == nullptr || curl_multi_add_handle(multi_, easy) != CURLM_OK) {
        transfer->Fail(absl::ResourceExhaustedError("the request could not be begun"));
        continue;
      }
      open_.emplace(easy, std::move(transfer));
    }
    absl::MutexLock lock(&mutex_);
    return !stopping_;
  }

  void EndFinished() {
    int left = 0;
    while (const CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      // The message is gone with the handle.
      const CURLcode code = message->data.result;
      curl_multi_remove_handle(multi_, easy);
      const auto it = open_.find(easy);
      const std::unique_ptr<Transfer> transfer = std::move(it->second);
      open_.erase(it);
      transfer->Finish(code);
    }
  }

  const HttpsOptions options_;
  const std::string ca_file_;
  const std::string ca_dir_;
  CURLM* multi_ = nullptr;
  absl::Mutex mutex_;
  std::deque<std::unique_ptr<Transfer>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // The thread's.
  absl::flat_hash_map<CURL*, std::unique_ptr<Transfer>> open_;
  std::thread thread_;
};

HttpsClient::HttpsClient(HttpsOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}

HttpsClient::~HttpsClient() { impl_->Stop(); }

void HttpsClient::Stop() { impl_->Stop(); }

asio::awaitable<absl::StatusOr<HttpsResponse>> HttpsClient::Send(HttpsRequest request) {
  if (!IsName(request.host) && !(request.any_host && IsAnyHost(request.host)))
    co_return absl::InvalidArgumentError(absl::StrCat(request.host, " is not a host's name"));
  if (request.addresses.empty())
    co_return absl::InvalidArgumentError(absl::StrCat(request.host, " has no address"));
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Impl* const impl = impl_.get();
  auto initiate = [impl, executor](auto handler, HttpsRequest wanted) {
    // Functions that are kept must be copied as little as the coroutine behind them.
    auto done = [executor, handler = std::move(handler)](Result result) mutable {
      asio::post(executor, [handler = std::move(handler), result = std::move(result)]() mutable {
        std::move(handler)(std::move(result));
      });
    };
    impl->Start(std::move(wanted), std::move(done));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(Result)>(
      std::move(initiate), asio::use_awaitable, std::move(request));
}

}  // namespace mailstead::http
