#include "stored/api/dkim.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/mailauth/tag_list.h"
#include "stored/api/convert/dkim.h"
#include "stored/api/convert/values.h"
#include "stored/api/visible.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"

namespace mailstead::stored {
namespace {

namespace fv1 = frontend::v1;
namespace v1 = store::v1;

void SetTarget(rpc::Call& call, const std::string& domain, const std::string& selector) {
  call.SetTarget(absl::StrCat("DKIM key ", selector, selector.empty() ? "of " : " of ", domain));
}

void Give(Environment& environment, const std::string& domain, const engine::DkimKey& key,
          v1::DkimKey& response) {
  ToProto(domain, key, environment.core.dkim_keys.SightingOf(domain, key.selector), response);
}

absl::Status CheckRecords(const fv1::KeyRecords& seen) {
  if (static_cast<size_t>(seen.records_size()) > kMaxKeyRecords)
    return FieldError("keys.records", "must be at most 10");
  for (const std::string& record : seen.records()) {
    if (record.size() > mailauth::kMaxTagListBytes) {
      return FieldError("keys.records", "must have at most 16384 bytes");
    }
  }
  return absl::OkStatus();
}

}  // namespace

Task<absl::Status> CreateDkimKey(Environment& environment, rpc::Call& call,
                                 const v1::CreateDkimKeyRequest& request, v1::DkimKey& response) {
  SetTarget(call, request.domain(), request.selector());
  CO_RETURN_IF_ERROR(CheckDomain(call, "domain", request.domain()));
  CO_ASSIGN_OR_RETURN(NewDkimKey wanted, FromProto(request));
  CO_ASSIGN_OR_RETURN(const DkimKeys::Named made,
                      co_await environment.core.dkim_keys.Create(std::move(wanted)));
  SetTarget(call, made.domain, made.key.selector);
  Give(environment, made.domain, made.key, response);
  co_return absl::OkStatus();
}

Task<absl::Status> ListDkimKeys(Environment& environment, rpc::Call& call,
                                const v1::ListDkimKeysRequest& request, v1::ListDkimKeysResponse& response) {
  PageRequest page_request{request.page_size(), request.page_token()};
  CO_ASSIGN_OR_RETURN(
      const Page<engine::DkimDomain> page,
      co_await environment.core.dkim_keys.List(request.domain(), std::move(page_request), SightOf(call)));
  for (const engine::DkimDomain& domain : page.items) {
    for (const engine::DkimKey& key : domain.keys) Give(environment, domain.name, key, *response.add_keys());
  }
  response.set_next_page_token(page.next_page_token);
  co_return absl::OkStatus();
}

Task<absl::Status> RotateDkimKeys(Environment& environment, rpc::Call& call,
                                  const v1::RotateDkimKeysRequest& request,
                                  v1::RotateDkimKeysResponse& response) {
  SetTarget(call, request.domain(), "");
  CO_RETURN_IF_ERROR(CheckDomain(call, "domain", request.domain()));
  CO_ASSIGN_OR_RETURN(const std::vector<DkimKeys::Named> rotated,
                      co_await environment.core.dkim_keys.Rotate(request.domain()));
  for (const DkimKeys::Named& named : rotated)
    Give(environment, named.domain, named.key, *response.add_keys());
  co_return absl::OkStatus();
}

Task<absl::Status> ActivateDkimKey(Environment& environment, rpc::Call& call,
                                   const v1::ActivateDkimKeyRequest& request, v1::DkimKey& response) {
  SetTarget(call, request.domain(), request.selector());
  CO_RETURN_IF_ERROR(CheckDomain(call, "domain", request.domain()));
  CO_ASSIGN_OR_RETURN(const int64_t expected_version, ReadEtag(request.etag()));
  CO_ASSIGN_OR_RETURN(
      const DkimKeys::Named named,
      co_await environment.core.dkim_keys.Activate(request.domain(), request.selector(), expected_version));
  Give(environment, named.domain, named.key, response);
  co_return absl::OkStatus();
}

Task<absl::Status> DeleteDkimKey(Environment& environment, rpc::Call& call,
                                 const v1::DeleteDkimKeyRequest& request, v1::DeleteDkimKeyResponse&) {
  SetTarget(call, request.domain(), request.selector());
  CO_RETURN_IF_ERROR(CheckDomain(call, "domain", request.domain()));
  CO_ASSIGN_OR_RETURN(const int64_t expected_version, ReadEtag(request.etag()));
  co_return co_await environment.core.dkim_keys.Delete(request.domain(), request.selector(), expected_version,
                                                       request.even_active());
}

Task<absl::Status> SignMessage(Environment& environment, rpc::Call&, const fv1::SignMessageRequest& request,
                               fv1::SignMessageResponse& response) {
  SigningRequest wanted = FromProto(request);
  CO_ASSIGN_OR_RETURN(std::string fields, co_await environment.core.dkim_signer.Sign(std::move(wanted)));
  response.set_fields(std::move(fields));
  co_return absl::OkStatus();
}

Task<absl::Status> ListPendingKeys(Environment& environment, rpc::Call&, const fv1::ListPendingKeysRequest&,
                                   fv1::ListPendingKeysResponse& response) {
  CO_ASSIGN_OR_RETURN(const std::vector<DkimKeys::Wanted> wanted,
                      co_await environment.core.dkim_keys.NextLooks());
  for (const DkimKeys::Wanted& key : wanted) {
    fv1::PendingKey& to = *response.add_keys();
    to.set_domain(key.domain);
    to.set_selector(key.selector);
    to.set_record_name(mailauth::KeyRecordName(key.domain, key.selector));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReportKeyRecords(Environment& environment, rpc::Call&,
                                    const fv1::ReportKeyRecordsRequest& request,
                                    fv1::ReportKeyRecordsResponse&) {
  const size_t count = static_cast<size_t>(request.keys_size());
  if (count < 1 || count > kMaxLooks) co_return FieldError("keys", "must be 1 to 20");
  for (const fv1::KeyRecords& seen : request.keys()) {
    CO_RETURN_IF_ERROR(CheckRecords(seen));
    CO_ASSIGN_OR_RETURN(std::string domain, CheckDomainName("keys.domain", seen.domain()));
    if (!mailauth::IsSelector(seen.selector())) co_return FieldError("keys.selector", "must be a selector");
    std::optional<std::vector<std::string>> records;
    if (!seen.failed()) records.emplace(seen.records().begin(), seen.records().end());
    DkimKeys::Wanted key{std::move(domain), seen.selector()};
    CO_RETURN_IF_ERROR(co_await environment.core.dkim_keys.Note(std::move(key), std::move(records)));
  }
  co_return absl::OkStatus();
}

}  // namespace mailstead::stored
