// The store as tests of pop3d need it: the FakeStore with an account in it, and behind pop3d's way to it a
// place where messages go wrong on their way, byte by byte, and where SCRAM can be spoken by a file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/rpc/transport.h"
#include "common/store/ids.h"
#include "mailstead/frontend/v1/auth.pb.h"
#include "mailstead/frontend/v1/maildrop.pb.h"
#include "tests/support/fake_store.h"

namespace mailstead::pop3 {

namespace fv1 = ::mailstead::frontend::v1;

// For one thread.
class PopWay final : public rpc::Transport {
 public:
  // `behind` outlives it.
  explicit PopWay(rpc::Transport& behind) : behind_(behind) {}

  // --- What goes wrong with messages that are fetched. A message is a stream or one of several calls.

  // All fail with this; streams after so many bytes.
  absl::Status fetch_failure;
  size_t fetch_failure_after = 0;
  // These fail.
  std::map<MessageId, absl::Status> message_failures;
  // A message ends in order, but too early.
  std::optional<size_t> fetch_ends_after;
  // Streams come in pieces of so many bytes at most.
  size_t piece_bytes = 65536;

  // --- What was asked.

  // The messages of each group of calls.
  std::vector<std::vector<MessageId>> fetches;
  // By streams.
  size_t fetched_bytes = 0;
  size_t fetches_running = 0;
  // SASL exchanges of more than one step.
  size_t exchanges_running = 0;

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response,
                                     rpc::CallOptions options) override;
  asio::awaitable<std::vector<absl::Status>> CallAll(absl::string_view method,
                                                     std::vector<rpc::OneOfMany> calls,
                                                     rpc::CallOptions options) override;
  std::unique_ptr<rpc::CallStream> Open(absl::string_view method, rpc::CallOptions options) override;

 private:
  class FetchStream;
  class AuthStream;

  absl::Status FailureOf(MessageId message) const;
  absl::Status Fetched(const rpc::OneOfMany& call, absl::Status status) const;

  rpc::Transport& behind_;
};

class PopStore {
 public:
  // The account demo@example.test with the password "secret" is always there.
  PopStore();

  AccountId demo() const { return demo_; }
  AccountId AddAccount(const std::string& address, const std::string& password);
  // Into a mailbox; ids and unique-ids count up from 1 and "uid-1" for all of them. Gives the number.
  int64_t Deliver(AccountId account, std::string content);
  // The numbers of the messages that are there, in order.
  std::vector<int64_t> Kept(AccountId account);
  // From now on the message with this number is lost: nobody finds it, and Kept does not count it.
  void Lose(int64_t number);

  // Another front-end's session holds the maildrop.
  void LockByOther(AccountId account);
  void UnlockByOther(AccountId account);
  // How many maildrops are held.
  size_t locked_count();
  // The store was away for longer than any lease lives.
  void ForgetLeases();
  void SetAway(absl::Status error) { store.way().SetAway(std::move(error)); }

  int calls(const std::string& method) { return store.way().calls(method); }
  // How often the store was asked for anything.
  int calls();
  std::vector<fv1::CommitMaildropRequest> commits();
  // The beginnings of SASL exchanges.
  std::vector<fv1::AuthenticateStart> auth_starts();

  test::FakeStore store;
  PopWay way{store.way()};

 private:
  std::map<AccountId, std::string> accounts_;
  AccountId demo_;
  int64_t last_number_ = 0;
  std::map<MessageId, int64_t> lost_;
};

}  // namespace mailstead::pop3
