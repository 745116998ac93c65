#include "stored/core/dkim_signer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mail/address.h"
#include "common/mail/mailboxes.h"
#include "common/mailauth/signature_field.h"
#include "stored/core/digest.h"
#include "stored/core/limits.h"
#include "stored/core/offload.h"
#include "stored/rules/lane.h"

namespace mailstead::stored {
namespace {

using engine::DkimKey;
using mailauth::SigningKey;

// Domains whose keys are kept open, of some 10 KB each; and signatures of messages that go to several destinations, of 2 KB.
constexpr size_t kMaxOpenedDomains = 1000;
constexpr size_t kMaxMadeSignatures = 2000;
// Domains of one From field that are looked at.
constexpr size_t kMaxAuthorDomains = 10;
// RFC 5322 section 2.2 bounds the name of a field by its line only; those that we sign are shorter.
constexpr size_t kMaxNameBytes = 64;

constexpr absl::string_view kFrom = "from:";

bool IsName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

absl::Status Check(const SigningRequest& request) {
  if (request.message.value < 1) return FieldError("queue_id", "must be set");
  if (request.recipient_number < 0) return FieldError("recipient_number", "must not be negative");
  if (request.names.empty() || request.names.size() > kMaxSignedNames) {
    return FieldError("names", "must be 1 to 400");
  }
  for (const std::string& name : request.names) {
    if (!IsName(name)) return FieldError("names", "must be names of fields, in lower case");
  }
  if (request.body_sha256.size() != kSha256Bytes) return FieldError("body_sha256", "must have 32 bytes");
  if (request.canonical_header.size() > kMaxSignedHeaderBytes) {
    return FieldError("canonical_header", "must have at most 2 MB");
  }
  if (!absl::EndsWith(request.canonical_header, "\r\n")) {
    return FieldError("canonical_header", "must be whole fields");
  }
  // SECURITY: whose name the signature vouches for is read from what is signed, and from nothing else.
  if (request.names.front() != "from" || !absl::StartsWith(request.canonical_header, kFrom) ||
      absl::StrContains(request.canonical_header, absl::StrCat("\r\n", kFrom))) {
    return FieldError("canonical_header", "must begin with the only From field");
  }
  return absl::OkStatus();
}

// Those that From names, in its order, in A-labels. Empty: it names none.
std::vector<std::string> AuthorDomains(absl::string_view canonical_header) {
  std::vector<std::string> domains;
  const absl::string_view line = canonical_header.substr(0, canonical_header.find("\r\n"));
  const auto authors = ParseMailboxList(absl::StripPrefix(line, kFrom));
  if (!authors.ok()) return domains;
  for (const Address& author : *authors) {
    absl::StatusOr<std::string> domain = NormalizeDomain(author.domain);
    if (!domain.ok() || author.is_literal()) continue;
    if (std::find(domains.begin(), domains.end(), *domain) == domains.end())
      domains.push_back(*std::move(domain));
    if (domains.size() == kMaxAuthorDomains) break;
  }
  return domains;
}

absl::StatusOr<std::string> Fields(const SigningRequest& request, const std::string& domain,
                                   const std::vector<DkimKey>& records, const std::vector<SigningKey>& keys,
                                   absl::Time time) {
  std::string fields;
  for (size_t i = 0; i < keys.size(); ++i) {
    mailauth::Signature signature;
    signature.type = keys[i].type();
    signature.domain = domain;
    signature.selector = records[i].selector;
    signature.time = time;
    signature.names = request.names;
    signature.body_hash = request.body_sha256;
    const std::string unsigned_field = mailauth::UnsignedField(signature);
    Sha256Stream digest;
    digest.Update(request.canonical_header);
    digest.Update(mailauth::HashedField(unsigned_field));
    ASSIGN_OR_RETURN(const std::string bytes, keys[i].Sign(digest.Finish()));
    fields += mailauth::SignedField(unsigned_field, bytes);
  }
  return fields;
}

// What tells one thing to be signed from another.
std::string NameOf(const SigningRequest& request, const std::string& domain) {
  return Sha256(absl::StrCat(domain, "\n", absl::StrJoin(request.names, ":"), "\n", request.body_sha256,
                             request.canonical_header));
}

absl::Status NotInFlight() {
  return WithReason(
      absl::PermissionDeniedError("no attempt at this message is under way that is to be signed"),
      kReasonNotInFlight);
}

}  // namespace

DkimSigner::DkimSigner(DkimKeys& keys, engine::DkimEngine& engine, engine::DirectoryEngine& directory,
                       engine::QueueEngine& queue, const Clock& clock, WorkerPool& pool, Executor& executor)
    : keys_(keys),
      engine_(engine),
      directory_(directory),
      queue_(queue),
      clock_(clock),
      pool_(pool),
      executor_(executor),
      opened_(kMaxOpenedDomains),
      made_(kMaxMadeSignatures) {}

void DkimSigner::Tell(DkimObserver::Outcome outcome) {
  if (observer_ != nullptr) observer_->Signed(outcome);
}

Task<absl::StatusOr<bool>> DkimSigner::IsWanted(std::string lane) {
  if (!rules::IsMadeHere(lane)) co_return false;
  // Asked for before the keys are read.
  const int64_t version = directory_.Version();
  if (version == 0 || version != any_key_version_) {
    std::string first;
    CO_ASSIGN_OR_RETURN(const std::vector<engine::DkimDomain> domains,
                        co_await engine_.List(std::move(first), 1, /*only_pending=*/false));
    any_key_ = !domains.empty();
    any_key_version_ = version;
  }
  co_return any_key_;
}

Task<absl::StatusOr<std::string>> DkimSigner::CheckInFlight(QueueId message, int32_t recipient_number) {
  const absl::StatusOr<engine::QueuedMessage> found = co_await queue_.Find(message, recipient_number, 1);
  if (absl::IsNotFound(found.status())) co_return NotInFlight();
  if (!found.ok()) co_return found.status();
  const bool in_flight = !found->recipients.empty() && found->recipients.front().number == recipient_number &&
                         found->recipients.front().in_flight;
  if (!in_flight || !rules::IsMadeHere(found->lane)) co_return NotInFlight();
  co_return found->lane;
}

Task<absl::StatusOr<std::shared_ptr<const DkimSigner::Opened>>> DkimSigner::ActiveKeys(std::string domain) {
  // Asked for before the keys are read: a change that comes in between makes what was read too old, not the version.
  const int64_t version = directory_.Version();
  {
    const Remembered* const remembered = opened_.Find(domain);
    if (remembered != nullptr && version != 0 && remembered->version == version) co_return remembered->opened;
  }
  CO_ASSIGN_OR_RETURN(std::vector<DkimKey> records, co_await engine_.Find(domain));
  std::erase_if(records, [](const DkimKey& key) { return key.state != DkimKey::State::kActive; });
  // RSA first: some verifiers look at the first signature only, and not all know Ed25519.
  std::stable_sort(records.begin(), records.end(),
                   [](const DkimKey& a, const DkimKey& b) { return a.type < b.type; });
  Remembered& remembered = opened_[domain];
  remembered.version = version;
  // Something else of the directory has changed.
  if (remembered.opened != nullptr && remembered.opened->records == records) co_return remembered.opened;
  auto opened = std::make_shared<Opened>();
  for (const DkimKey& record : records) {
    absl::StatusOr<SigningKey> key = keys_.Open(domain, record);
    if (!key.ok()) {
      opened->error = key.status();
      if (observer_ != nullptr) observer_->CannotOpen(domain, key.status());
      break;
    }
    opened->keys.push_back(*std::move(key));
  }
  opened->records = std::move(records);
  remembered.opened = opened;
  co_return remembered.opened;
}

Task<absl::StatusOr<DkimSigner::Signing>> DkimSigner::Choose(std::vector<std::string> author_domains,
                                                             bool with_parents) {
  Signing signing;
  for (std::string& domain : author_domains) {
    for (;;) {
      CO_ASSIGN_OR_RETURN(std::shared_ptr<const Opened> opened, co_await ActiveKeys(domain));
      if (!opened->error.ok()) co_return opened->error;
      if (!opened->keys.empty()) {
        signing.domain = domain;
        signing.by = std::move(opened);
        co_return signing;
      }
      const size_t dot = domain.find('.');
      if (!with_parents || dot == std::string::npos) break;
      domain.erase(0, dot + 1);
    }
  }
  co_return signing;
}

Task<absl::StatusOr<std::string>> DkimSigner::MakeOnce(SigningRequest request, Signing signing) {
  const std::string name = NameOf(request, signing.domain);
  for (;;) {
    if (const Made* const made = made_.Find(name); made != nullptr && made->by == signing.by)
      co_return made->fields;
    const auto [under_way, is_new] = under_way_.try_emplace(name);
    if (is_new) break;
    Arrival<bool> ended;
    under_way->second.push_back(&ended);
    co_await ended;
  }
  const absl::Time now = clock_.Now();
  const auto work = [&request, &signing, now] {
    return Fields(request, signing.domain, signing.by->records, signing.by->keys, now);
  };
  absl::StatusOr<absl::StatusOr<std::string>> worked = co_await Offload(pool_, executor_, work);
  absl::StatusOr<std::string> fields = worked.ok() ? *std::move(worked) : worked.status();
  if (fields.ok()) made_[name] = {signing.by, *fields};
  const auto waiting = std::move(under_way_.at(name));
  under_way_.erase(name);
  // Where it has failed each of them tries by itself.
  for (Arrival<bool>* const ended : waiting) ended->Set(true);
  co_return fields;
}

Task<absl::StatusOr<std::string>> DkimSigner::SignChecked(SigningRequest request) {
  CO_ASSIGN_OR_RETURN(const std::string lane,
                      co_await CheckInFlight(request.message, request.recipient_number));
  std::vector<std::string> authors = AuthorDomains(request.canonical_header);
  if (authors.empty()) {
    Tell(DkimObserver::Outcome::kNoAuthor);
    co_return std::string();
  }
  // Notices are of our host's name, which is mostly below a domain that has mailboxes.
  CO_ASSIGN_OR_RETURN(Signing signing, co_await Choose(std::move(authors), lane == rules::kNoticeLane));
  if (signing.by == nullptr) {
    Tell(DkimObserver::Outcome::kNoKey);
    co_return std::string();
  }
  CO_ASSIGN_OR_RETURN(std::string fields, co_await MakeOnce(std::move(request), std::move(signing)));
  Tell(DkimObserver::Outcome::kSigned);
  co_return fields;
}

Task<absl::StatusOr<std::string>> DkimSigner::Sign(SigningRequest request) {
  CO_RETURN_IF_ERROR(Check(request));
  absl::StatusOr<std::string> fields = co_await SignChecked(std::move(request));
  if (!fields.ok() && !absl::IsPermissionDenied(fields.status())) Tell(DkimObserver::Outcome::kFailed);
  co_return fields;
}

}  // namespace mailstead::stored
