#include "tests/unit/mailctl/fake_store.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/rpc/errors.h"
#include "mailstead/store/v1/admin.grpc.pb.h"
#include "mailstead/store/v1/directory.grpc.pb.h"
#include "mailstead/store/v1/mailbox.grpc.pb.h"

namespace mailstead::ctl {
namespace {

namespace v1 = ::mailstead::store::v1;
using Context = grpc::ServerContext;

class Guard {
 public:
  Guard(absl::Mutex& mutex, FakeStore::State& state) : mutex_(mutex), state_(state) {}

  // What every call begins with.
  absl::Status Enter(const Context& context) {
    const auto& metadata = context.client_metadata();
    const auto it = metadata.find("authorization");
    const std::string expected = absl::StrCat("Bearer ", FakeStore::kToken);
    if (it == metadata.end() || std::string(it->second.data(), it->second.size()) != expected) {
      return absl::UnauthenticatedError("no such token");
    }
    return state_.failure;
  }
  absl::Mutex& mutex() { return mutex_; }
  FakeStore::State& state() { return state_; }

 private:
  absl::Mutex& mutex_;
  FakeStore::State& state_;
};

#define ENTER(context)                                                                             \
  if (absl::Status entered = guard_.Enter(*(context)); !entered.ok()) return rpc::ToGrpc(entered); \
  absl::MutexLock lock(&guard_.mutex());                                                           \
  [[maybe_unused]] FakeStore::State& state = guard_.state()

grpc::Status NotFound(const std::string& name) {
  return rpc::ToGrpc(absl::NotFoundError(absl::StrCat("no ", name)));
}

// One page of `map`: calls `add` for each element; returns the next token.
template <typename Map, typename Add>
std::string Page(const Map& map, const std::string& token, int page_size, Add add) {
  auto it = map.upper_bound(token);
  if (token.empty()) it = map.begin();
  std::string last;
  for (int count = 0; it != map.end() && count < page_size; ++it, ++count) {
    add(*it);
    last = it->first;
  }
  return it == map.end() ? "" : last;
}

class DirectoryService : public v1::DirectoryService::Service {
 public:
  explicit DirectoryService(Guard& guard) : guard_(guard) {}

  grpc::Status CreateDomain(Context* context, const v1::CreateDomainRequest* request,
                            v1::Domain* response) override {
    ENTER(context);
    if (request->domain().name().empty()) return rpc::ToGrpc(FieldError("domain.name", "is empty"));
    if (!state.domains.emplace(request->domain().name(), request->domain().plus_addressing()).second) {
      return rpc::ToGrpc(absl::AlreadyExistsError("the domain is there"));
    }
    *response = request->domain();
    return grpc::Status::OK;
  }
  grpc::Status GetDomain(Context* context, const v1::GetDomainRequest* request,
                         v1::Domain* response) override {
    ENTER(context);
    const auto it = state.domains.find(request->name());
    if (it == state.domains.end()) return NotFound(request->name());
    response->set_name(it->first);
    response->set_plus_addressing(it->second);
    return grpc::Status::OK;
  }
  grpc::Status ListDomains(Context* context, const v1::ListDomainsRequest* request,
                           v1::ListDomainsResponse* response) override {
    ENTER(context);
    response->set_next_page_token(
        Page(state.domains, request->page_token(), state.page_size,
             [&](const auto& domain) { response->add_domains()->set_name(domain.first); }));
    return grpc::Status::OK;
  }
  grpc::Status UpdateDomain(Context* context, const v1::UpdateDomainRequest* request,
                            v1::Domain* response) override {
    ENTER(context);
    const auto it = state.domains.find(request->domain().name());
    if (it == state.domains.end()) return NotFound(request->domain().name());
    for (const std::string& path : request->update_mask().paths()) {
      if (path == "plus_addressing") it->second = request->domain().plus_addressing();
    }
    response->set_name(it->first);
    response->set_plus_addressing(it->second);
    return grpc::Status::OK;
  }
  grpc::Status DeleteDomain(Context* context, const v1::DeleteDomainRequest* request,
                            v1::DeleteDomainResponse*) override {
    ENTER(context);
    return state.domains.erase(request->name()) > 0 ? grpc::Status::OK : NotFound(request->name());
  }

