// Routes: which way mail for other hosts takes.
//
// The routes of a recipient's domain, in the order in which they are looked for, "a.b.example.test" for example:
//   1. a.b.example.test
//   2. .b.example.test, .example.test, .test: a domain's name with a dot in front is for all domains under it
//   3. default
// At each of these the one for the sender's domain comes before the one for all senders. The first that is there is taken.
// Where there is none, mail goes as the DNS says; so it does by a route that names neither hosts nor a mailbox.
//
// A user's password is sealed (secret_box.h) in the store, and opened only for what works the queue off.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/base/clock.h"
#include "common/base/task.h"
#include "stored/core/secret_box.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

// The routes of a store at one moment. Pure.
class RouteTable {
 public:
  // `routes` are sorted by key.
  explicit RouteTable(std::vector<engine::Route> routes);

  // The route that mail takes; null: as the DNS says. Domains in lower case and A-labels; one may be an address literal,
  // and the sender's is empty for the null reverse-path.
  const engine::Route* Find(absl::string_view recipient_domain, absl::string_view sender_domain) const;
  // Sorted by key.
  const std::vector<engine::Route>& all() const { return routes_; }

 private:
  std::vector<engine::Route> routes_;
  // By destination and sender domain; they point into routes_.
  absl::flat_hash_map<std::pair<absl::string_view, absl::string_view>, const engine::Route*> by_key_;
};

// The way that mail takes, with all that is needed to go it.
struct RouteChoice {
  // Of the route.
  engine::RouteKey key;
  // Not 0: the mail is kept in this account's mailbox. The account may be gone.
  AccountId mailbox;
  // Empty, and no mailbox: as the DNS says.
  std::vector<engine::Route::Host> hosts;
  engine::Route::Tls tls = engine::Route::Tls::kMay;
  // Empty: no AUTH.
  std::string user;
  std::string password;
  std::string source_address;
  std::string ehlo_name;
};

// A route as an operator asks for it.
struct NewRoute {
  // Its domains and host names in any form, and without its mailbox, sealed password and time.
  engine::Route route;
  // An account's address or id; empty: none.
  std::string mailbox;
  // Empty: that of the route that is there, when it has the same user.
  std::string password;
  // Of the route that is there; 0: any, or none.
  int64_t expected_version = 0;
};

// Used on the executor's thread.
class Routes {
 public:
  // `secrets_key` is what passwords are sealed under; empty: routes have none.
  Routes(engine::RouteEngine& engine, engine::DirectoryEngine& directory, const Clock& clock,
         absl::string_view secrets_key);

  // The route as it is kept. FieldError with the field of SetRouteRequest; NotFound with kReasonAccountNotFound;
  // FailedPrecondition with kReasonNoSecretsKey; Aborted with kReasonEtagMismatch; errors of the engine.
  Task<absl::StatusOr<engine::Route>> Set(NewRoute route);
  // Sorted by key, behind `after`: at most `limit` of them.
  Task<absl::StatusOr<std::vector<engine::Route>>> List(engine::RouteKey after, size_t limit);
  // NotFound with kReasonRouteNotFound.
  Task<absl::StatusOr<engine::Route>> Get(std::string destination, std::string sender_domain);
  Task<absl::Status> Delete(std::string destination, std::string sender_domain, int64_t expected_version);

  // The account whose mailbox a route keeps the mail in; 0: it leaves. Passwords are not looked at.
  Task<absl::StatusOr<AccountId>> MailboxFor(std::string recipient_domain, std::string sender_domain);

  // Absent: there is no route, and mail goes as the DNS says. Domains as RouteTable::Find takes them.
  // FailedPrecondition with kReasonNoSecretsKey, and DataLoss: the route's password cannot be opened, and mail has to wait
  // until an operator has mended that; the message names the route.
  Task<absl::StatusOr<std::optional<RouteChoice>>> Choose(std::string recipient_domain,
                                                          std::string sender_domain);

 private:
  Task<absl::StatusOr<std::shared_ptr<const RouteTable>>> Table();
  Task<absl::StatusOr<engine::Route>> Find(engine::RouteKey key);
  Task<absl::StatusOr<AccountId>> FindMailbox(std::string account);
  Task<absl::Status> Seal(const NewRoute& from, engine::Route& route);
  absl::StatusOr<std::string> OpenPassword(const engine::Route& route) const;

  engine::RouteEngine& engine_;
  engine::DirectoryEngine& directory_;
  const Clock& clock_;
  const std::optional<SecretBox> box_;
  // As of this version of the directory. Whoever uses it while it is replaced keeps the old one: so it is shared.
  std::shared_ptr<const RouteTable> table_;
  int64_t table_version_ = 0;
};

}  // namespace mailstead::stored
