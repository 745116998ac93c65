#include "mailctl/doctor/system.h"

#include <sys/timex.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mailctl/output.h"
#include "mailstead/store/v1/admin.pb.h"
#include "mailstead/store/v1/queue.pb.h"

namespace mailstead::ctl {
namespace {

using Level = CheckLine::Level;

// Less than so much is soon full on a server that takes mail.
constexpr int64_t kLittleBytes = int64_t{5} << 30;
constexpr int64_t kVeryLittleBytes = int64_t{512} << 20;
// The default of stored --delay_notice_after: by then senders have been told.
constexpr absl::Duration kLongWait = absl::Hours(4);
// Between the clocks of two machines that are kept right.
constexpr absl::Duration kClockPatience = absl::Seconds(5);

CheckLine JudgeDisk(const store::v1::GetStatusResponse& status) {
  const uint64_t free = static_cast<uint64_t>(status.disk_free_bytes());
  CheckLine line{Level::kOk, "disk",          "the store's", absl::StrCat(FormatBytes(free), " free"),
                 "",         "There is room."};
  if (status.disk_free_bytes() >= kLittleBytes) return line;
  line.level = status.disk_free_bytes() < kVeryLittleBytes ? Level::kError : Level::kWarning;
  line.wanted = absl::StrCat(FormatBytes(static_cast<uint64_t>(kLittleBytes)), " or more");
  line.text = "A full disk takes no mail: make room, or see who has most (mailctl account list).";
  return line;
}

CheckLine JudgeFrontEnds(const store::v1::GetStatusResponse& status) {
  CheckLine line{Level::kOk, "front-ends", "leases", "", "", "They are there."};
  std::vector<std::string> holders;
  bool any_pop3d = false;
  for (const store::v1::Lease& lease : status.leases()) {
    holders.push_back(Printable(lease.holder()));
    any_pop3d = any_pop3d || absl::StartsWith(lease.holder(), "pop3d ");
  }
  line.found = absl::StrJoin(holders, ", ");
  if (any_pop3d) return line;
  line.level = Level::kWarning;
  line.wanted = "a pop3d";
  line.text = "No pop3d is connected, so nobody fetches mail: start one, and look at its log.";
  return line;
}

}  // namespace

std::vector<CheckLine> JudgeStore(const store::v1::GetStatusResponse& status) {
  std::vector<CheckLine> lines;
  CheckLine health{Level::kOk, "store",         "health", absl::StrCat("good, version ", status.version()),
                   "",         "It takes mail."};
  if (status.health() != store::v1::HEALTH_SERVING) {
    health.level = Level::kError;
    health.found = status.health_detail();
    health.text = "It takes no mail; it tries again by itself. Its log says more.";
  }
  lines.push_back(std::move(health));
  lines.push_back(JudgeDisk(status));
  lines.push_back(JudgeFrontEnds(status));
  return lines;
}

CheckLine JudgeQueue(const store::v1::GetQueueStatusResponse& queue, absl::Time now) {
  CheckLine line{Level::kOk,
                 "queue",
                 "mail for other hosts",
                 absl::StrCat(Plural(static_cast<uint64_t>(queue.message_count()), "message")),
                 "",
                 "It moves."};
  if (queue.relay_count() == 0) {
    line.level = queue.message_count() > 0 ? Level::kError : Level::kWarning;
    line.wanted = "a relay";
    line.text = "Nobody works it off: start a relay (smtpd with --delivery_workers), and look at its log.";
    return line;
  }
  if (queue.message_count() == 0) {
    line.text = "None waits.";
    return line;
  }
  const absl::Time oldest = absl::FromUnixSeconds(queue.oldest_time().seconds());
  if (now - oldest <= kLongWait) return line;
  line.level = Level::kWarning;
  absl::StrAppend(&line.found, ", the oldest for ",
                  absl::FormatDuration(absl::Trunc(now - oldest, absl::Minutes(1))));
  line.text = "Some mail waits long: mailctl queue list says why.";
  return line;
}

CheckLine JudgeClock(std::optional<bool> synchronized, absl::Time started, absl::Time now) {
  CheckLine line{Level::kOk, "clock", "", "", "", "It is kept right."};
  line.found = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone());
  if (started > now + kClockPatience) {
    line.level = Level::kError;
    line.wanted = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ or later", started, absl::UTCTimeZone());
    line.text =
        "The store started later than that by its own clock: one of the two machines has a wrong time. Keep "
        "both by NTP.";
    return line;
  }
  if (!synchronized.has_value()) {
    line.text = "Whether something keeps it right is not known.";
    return line;
  }
  if (*synchronized) return line;
  line.level = Level::kWarning;
  line.text =
      "Nothing keeps it right on this machine, and signatures and certificates have times in them: "
      "timedatectl set-ntp true.";
  return line;
}

std::optional<bool> IsClockSynchronized() {
  timex state = {};
  const int result = adjtimex(&state);
  if (result < 0) return std::nullopt;
  return result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

CheckLine JudgeResolver(std::string servers, bool answers, bool knows_dnssec) {
  CheckLine line{Level::kOk, "resolver",           std::move(servers), "it validates, and is trusted",
                 "",         "DANE works with it."};
  if (!answers) {
    line.level = Level::kError;
    line.found = "no answer";
    line.text = "Without the DNS no mail goes out: look at the server, or name another one (--dns_servers).";
  } else if (!knows_dnssec) {
    line.level = Level::kWarning;
    line.found = "an answer that DNSSEC does not prove";
    line.wanted = "a resolver of your own that validates, at 127.0.0.1 or ::1";
    line.text =
        "Mail goes out without DANE where a relay asks it: run unbound beside the relay, and name it there with "
        "--dns_servers. If the relay has another one already, name that here.";
  }
  return line;
}

}  // namespace mailstead::ctl
