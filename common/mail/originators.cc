#include "common/mail/originators.h"

#include <algorithm>

#include "common/mail/mailboxes.h"

namespace mailstead {

void Originators::OnField(const HeaderField& field) {
  if (!field.Is("From") && !field.Is("Sender")) return;
  const absl::StatusOr<std::vector<Address>> mailboxes = ParseMailboxList(field.Unfolded());
  if (field.cut || !mailboxes.ok() || mailboxes->empty()) {
    readable_ = false;
    return;
  }
  for (const Address& mailbox : *mailboxes) {
    std::string address = mailbox.ToString();
    if (std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end()) continue;
    if (addresses_.size() == kMaxOriginators) {
      readable_ = false;
      return;
    }
    addresses_.push_back(std::move(address));
  }
}

}  // namespace mailstead
