// The way to the store of the golden dialogs: it remembers what the store has taken, and plays SCRAM with
// made-up numbers, for the shape of its steps. Everything else is the store's. Used on one thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/transport.h"
#include "mailstead/frontend/v1/delivery.pb.h"
#include "mailstead/store/v1/message.pb.h"

namespace mailstead::smtp {

class Recorder final : public rpc::Transport {
 public:
  // A message that is on disk.
  struct Stored {
    mailstead::store::v1::Envelope envelope;
    std::string content;
    std::string trace;
    // How many pieces it came in.
    int piece_count = 0;
  };

  // `behind` outlives it.
  explicit Recorder(rpc::Transport& behind) : behind_(behind) {}

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response,
                                     rpc::CallOptions options) override;
  std::unique_ptr<rpc::CallStream> Open(absl::string_view method, rpc::CallOptions options) override;

  // Each once, however often it was sent.
  const std::vector<Stored>& stored() const { return stored_; }
  // Streams of a message that ended without their last piece.
  int abandoned_count() const { return abandoned_count_; }

 private:
  class DeliverStream;
  class LoginStream;

  void Keep(const std::vector<mailstead::frontend::v1::DeliverRequest>& pieces);

  rpc::Transport& behind_;
  std::vector<Stored> stored_;
  int abandoned_count_ = 0;
};

}  // namespace mailstead::smtp
