#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "stored/core/limits.h"
#include "stored/core/paging.h"
#include "stored/service/convert.h"
#include "stored/service/mailbox_streams.h"
#include "stored/service/maildrop.h"
#include "stored/service/services.h"
#include "stored/service/unary.h"

namespace mailstead::store {
namespace {

using Async = v1::MailboxService::AsyncService;

class MailboxService final : public Service {
 public:
  explicit MailboxService(Environment& environment)
      : environment_(environment), engine_(environment.engine) {}

  grpc::Service& registered() override { return async_; }

  void Serve(CallLoop& loop) override {
    ServeDeliver(loop, async_);
    ServeOpenMaildrop(loop, async_);
    ServeFetchMessage(loop, async_);
    const auto serve = [&](absl::string_view method, auto request_caller, auto answer) {
      ServeUnary(loop, method, async_, request_caller, std::bind_front(answer, this));
    };
    serve("MailboxService/CommitMaildrop", &Async::RequestCommitMaildrop, &MailboxService::CommitMaildrop);
    serve("MailboxService/ReleaseMaildrop", &Async::RequestReleaseMaildrop, &MailboxService::ReleaseMaildrop);
    serve("MailboxService/RenewLease", &Async::RequestRenewLease, &MailboxService::RenewLease);
    serve("MailboxService/EndLease", &Async::RequestEndLease, &MailboxService::EndLease);
    serve("MailboxService/ListMessages", &Async::RequestListMessages, &MailboxService::ListMessages);
    serve("MailboxService/DeleteMessages", &Async::RequestDeleteMessages, &MailboxService::DeleteMessages);
  }

 private:
  void CommitMaildrop(const v1::CommitMaildropRequest& request, v1::CommitMaildropResponse&, Answered done) {
    if (const absl::Status checked = CheckCommit(request); !checked.ok()) return done(checked);
    engine_.CommitMaildrop(MailboxId{request.mailbox_id()}, LeaseToken{request.token()},
                           ToMessageIds(request.message_ids()),
                           [this, &request, done, began = absl::Now()](const absl::Status& committed) {
                             LogCommit(environment_, request, committed, absl::Now() - began);
                             done(committed);
                           });
  }

  void ReleaseMaildrop(const v1::ReleaseMaildropRequest& request, v1::ReleaseMaildropResponse&,
                       Answered done) {
    if (const absl::Status checked = CheckRelease(request); !checked.ok()) return done(checked);
    engine_.ReleaseMaildrop(MailboxId{request.mailbox_id()}, LeaseToken{request.token()}, done);
  }

  absl::Status RenewLease(const v1::RenewLeaseRequest& request, v1::RenewLeaseResponse&) {
    return store::RenewLease(engine_, request);
  }

  absl::Status EndLease(const v1::EndLeaseRequest& request, v1::EndLeaseResponse&) {
    return store::EndLease(engine_, request);
  }

  absl::Status DeleteMessages(const v1::DeleteMessagesRequest& request,
                              v1::DeleteMessagesResponse& response) {
    if (request.mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
    const size_t count = request.message_ids_size();
    if (count == 0 || count > kMaxDeleteMessages) return FieldError("message_ids", "must be 1 to 10000");
    ASSIGN_OR_RETURN(const uint64_t deleted, engine_.DeleteMessages(MailboxId{request.mailbox_id()},
                                                                    ToMessageIds(request.message_ids())));
    response.set_deleted_count(deleted);
    return absl::OkStatus();
  }

  absl::Status ListMessages(const v1::ListMessagesRequest& request, v1::ListMessagesResponse& response) {
    if (request.mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
    ASSIGN_OR_RETURN(const size_t page_size, CheckPageSize(request.page_size()));
    const std::string listing = absl::StrCat("messages/", request.mailbox_id());
    ASSIGN_OR_RETURN(const std::string token, ReadPageToken(listing, request.page_token()));
    MessageId after;
    if (!token.empty() && !absl::SimpleAtoi(token, &after.value)) {
      return FieldError("page_token", "must be the next_page_token of the page before");
    }
    ASSIGN_OR_RETURN(std::vector<MessageSummary> messages,
                     engine_.ListMessages(MailboxId{request.mailbox_id()}, after, page_size + 1));
    if (messages.size() > page_size) {
      messages.pop_back();
      response.set_next_page_token(MakePageToken(listing, absl::StrCat(messages.back().id.value)));
    }
    for (const MessageSummary& message : messages) ToProto(message, *response.add_messages());
    return absl::OkStatus();
  }

  Environment& environment_;
  Engine& engine_;
  Async async_;
};

}  // namespace

std::unique_ptr<Service> MakeMailboxService(Environment& environment) {
  return std::make_unique<MailboxService>(environment);
}

}  // namespace mailstead::store
