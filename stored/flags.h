// The flags of stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "common/config/log_flags.h"
#include "common/config/option.h"
#include "common/mailauth/srs.h"
#include "stored/core/audit_trail.h"
#include "stored/core/throttle.h"
#include "stored/rules/queue.h"
#include "stored/rules/sending.h"

namespace mailstead::stored {

struct Flags {
  std::string data_dir = "/var/lib/mailstead/store";
  std::string engine = "rocksdb";
  // Empty: no backups are made.
  std::string backup_dir;
  // "127.0.0.1:7070", "[::]:7070", port 0 for any free one, "unix:/path".
  std::string listen = "127.0.0.1:7070";
  // Empty: none, and a certificate is for `listen`.
  std::string tls_listen;
  std::string address_file;
  std::string admin_listen = "127.0.0.1:9170";

  // One for each role; made when missing. Empty: the role has no token.
  std::string smtp_token_file;
  std::string pop_token_file;
  std::string relay_token_file;
  std::string web_token_file;
  std::string operator_token_file;
  // Made when missing. Empty: the passwords of routes cannot be kept.
  std::string secrets_key_file;
  std::string tls_cert_file;
  std::string tls_key_file;
  // Set: callers are asked for a certificate of this authority (mutual TLS).
  std::string tls_client_ca_file;

  uint64_t max_message_bytes = uint64_t{51} << 20;
  uint64_t min_free_bytes = uint64_t{128} << 20;
  absl::Duration receipt_age = absl::Hours(72);
  absl::Duration submission_age = absl::Hours(24 * 30);
  int64_t account_submissions = 100'000;
  absl::Duration change_age = absl::Hours(7 * 24);
  int64_t change_count = 10'000'000;
  absl::Duration watch_write_timeout = absl::Seconds(30);
  size_t max_watches = 20'000;
  std::string postmaster;

  // Empty: mail that is sent on keeps its sender.
  std::string srs_domain;
  absl::Duration srs_lifetime = absl::Hours(21 * 24);
  size_t srs_hash_length = srs::kMinHashCharacters;

  // What accounts may send to other hosts; 0: no limit. And what pauses one; 0: nothing does.
  rules::SendingBounds sending_bounds = {.hourly_recipients = 500, .daily_recipients = 2000};
  rules::PauseThresholds pause_thresholds = {.new_recipients = 200, .refusals = 50, .refusal_percent = 30};

  // What notices to senders are from.
  std::string hostname;
  std::string retry_schedule_text = "6m,12m,25m,1h,2h,4h";
  // A number a minute, or "NUMBER/DURATION".
  std::string delivery_rate_text = "0";
  // Made of these, with its windows.
  rules::QueuePolicy queue_policy;
  absl::Duration queue_lifetime = absl::Hours(5 * 24);
  absl::Duration delay_notice_after = absl::Hours(4);

  // Empty: there are no reports on TLS.
  std::string tls_report_contact;
  std::string tls_report_organization;
  absl::Duration tls_report_period = absl::Hours(24);

  AuditOptions audit;

  uint32_t scram_iterations = 15'000;
  absl::Duration credential_cache_ttl = absl::Seconds(60);
  // Of streaming calls: without a deadline, and whatever theirs.
  absl::Duration stream_time = absl::Hours(1);
  absl::Duration max_stream_time = absl::Hours(24);
  ThrottleOptions throttle;

  size_t block_cache_bytes = size_t{64} << 20;
  size_t rpc_memory_bytes = size_t{512} << 20;
  absl::Duration ticket_key_period = absl::Hours(12);
  // 0: four for each core.
  size_t threads = 0;
  absl::Duration drain_timeout = absl::Seconds(10);
  config::LogFlags log;
};

// The rows of these flags, those of the log included. `flags` outlives them.
config::Options OptionsOf(Flags& flags);

// From the command line. Ends the program with one line for each impossible value and status 2.
Flags ReadFlags(int argc, char** argv);

}  // namespace mailstead::stored
