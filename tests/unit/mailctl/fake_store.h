// A store in memory behind a real gRPC server, for the tests of mailctl: it keeps what it is told, pages in
// small pages, and checks the token. It knows none of the store's rules but those the tests need.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mailstead::ctl {

class FakeStore {
 public:
  static constexpr char kToken[] = "the-operators-token";

  struct Message {
    uint64_t id = 0;
    std::string content;
    std::string reverse_path;
    std::string recipient;
  };
  struct Account {
    std::string address;
    uint64_t mailbox_id = 0;
    bool disabled = false;
    uint64_t quota_bytes = 0;
    uint64_t quota_messages = 0;
    std::string plain;
    std::string hash;
    std::vector<Message> messages;
  };
  struct State {
    std::map<std::string, bool> domains;  // name -> plus addressing
    std::map<std::string, Account> accounts;
    std::map<std::string, std::vector<std::string>> aliases;
    std::vector<std::string> delivery_ids;
    // Of BatchCreateAccounts calls.
    std::vector<int> batch_sizes;
    // Every call ends with this when it is not OK.
    absl::Status failure;
    // Pages are at most this long.
    int page_size = 2;
    // For GetStatus.
    bool healthy = true;
    // For VerifyMessages.
    bool damaged = false;
  };

  FakeStore();
  ~FakeStore();
  // "127.0.0.1:port"
  const std::string& address() const;
  // Read and changed between calls only.
  State& state();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mailstead::ctl
