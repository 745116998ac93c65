// Domains and aliases.
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/base/status.h"
#include "stored/engine/rocksdb/engine_impl.h"
#include "stored/engine/rocksdb/keys.h"
#include "stored/engine/rocksdb/listing.h"

namespace mailstead::store {
namespace {

absl::Status NoDomain(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no domain ", name));
}

absl::Status NoAlias(absl::string_view address) {
  return absl::NotFoundError(absl::StrCat("no alias ", address));
}

}  // namespace

absl::Status RocksDbEngine::CreateDomain(const Domain& domain) {
  RETURN_IF_ERROR(health_.CheckSpace());
  return writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = DomainKey(domain.name);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Domain>(batch, Family::kDirectory, key));
    if (existing.has_value())
      return absl::AlreadyExistsError(absl::StrCat("domain ", domain.name, " exists"));
    batch.Put(Family::kDirectory, key, Encode(domain));
    ++batch.counters().domain_count;
    return absl::OkStatus();
  });
}

absl::StatusOr<Domain> RocksDbEngine::GetDomain(absl::string_view name) {
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(auto domain, FindRecord<Domain>(use, Family::kDirectory, DomainKey(name)));
  if (!domain.has_value()) return NoDomain(name);
  return *std::move(domain);
}

absl::StatusOr<std::vector<Domain>> RocksDbEngine::ListDomains(absl::string_view after, size_t limit) {
  const std::string prefix(1, kDomainKind);
  return ListRecords<Domain>(*database_, prefix, after.empty() ? "" : DomainKey(after), limit);
}

absl::Status RocksDbEngine::UpdateDomain(const Domain& domain) {
  return writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = DomainKey(domain.name);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Domain>(batch, Family::kDirectory, key));
    if (!existing.has_value()) return NoDomain(domain.name);
    Domain changed = domain;
    changed.create_time = existing->create_time;
    batch.Put(Family::kDirectory, key, Encode(changed));
    return absl::OkStatus();
  });
}

absl::Status RocksDbEngine::DeleteDomain(absl::string_view name) {
  return writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = DomainKey(name);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Domain>(batch, Family::kDirectory, key));
    if (!existing.has_value()) return NoDomain(name);
    for (const char kind : {kAccountKind, kAliasKind}) {
      ASSIGN_OR_RETURN(const bool used, batch.FindPrefix(Family::kDirectory, AddressPrefix(kind, name)));
      if (used) {
        return absl::FailedPreconditionError(
            absl::StrCat("domain ", name, " still has ", kind == kAccountKind ? "accounts" : "aliases"));
      }
    }
    batch.Delete(Family::kDirectory, key);
    --batch.counters().domain_count;
    return absl::OkStatus();
  });
}

absl::Status RocksDbEngine::CreateAlias(const Alias& alias) {
  RETURN_IF_ERROR(health_.CheckSpace());
  return writer_->Run([&](Batch& batch) -> absl::Status {
    RETURN_IF_ERROR(CheckAddressIsFree(batch, alias.address));
    batch.Put(Family::kDirectory, AddressKey(kAliasKind, alias.address), Encode(alias));
    ++batch.counters().alias_count;
    return absl::OkStatus();
  });
}

absl::StatusOr<Alias> RocksDbEngine::GetAlias(absl::string_view address) {
  const Database::Use use(*database_);
  RETURN_IF_ERROR(use.status());
  ASSIGN_OR_RETURN(auto alias, FindRecord<Alias>(use, Family::kDirectory, AddressKey(kAliasKind, address)));
  if (!alias.has_value()) return NoAlias(address);
  return *std::move(alias);
}

absl::StatusOr<std::vector<Alias>> RocksDbEngine::ListAliases(absl::string_view domain,
                                                              absl::string_view after, size_t limit) {
  return ListRecords<Alias>(*database_, AddressPrefix(kAliasKind, domain),
                            after.empty() ? "" : AddressKey(kAliasKind, after), limit);
}

absl::Status RocksDbEngine::UpdateAlias(const Alias& alias) {
  return writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = AddressKey(kAliasKind, alias.address);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Alias>(batch, Family::kDirectory, key));
    if (!existing.has_value()) return NoAlias(alias.address);
    Alias changed = alias;
    changed.create_time = existing->create_time;
    batch.Put(Family::kDirectory, key, Encode(changed));
    return absl::OkStatus();
  });
}

absl::Status RocksDbEngine::DeleteAlias(absl::string_view address) {
  return writer_->Run([&](Batch& batch) -> absl::Status {
    const std::string key = AddressKey(kAliasKind, address);
    ASSIGN_OR_RETURN(const auto existing, FindRecord<Alias>(batch, Family::kDirectory, key));
    if (!existing.has_value()) return NoAlias(address);
    batch.Delete(Family::kDirectory, key);
    --batch.counters().alias_count;
    return absl::OkStatus();
  });
}

}  // namespace mailstead::store