  grpc::Status CreateAccount(Context* context, const v1::CreateAccountRequest* request,
                             v1::Account* response) override {
    ENTER(context);
    const absl::Status status = Create(state, *request);
    if (status.ok()) Fill(state.accounts.at(request->account().address()), response);
    return rpc::ToGrpc(status);
  }
  grpc::Status BatchCreateAccounts(Context* context, const v1::BatchCreateAccountsRequest* request,
                                   v1::BatchCreateAccountsResponse* response) override {
    ENTER(context);
    state.batch_sizes.push_back(request->requests_size());
    for (const auto& one : request->requests()) {
      const absl::Status status = Create(state, one);
      auto* result = response->add_results();
      result->set_code(static_cast<int>(status.code()));
      result->set_error(std::string(status.message()));
    }
    return grpc::Status::OK;
  }
  grpc::Status GetAccount(Context* context, const v1::GetAccountRequest* request,
                          v1::Account* response) override {
    ENTER(context);
    const auto it = state.accounts.find(request->address());
    if (it == state.accounts.end()) return NotFound(request->address());
    Fill(it->second, response);
    return grpc::Status::OK;
  }
  grpc::Status ListAccounts(Context* context, const v1::ListAccountsRequest* request,
                            v1::ListAccountsResponse* response) override {
    ENTER(context);
    std::map<std::string, FakeStore::Account> matching;
    for (const auto& [address, account] : state.accounts) {
      if (request->domain().empty() || address.substr(address.find('@') + 1) == request->domain()) {
        matching[address] = account;
      }
    }
    response->set_next_page_token(
        Page(matching, request->page_token(), state.page_size,
             [&](const auto& account) { Fill(account.second, response->add_accounts()); }));
    return grpc::Status::OK;
  }
  grpc::Status UpdateAccount(Context* context, const v1::UpdateAccountRequest* request,
                             v1::Account* response) override {
    ENTER(context);
    const auto it = state.accounts.find(request->account().address());
    if (it == state.accounts.end()) return NotFound(request->account().address());
    for (const std::string& path : request->update_mask().paths()) {
      if (path == "disabled") it->second.disabled = request->account().disabled();
      if (path == "quota_bytes") it->second.quota_bytes = request->account().quota_bytes();
      if (path == "quota_messages") it->second.quota_messages = request->account().quota_messages();
    }
    Fill(it->second, response);
    return grpc::Status::OK;
  }
  grpc::Status SetPassword(Context* context, const v1::SetPasswordRequest* request,
                           v1::SetPasswordResponse*) override {
    ENTER(context);
    const auto it = state.accounts.find(request->address());
    if (it == state.accounts.end()) return NotFound(request->address());
    it->second.plain = request->password().plain();
    it->second.hash = request->password().crypt_hash();
    return grpc::Status::OK;
  }
  grpc::Status DeleteAccount(Context* context, const v1::DeleteAccountRequest* request,
                             v1::DeleteAccountResponse*) override {
    ENTER(context);
    return state.accounts.erase(request->address()) > 0 ? grpc::Status::OK : NotFound(request->address());
  }

  grpc::Status CreateAlias(Context* context, const v1::CreateAliasRequest* request,
                           v1::Alias* response) override {
    ENTER(context);
    const auto& alias = request->alias();
    state.aliases[alias.address()].assign(alias.targets().begin(), alias.targets().end());
    *response = alias;
    return grpc::Status::OK;
  }
  grpc::Status GetAlias(Context* context, const v1::GetAliasRequest* request, v1::Alias* response) override {
    ENTER(context);
    const auto it = state.aliases.find(request->address());
    if (it == state.aliases.end()) return NotFound(request->address());
    response->set_address(it->first);
    for (const std::string& target : it->second) response->add_targets(target);
    return grpc::Status::OK;
  }
  grpc::Status ListAliases(Context* context, const v1::ListAliasesRequest* request,
                           v1::ListAliasesResponse* response) override {
    ENTER(context);
    response->set_next_page_token(
        Page(state.aliases, request->page_token(), state.page_size, [&](const auto& alias) {
          v1::Alias* added = response->add_aliases();
          added->set_address(alias.first);
          for (const std::string& target : alias.second) added->add_targets(target);
        }));
    return grpc::Status::OK;
  }
  grpc::Status UpdateAlias(Context* context, const v1::UpdateAliasRequest* request,
                           v1::Alias* response) override {
    ENTER(context);
    const auto it = state.aliases.find(request->alias().address());
    if (it == state.aliases.end()) return NotFound(request->alias().address());
    if (request->update_mask().paths_size() == 1 && request->update_mask().paths(0) == "targets") {
      it->second.assign(request->alias().targets().begin(), request->alias().targets().end());
    }
    *response = request->alias();
    return grpc::Status::OK;
  }
  grpc::Status DeleteAlias(Context* context, const v1::DeleteAliasRequest* request,
                           v1::DeleteAliasResponse*) override {
    ENTER(context);
    return state.aliases.erase(request->address()) > 0 ? grpc::Status::OK : NotFound(request->address());
  }

