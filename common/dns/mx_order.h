// The hosts that take mail for a domain, in the order in which they are tried (RFC 5321 section 5.1). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "common/dns/answer.h"

namespace mailstead::dns {

// Gives a number below `bound`, which is not 0; each as often as any other.
using RandomBelow = absl::FunctionRef<size_t(size_t bound)>;

struct Exchanger {
  uint16_t preference = 0;
  std::string host;

  bool operator==(const Exchanger&) const = default;
};

enum class MxOutcome {
  // There are hosts to try.
  kHosts,
  // No MX record, but the domain may be a host itself: the one in the list (implicit MX, RFC 5321 section 5.1).
  kImplicit,
  // The domain takes no mail (RFC 7505).
  kNullMx,
  // The domain does not exist.
  kNoDomain,
  // All hosts are ourselves, or no better than we are.
  kLoop,
  // MX records, and none with the name of a host.
  kNoHost,
  // The question was not answered.
  kFailed,
};

struct MxOrder {
  MxOutcome outcome = MxOutcome::kFailed;
  std::vector<Exchanger> hosts;
};

// More hosts than these are not tried: some domains have dozens, and no attempt comes that far.
inline constexpr size_t kMaxExchangers = 16;

// `answer` is that for the MX records of `domain`. Lowest preference first, and equal ones in the order that `random`
// gives them; a host that stands twice counts once, where it stands best. Of the host whose name is in `own_names`
// (lower case) and of all that are not better, none is tried: whom they give the mail to is us. At most kMaxExchangers.
// An MX record of "." among others is no null MX and no host (RFC 7505 section 3).
MxOrder OrderExchangers(absl::string_view domain, const Answer& answer,
                        const std::vector<std::string>& own_names, RandomBelow random);

}  // namespace mailstead::dns
