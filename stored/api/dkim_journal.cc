#include "stored/api/dkim_journal.h"

#include "common/obs/log.h"

namespace mailstead::stored {

void DkimJournal::Activated(const std::string& domain, const std::string& selector) {
  obs::LogInfo("dkim_key_activated", {{"domain", domain}, {"selector", selector}});
}

void DkimJournal::CannotOpen(const std::string& domain, const absl::Status& why) {
  obs::LogError("dkim_key_unusable", {{"domain", domain}, {"error", why.ToString()}});
}

}  // namespace mailstead::stored