  grpc::Status ResolveRecipient(Context* context, const v1::ResolveRecipientRequest* request,
                                v1::ResolveRecipientResponse* response) override {
    ENTER(context);
    const auto it = state.accounts.find(request->address());
    response->set_outcome(it == state.accounts.end() ? v1::ResolveRecipientResponse::OUTCOME_UNKNOWN
                                                     : v1::ResolveRecipientResponse::OUTCOME_LOCAL);
    if (it != state.accounts.end()) response->add_mailbox_ids(it->second.mailbox_id);
    return grpc::Status::OK;
  }

 private:
  static absl::Status Create(FakeStore::State& state, const v1::CreateAccountRequest& request) {
    const std::string& address = request.account().address();
    if (state.domains.count(address.substr(address.find('@') + 1)) == 0) {
      return absl::NotFoundError("the domain is not there");
    }
    if (state.accounts.count(address) > 0) return absl::AlreadyExistsError("the account is there");
    FakeStore::Account& account = state.accounts[address];
    account.address = address;
    account.mailbox_id = state.accounts.size();
    account.disabled = request.account().disabled();
    account.quota_bytes = request.account().quota_bytes();
    account.quota_messages = request.account().quota_messages();
    account.plain = request.password().plain();
    account.hash = request.password().crypt_hash();
    return absl::OkStatus();
  }

  static void Fill(const FakeStore::Account& account, v1::Account* response) {
    response->set_address(account.address);
    response->set_mailbox_id(account.mailbox_id);
    response->set_disabled(account.disabled);
    response->set_quota_bytes(account.quota_bytes);
    response->set_quota_messages(account.quota_messages);
    response->set_message_count(account.messages.size());
    response->set_password_kind(!account.hash.empty()    ? v1::PASSWORD_KIND_CRYPT
                                : !account.plain.empty() ? v1::PASSWORD_KIND_SCRAM_SHA_256
                                                         : v1::PASSWORD_KIND_NONE);
  }

  Guard& guard_;
};

class MailboxService : public v1::MailboxService::Service {
 public:
  explicit MailboxService(Guard& guard) : guard_(guard) {}

  grpc::Status Deliver(Context* context, grpc::ServerReader<v1::DeliverRequest>* reader,
                       v1::DeliverResponse* response) override {
    v1::DeliverEnvelope envelope;
    std::string content;
    bool last = false;
    v1::DeliverRequest request;
    while (reader->Read(&request)) {
      if (request.has_envelope()) envelope = request.envelope();
      content += request.content();
      last = request.last();
    }
    ENTER(context);
    if (!last) return rpc::ToGrpc(absl::CancelledError("not finished"));
    response->set_delivery_id(envelope.delivery_id());
    if (std::find(state.delivery_ids.begin(), state.delivery_ids.end(), envelope.delivery_id()) !=
        state.delivery_ids.end()) {
      response->set_already_stored(true);
      return grpc::Status::OK;
    }
    for (const auto& recipient : envelope.recipients()) {
      if (state.accounts.count(recipient.address()) == 0) return NotFound(recipient.address());
    }
    state.delivery_ids.push_back(envelope.delivery_id());
    for (const auto& recipient : envelope.recipients()) {
      auto& messages = state.accounts[recipient.address()].messages;
      messages.push_back({messages.size() + 1, content, envelope.reverse_path(), recipient.address()});
    }
    return grpc::Status::OK;
  }

