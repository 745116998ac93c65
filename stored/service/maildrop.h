// Maildrops and what is read from them: what the methods of MailboxService and the calls of an Exchange have
// in common. Only .cc files of this folder include this.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mailstead/store/v1/mailbox.pb.h"
#include "stored/engine/types.h"

namespace mailstead::store {

class Engine;
struct Environment;

// About 70 bytes each: a response stays far below what a client takes in one message.
inline constexpr size_t kMessagesPerResponse = 2000;

// FieldError.
absl::StatusOr<absl::Duration> CheckOpen(const v1::OpenMaildropRequest& request);
absl::Status CheckCommit(const v1::CommitMaildropRequest& request);
absl::Status CheckRelease(const v1::ReleaseMaildropRequest& request);
absl::Status CheckFetch(const v1::FetchMessageRequest& request);

// These block.
absl::Status RenewLease(Engine& engine, const v1::RenewLeaseRequest& request);
absl::Status EndLease(Engine& engine, const v1::EndLeaseRequest& request);

std::vector<MessageId> ToMessageIds(const google::protobuf::RepeatedField<uint64_t>& ids);
// The next part of a listing; the first has the token. `next` moves on behind it.
void FillListing(const Maildrop& maildrop, size_t& next, v1::OpenMaildropResponse& response);

void LogOpen(const v1::OpenMaildropRequest& request, const absl::StatusOr<Maildrop>& maildrop);
// And counts it.
void LogCommit(Environment& environment, const v1::CommitMaildropRequest& request,
               const absl::Status& committed, absl::Duration took);
// When the stored bytes are damaged.
void LogFetch(const v1::FetchMessageRequest& request, const absl::Status& status);

}  // namespace mailstead::store
