#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/base/status.h"
#include "common/obs/log.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"
#include "stored/core/limits.h"
#include "stored/core/names.h"
#include "stored/core/paging.h"
#include "stored/service/call.h"
#include "stored/service/convert.h"
#include "stored/service/deliver.h"
#include "stored/service/maildrop.h"
#include "stored/service/services.h"

namespace mailstead::store {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class MailboxService final : public v1::MailboxService::CallbackService {
 public:
  explicit MailboxService(Environment& environment)
      : environment_(environment), engine_(environment.engine) {}

  grpc::ServerReadReactor<v1::DeliverRequest>* Deliver(CallbackServerContext* context,
                                                       v1::DeliverResponse* response) override {
    return NewDeliverReactor(environment_, context, response);
  }

  grpc::ServerWriteReactor<v1::OpenMaildropResponse>* OpenMaildrop(
      CallbackServerContext* context, const v1::OpenMaildropRequest* request) override {
    return NewOpenMaildropReactor(environment_, context, request);
  }

  grpc::ServerWriteReactor<v1::FetchMessageResponse>* FetchMessage(
      CallbackServerContext* context, const v1::FetchMessageRequest* request) override {
    return NewFetchMessageReactor(environment_, context, request);
  }

  ServerUnaryReactor* CommitMaildrop(CallbackServerContext* context, const v1::CommitMaildropRequest* request,
                                     v1::CommitMaildropResponse*) override {
    const Call call(environment_, context, "MailboxService/CommitMaildrop", Call::Kind::kUnary);
    return RunAsync(call, context, [=, this](auto done) {
      if (const absl::Status checked = CheckCommit(*request); !checked.ok()) return done(checked);
      engine_.CommitMaildrop(MailboxId{request->mailbox_id()}, LeaseToken{request->token()},
                             ToMessageIds(request->message_ids()), [=, this](absl::Status committed) {
                               LogCommit(environment_, *request, committed, call.Took());
                               done(committed);
                             });
    });
  }

  ServerUnaryReactor* ReleaseMaildrop(CallbackServerContext* context,
                                      const v1::ReleaseMaildropRequest* request,
                                      v1::ReleaseMaildropResponse*) override {
    const Call call(environment_, context, "MailboxService/ReleaseMaildrop", Call::Kind::kUnary);
    return RunAsync(call, context, [=, this](auto done) {
      if (const absl::Status checked = CheckRelease(*request); !checked.ok()) return done(checked);
      engine_.ReleaseMaildrop(MailboxId{request->mailbox_id()}, LeaseToken{request->token()},
                              [=](absl::Status released) { done(released); });
    });
  }

  ServerUnaryReactor* RenewLease(CallbackServerContext* context, const v1::RenewLeaseRequest* request,
                                 v1::RenewLeaseResponse*) override {
    return Run("MailboxService/RenewLease", context,
               [=, this] { return store::RenewLease(engine_, *request); });
  }

  ServerUnaryReactor* EndLease(CallbackServerContext* context, const v1::EndLeaseRequest* request,
                               v1::EndLeaseResponse*) override {
    return Run("MailboxService/EndLease", context, [=, this] { return store::EndLease(engine_, *request); });
  }

  ServerUnaryReactor* ListMessages(CallbackServerContext* context, const v1::ListMessagesRequest* request,
                                   v1::ListMessagesResponse* response) override {
    return Run("MailboxService/ListMessages", context, [=, this] { return ListPage(*request, *response); });
  }

  ServerUnaryReactor* DeleteMessages(CallbackServerContext* context, const v1::DeleteMessagesRequest* request,
                                     v1::DeleteMessagesResponse* response) override {
    return Run("MailboxService/DeleteMessages", context, [=, this]() -> absl::Status {
      if (request->mailbox_id() == 0) return FieldError("mailbox_id", "must be set");
      const size_t count = request->message_ids_size();
      if (count == 0 || count > kMaxDeleteMessages) return FieldError("message_ids", "must be 1 to 10000");
      ASSIGN_OR_RETURN(const uint64_t deleted, engine_.DeleteMessages(MailboxId{request->mailbox_id()},
                                                                      ToMessageIds(request->message_ids())));
      response->set_deleted_count(deleted);
      return absl::OkStatus();
    });
  }

 private:
  template <typename Work>
  ServerUnaryReactor* Run(absl::string_view method, CallbackServerContext* context, Work work) {
    return RunOnPool(Call(environment_, context, method, Call::Kind::kUnary), context, std::move(work));
  }

  absl::Status ListPage(const v1::ListMessagesRequest& request, v1::ListMessagesResponse& response) {
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
};

}  // namespace

std::unique_ptr<grpc::Service> MakeMailboxService(Environment& environment) {
  return std::make_unique<MailboxService>(environment);
}

}  // namespace mailstead::store
