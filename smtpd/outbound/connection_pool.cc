#include "smtpd/outbound/connection_pool.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/ip/address.hpp"
#include "smtpd/outbound/gsasl_client.h"

namespace mailstead::smtp::outbound {
namespace {

// The best first: those that prove something without giving the password away.
constexpr const char* kMechanisms[] = {"SCRAM-SHA-256", "PLAIN", "LOGIN"};

Hosts::Found NotTried(std::string status, std::string text) {
  Hosts::Found found;
  found.outcome.kind = ConnectionOutcome::Kind::kBroken;
  found.outcome.stage = Stage::kConnect;
  found.outcome.enhanced = std::move(status);
  found.outcome.text = std::move(text);
  return found;
}

// Gives a message's octets to a connection.
class BodyPieces final : public BodySource {
 public:
  explicit BodyPieces(Body& body) : body_(body) {}
  asio::awaitable<absl::StatusOr<std::string>> Next(size_t max_bytes) override { return body_.Next(max_bytes); }

 private:
  Body& body_;
};

}  // namespace

class ConnectionPool::PooledHost final : public Host {
 public:
  PooledHost(ConnectionPool& pool, std::unique_ptr<SaslClient> sasl, ClientOptions options)
      : pool_(pool), sasl_(std::move(sasl)), connection_(pool.executor_, std::move(options)) {
    pool_.busy_[this] = true;
  }
  ~PooledHost() override { pool_.busy_.erase(this); }

  asio::awaitable<void> Open() {
    co_await connection_.Open();
    protection_ = connection_.protection();
  }
  asio::awaitable<void> Quit() { return connection_.Quit(); }
  void Close() { connection_.Close(); }

  asio::awaitable<TransactionOutcome> Send(Transaction transaction, Body& body) override {
    ++message_count_;
    BodyPieces pieces(body);
    co_return co_await connection_.Send(std::move(transaction), pieces);
  }
  const ConnectionOutcome& connection() const override { return connection_.outcome(); }
  const Protection& protection() const override { return protection_; }
  int message_count() const { return message_count_; }

 private:
  ConnectionPool& pool_;
  const std::unique_ptr<SaslClient> sasl_;
  ClientConnection connection_;
  Protection protection_;
  int message_count_ = 0;
};

ConnectionPool::ConnectionPool(asio::any_io_executor executor, net::ClientTls& tls, WorkerPool& hashing,
                               ConnectionJournal& journal, PoolOptions options, Timers& timers)
    : executor_(std::move(executor)),
      tls_(tls),
      hashing_(hashing),
      journal_(journal),
      options_(std::move(options)),
      timers_(timers) {}
ConnectionPool::~ConnectionPool() = default;

std::unique_ptr<ConnectionPool::PooledHost> ConnectionPool::TakeIdle(const ConnectionKey& key) {
  const auto found = idle_.find(key);
  if (found == idle_.end()) return nullptr;
  std::unique_ptr<PooledHost> host = std::move(found->second.back().host);
  found->second.pop_back();
  --idle_count_;
  if (found->second.empty()) idle_.erase(found);
  return host;
}

asio::awaitable<Hosts::Found> ConnectionPool::Connect(const ConnectionKey& key, const std::string& password, Age age) {
  if (closed_) co_return NotTried("4.3.2", "shutting down");
  if (age == Age::kAny) {
    if (std::unique_ptr<PooledHost> host = TakeIdle(key)) {
      Found found;
      found.host = std::move(host);
      co_return found;
    }
  }
  asio::error_code error;
  const asio::ip::address address = asio::ip::make_address(key.address, error);
  if (error) co_return NotTried("4.4.4", absl::StrCat(key.address, " is no address"));
  std::optional<asio::ip::address> source;
  if (!key.source.empty()) {
    source = asio::ip::make_address(key.source, error);
    if (error) co_return NotTried("4.3.5", absl::StrCat(key.source, " is no address"));
  }
  ClientConfig session;
  session.helo_name = key.helo_name;
  session.tls = key.tls;
  session.timeouts = options_.timeouts;
  std::unique_ptr<SaslClient> sasl;
  if (!key.identity.empty()) {
    sasl = std::make_unique<GsaslClient>(key.identity, password, hashing_);
    session.auth_mechanisms.assign(std::begin(kMechanisms), std::end(kMechanisms));
    // SECURITY: the store takes a route with a user only where the certificate is checked, or the host is on loopback.
    session.allow_auth_without_verified_tls = address.is_loopback();
  }
  ClientOptions options{.session = std::move(session),
                        .host = {address, key.port},
                        .source = source,
                        .identity = key.identity,
                        .require_tls = key.require_tls,
                        .tls = tls_,
                        .sasl = sasl.get()};
  auto host = std::make_unique<PooledHost>(*this, std::move(sasl), std::move(options));
  co_await host->Open();
  ConnectionOutcome outcome = host->connection();
  journal_.Connected(key, outcome, host->protection());
  Found found;
  found.fresh = true;
  found.protection = host->protection();
  if (outcome.usable()) found.host = std::move(host);
  found.outcome = std::move(outcome);
  co_return found;
}

void ConnectionPool::GiveBack(const ConnectionKey& key, std::unique_ptr<Host> given) {
  // Every host that is given back came from Connect.
  std::unique_ptr<PooledHost> host(static_cast<PooledHost*>(given.release()));
  if (closed_ || !host->connection().usable()) return;
  if (host->message_count() >= options_.max_messages || idle_count_ >= options_.max_idle) {
    leaving_.push_back(std::move(host));
    return;
  }
  idle_[key].push_back({std::move(host), timers_.Now() + options_.idle_time});
  ++idle_count_;
}

asio::awaitable<absl::Time> ConnectionPool::EndIdle() {
  std::vector<std::unique_ptr<PooledHost>> over = std::exchange(leaving_, {});
  absl::Time next = absl::InfiniteFuture();
  const absl::Time now = timers_.Now();
  for (auto place = idle_.begin(); place != idle_.end();) {
    std::deque<Idle>& of_key = place->second;
    while (!of_key.empty() && of_key.front().until <= now) {
      over.push_back(std::move(of_key.front().host));
      of_key.pop_front();
      --idle_count_;
    }
    if (!of_key.empty()) next = std::min(next, of_key.front().until);
    const auto here = place++;
    if (here->second.empty()) idle_.erase(here);
  }
  for (const std::unique_ptr<PooledHost>& host : over) co_await host->Quit();
  co_return next;
}

asio::awaitable<void> ConnectionPool::EndAll() {
  closed_ = true;
  std::vector<std::unique_ptr<PooledHost>> all = std::exchange(leaving_, {});
  for (auto& [key, of_key] : idle_) {
    for (Idle& idle : of_key) all.push_back(std::move(idle.host));
  }
  idle_.clear();
  idle_count_ = 0;
  for (const std::unique_ptr<PooledHost>& host : all) co_await host->Quit();
}

void ConnectionPool::Close() {
  closed_ = true;
  for (const auto& [host, in_use] : busy_) host->Close();
}

}  // namespace mailstead::smtp::outbound
