// The rules of the store over one engine, put together: one per process (or test).
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/worker_pool.h"
#include "stored/core/audit_trail.h"
#include "stored/core/authenticator.h"
#include "stored/core/consumers.h"
#include "stored/core/credentials.h"
#include "stored/core/directory.h"
#include "stored/core/dkim_keys.h"
#include "stored/core/dkim_signer.h"
#include "stored/core/grant.h"
#include "stored/core/intake.h"
#include "stored/core/keys.h"
#include "stored/core/login_changes.h"
#include "stored/core/mail_reader.h"
#include "stored/core/maildrops.h"
#include "stored/core/notices.h"
#include "stored/core/queue.h"
#include "stored/core/recipients.h"
#include "stored/core/routes.h"
#include "stored/core/sending.h"
#include "stored/core/srs.h"
#include "stored/core/sts_policies.h"
#include "stored/core/submissions.h"
#include "stored/core/throttle.h"
#include "stored/core/ticket_keys.h"
#include "stored/core/timer_queue.h"
#include "stored/core/tls_reports.h"
#include "stored/core/watches.h"
#include "stored/core/webhooks.h"
#include "stored/engine/engine.h"

namespace mailstead::stored {

struct CoreOptions {
  // An address that takes mail for a domain's postmaster; empty: none.
  std::string postmaster;
  // Of new passwords.
  uint32_t scram_iterations = 15'000;
  absl::Duration credential_cache_ttl = absl::Minutes(10);
  ThrottleOptions throttle;
  // 32 random bytes or more each, which outlive the process and are the same for all that serve one store. Grants are under
  // a key of each incarnation of the store, which is derived from the second.
  std::string decoy_secret;
  std::string grant_key;
  // What passwords of routes, keys that sign mail and secrets of SRS are sealed under: 256 random bits, kept apart from the
  // store; empty: there are none.
  std::string secrets_key;
  // Off without a domain; needs the secrets key.
  SrsOptions srs;
  // Without: no limits, and no pause but an operator's.
  SendingOptions sending;
  int64_t max_message_bytes = 64 << 20;
  // What notices to senders say they are from.
  std::string host_name = "localhost";
  // How long mail for other hosts stays in the queue, and when its sender is told that it waits.
  absl::Duration queue_lifetime = absl::Hours(5 * 24);
  absl::Duration delay_notice_after = absl::Hours(4);
  // How long a login waits for the release of its maildrop by another session.
  absl::Duration in_use_wait = absl::Seconds(1);
  // How long the removal of an account waits for the sessions that it ends to leave the maildrop.
  absl::Duration removal_wait = absl::Seconds(3);
  // How long a key of TLS session tickets seals.
  absl::Duration ticket_key_period = absl::Hours(12);
  // Reports on TLS to other domains.
  TlsReportOptions tls_reports;
  // How many submissions are kept of one account.
  int64_t account_submissions = 100'000;
  WatchOptions watches;
  AuditOptions audit;
  // Threads that hash; 0: two more than there are cores.
  size_t hash_threads = 0;
};

// Used on the executor's thread. All Tasks have ended before it is destroyed; the rest outlives it.
struct Core {
  Core(engine::Engine& engine, Executor& executor, const Clock& clock, CoreOptions options);

  engine::Engine& engine;
  Executor& executor;
  const Clock& clock;
  TimerQueue timers;
  WorkerPool hash_pool;
  // Apart from logins and large messages, which take much longer.
  WorkerPool sign_pool;
  LoginChanges login_changes;
  Directory directory;
  Keys keys;
  AuditTrail audit;
  Srs srs;
  AccountSending sending;
  RecipientResolver recipients;
  Routes routes;
  StsPolicies sts_policies;
  PasswordVerifier verifier;
  CredentialCache credentials;
  LoginThrottle throttle;
  Authenticator authenticator;
  Grants grants;
  Maildrops maildrops;
  TicketKeys ticket_keys;
  const absl::Duration removal_wait;
  IntakeContext intake;
  Notices notices;
  DkimKeys dkim_keys;
  DkimSigner dkim_signer;
  OutboundQueue queue;
  Submissions submissions;
  TlsReports tls_reports;
  MailReader mail_reader;
  Watches watches;
  Consumers consumers;
  Webhooks webhooks;
};

}  // namespace mailstead::stored
