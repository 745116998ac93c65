#include "stored/core/core.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "stored/core/digest.h"

namespace mailstead::stored {
namespace {

// What waits for a thread. More is answered RESOURCE_EXHAUSTED at once.
constexpr size_t kMaxQueuedHashes = 4096;
constexpr size_t kMaxQueuedSignatures = 4096;
// Of answers that hold a message, at a time.
constexpr size_t kReadingBytes = 256 << 20;

size_t HashThreads(size_t wanted) {
  // Logins and large messages are hashed while an import of accounts keeps as many threads busy as there are
  // cores.
  return wanted == 0 ? std::max(1u, std::thread::hardware_concurrency()) + 2 : wanted;
}

// SECURITY: what a store has granted means nothing in one that was opened from a backup of it: there an id or a number of
// a lock may be given anew, to another account or session.
std::string GrantKeyOf(engine::Engine& engine, absl::string_view key) {
  return HmacSha256(key, engine.upkeep().Incarnation());
}

}  // namespace

Core::Core(engine::Engine& engine, Executor& executor, const Clock& clock, CoreOptions options)
    : engine(engine),
      executor(executor),
      clock(clock),
      hash_pool(HashThreads(options.hash_threads), kMaxQueuedHashes),
      sign_pool(std::max(1u, std::thread::hardware_concurrency()), kMaxQueuedSignatures),
      directory(engine.directory(), clock, options.scram_iterations, hash_pool, executor, &login_changes),
      keys(engine.keys(), directory, clock, executor),
      audit(engine.audit(), clock, options.audit),
      srs(engine.srs(), engine.directory(), clock, options.secrets_key, std::move(options.srs)),
      sending(engine.sending(), clock, options.sending),
      recipients(engine.directory(), std::move(options.postmaster)),
      routes(engine.routes(), engine.directory(), clock, options.secrets_key),
      sts_policies(engine.sts(), clock),
      verifier(options.scram_iterations),
      credentials(clock, options.credential_cache_ttl),
      throttle(clock, options.throttle),
      authenticator(engine.directory(), verifier, credentials, throttle, hash_pool, executor,
                    {options.scram_iterations, std::move(options.decoy_secret)}),
      grants(engine.directory(), engine.maildrops(), clock, GrantKeyOf(engine, options.grant_key)),
      maildrops(engine.maildrops(), engine.leases(), timers, executor, Clock::Steady(), options.in_use_wait),
      ticket_keys(Clock::Steady(), options.ticket_key_period),
      removal_wait(options.removal_wait),
      intake{engine.messages(),
             recipients,
             &routes,
             hash_pool,
             executor,
             clock,
             options.max_message_bytes,
             options.queue_lifetime,
             options.delay_notice_after,
             &notices,
             &engine.submissions()},
      notices(intake, engine.queue(), options.host_name),
      dkim_keys(engine.dkim(), engine.directory(), clock, options.secrets_key, hash_pool, executor),
      dkim_signer(dkim_keys, engine.dkim(), engine.directory(), engine.queue(), clock, sign_pool, executor),
      queue(engine.queue(), routes, intake, notices, clock, Clock::Steady(), timers, executor),
      submissions(engine.submissions(), intake, recipients, sending, queue, clock, options.host_name,
                  options.account_submissions),
      tls_reports(engine.tls_reports(), intake, clock, options.host_name, std::move(options.tls_reports)),
      mail_reader(std::max(1u, std::thread::hardware_concurrency()), executor, kReadingBytes),
      watches(engine.changes(), timers, executor, options.watches),
      consumers(Clock::Steady()),
      webhooks(engine, clock, executor, options.secrets_key) {
  recipients.UseSrs(srs);
  queue.UseSrs(srs);
  queue.UseSending(sending);
}

}  // namespace mailstead::stored