  grpc::Status ListMessages(Context* context, const v1::ListMessagesRequest* request,
                            v1::ListMessagesResponse* response) override {
    ENTER(context);
    FakeStore::Account* account = ByMailbox(state, request->mailbox_id());
    if (account == nullptr) return NotFound("mailbox");
    uint64_t from = 0;
    if (!request->page_token().empty()) CHECK(absl::SimpleAtoi(request->page_token(), &from));
    const uint64_t until =
        std::min<uint64_t>(account->messages.size(), from + static_cast<uint64_t>(state.page_size));
    for (uint64_t i = from; i < until; ++i) {
      const FakeStore::Message& message = account->messages[i];
      v1::MessageSummary* summary = response->add_messages();
      summary->set_message_id(message.id);
      summary->set_size_bytes(message.content.size());
      summary->set_reverse_path(message.reverse_path);
      summary->set_recipient(message.recipient);
      summary->set_sha256("\x01\x02");
    }
    if (until < account->messages.size()) response->set_next_page_token(absl::StrCat(until));
    return grpc::Status::OK;
  }

  grpc::Status FetchMessage(Context* context, const v1::FetchMessageRequest* request,
                            grpc::ServerWriter<v1::FetchMessageResponse>* writer) override {
    ENTER(context);
    FakeStore::Account* account = ByMailbox(state, request->mailbox_id());
    if (account == nullptr) return NotFound("mailbox");
    for (const FakeStore::Message& message : account->messages) {
      if (message.id != request->message_id()) continue;
      // In small pieces.
      for (size_t at = 0; at < message.content.size(); at += 7) {
        v1::FetchMessageResponse response;
        response.set_content(message.content.substr(at, 7));
        writer->Write(response);
      }
      return grpc::Status::OK;
    }
    return NotFound("message");
  }

  grpc::Status DeleteMessages(Context* context, const v1::DeleteMessagesRequest* request,
                              v1::DeleteMessagesResponse* response) override {
    ENTER(context);
    FakeStore::Account* account = ByMailbox(state, request->mailbox_id());
    if (account == nullptr) return NotFound("mailbox");
    for (const uint64_t id : request->message_ids()) {
      const size_t erased = std::erase_if(
          account->messages, [&](const FakeStore::Message& message) { return message.id == id; });
      response->set_deleted_count(response->deleted_count() + erased);
    }
    return grpc::Status::OK;
  }

 private:
  static FakeStore::Account* ByMailbox(FakeStore::State& state, uint64_t id) {
    for (auto& [address, account] : state.accounts) {
      if (account.mailbox_id == id) return &account;
    }
    return nullptr;
  }

  Guard& guard_;
};

class AdminService : public v1::AdminService::Service {
 public:
  explicit AdminService(Guard& guard) : guard_(guard) {}

  grpc::Status GetStatus(Context* context, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    ENTER(context);
    response->set_version("9.9.9");
    response->set_engine("memory");
    response->set_healthy(state.healthy);
    if (!state.healthy) response->set_health_detail("the disk is full");
    response->set_account_count(state.accounts.size());
    v1::Lease* lease = response->add_leases();
    lease->set_holder("host pop3d 42");
    lease->set_lease_id("abcdefghijklmnop");
    lease->mutable_remaining()->set_seconds(5);
    return grpc::Status::OK;
  }
  grpc::Status VerifyMessages(Context* context, const v1::VerifyMessagesRequest* request,
                              grpc::ServerWriter<v1::VerifyMessagesResponse>* writer) override {
    ENTER(context);
    v1::VerifyMessagesResponse response;
    if (state.damaged) {
      response.set_mailbox_id(request->mailbox_id());
      response.set_message_id(3);
      response.set_error("SHA-256 differs");
      writer->Write(response);
    }
    response.Clear();
    response.set_checked_count(10);
    response.set_damaged_count(state.damaged ? 1 : 0);
    writer->Write(response);
    return grpc::Status::OK;
  }

 private:
  Guard& guard_;
};

}  // namespace

struct FakeStore::Impl {
  absl::Mutex mutex;
  State state;
  Guard guard{mutex, state};
  DirectoryService directory{guard};
  MailboxService mailbox{guard};
  AdminService admin{guard};
  std::unique_ptr<grpc::Server> server;
  std::string address;
};

FakeStore::FakeStore() : impl_(std::make_unique<Impl>()) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&impl_->directory);
  builder.RegisterService(&impl_->mailbox);
  builder.RegisterService(&impl_->admin);
  impl_->server = builder.BuildAndStart();
  CHECK(impl_->server != nullptr);
  impl_->address = absl::StrCat("127.0.0.1:", port);
}

FakeStore::~FakeStore() { impl_->server->Shutdown(); }

const std::string& FakeStore::address() const { return impl_->address; }
FakeStore::State& FakeStore::state() { return impl_->state; }

}  // namespace mailstead::ctl
