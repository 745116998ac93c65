#include "tests/conformance/conformance.h"

#include <openssl/sha.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::store {

std::string Sha256(absl::string_view bytes) {
  unsigned char sum[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), sum);
  return std::string(reinterpret_cast<const char*>(sum), sizeof(sum));
}

std::string RandomText(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string ReasonOfStatus(const absl::Status& status) { return ReasonOf(status); }

EngineConformance::EngineConformance() : under_test_(GetParam().make()) {
  const absl::Status created = engine().CreateDomain({"example.test", true, clock().Now()});
  CHECK(created.ok());
}

MailboxId EngineConformance::NewMailbox(absl::string_view address, uint64_t quota_bytes,
                                        uint64_t quota_messages) {
  Account account;
  account.address = std::string(address);
  account.quota_bytes = quota_bytes;
  account.quota_messages = quota_messages;
  account.create_time = clock().Now();
  const auto created = engine().CreateAccounts({account});
  CHECK(created.size() == 1 && created[0].ok());
  return created[0]->mailbox;
}

Delivery EngineConformance::NewDelivery(absl::string_view delivery_id,
                                        const std::vector<MailboxId>& mailboxes) {
  Delivery delivery;
  delivery.delivery_id = std::string(delivery_id);
  delivery.reverse_path = "sender@example.org";
  delivery.prefix = "Return-Path: <sender@example.org>\r\n";
  delivery.deliver_time = clock().Now();
  for (const MailboxId mailbox : mailboxes) {
    delivery.recipients.push_back({mailbox, absl::StrCat("box", mailbox.value, "@example.test")});
  }
  return delivery;
}

namespace {

// Waits for the answer of a verb that takes a callback.
template <typename T>
class Answer {
 public:
  Done<T> done() {
    return [this](absl::StatusOr<T> value) {
      value_ = std::move(value);
      done_.Notify();
    };
  }
  absl::StatusOr<T> Wait() {
    done_.WaitForNotification();
    return std::move(value_);
  }

 private:
  absl::StatusOr<T> value_ = absl::UnknownError("no answer");
  absl::Notification done_;
};

class StatusAnswer {
 public:
  DoneStatus done() {
    return [this](absl::Status status) {
      status_ = std::move(status);
      done_.Notify();
    };
  }
  absl::Status Wait() {
    done_.WaitForNotification();
    return status_;
  }

 private:
  absl::Status status_;
  absl::Notification done_;
};

}  // namespace

absl::StatusOr<Receipt> EngineConformance::Append(Delivery delivery, std::string content) {
  Answer<Receipt> answer;
  std::string sha256 = Sha256(content);
  engine().AppendDelivery(std::move(delivery), std::move(content), std::move(sha256), answer.done());
  return answer.Wait();
}

absl::StatusOr<Receipt> EngineConformance::AppendStaged(Delivery delivery, absl::string_view content,
                                                        size_t piece_bytes) {
  ASSIGN_OR_RETURN(std::unique_ptr<BodyWriter> body, engine().NewBody());
  for (size_t at = 0; at < content.size(); at += piece_bytes) {
    RETURN_IF_ERROR(body->Append(content.substr(at, piece_bytes)));
  }
  EXPECT_EQ(body->size_bytes(), content.size());
  Answer<Receipt> answer;
  engine().AppendDelivery(std::move(delivery), std::move(body), Sha256(content), answer.done());
  return answer.Wait();
}

void EngineConformance::Put(MailboxId mailbox, std::string content) {
  const auto receipt =
      Append(NewDelivery(absl::StrCat("delivery-of-put-", next_delivery_++), {mailbox}), std::move(content));
  ASSERT_TRUE(receipt.ok()) << receipt.status();
}

absl::StatusOr<Maildrop> EngineConformance::Open(MailboxId mailbox, absl::string_view lease_id,
                                                 absl::Duration min_interval) {
  Answer<Maildrop> answer;
  engine().OpenMaildrop(mailbox, lease_id, min_interval, answer.done());
  return answer.Wait();
}

absl::Status EngineConformance::Commit(MailboxId mailbox, LeaseToken token,
                                       std::vector<MessageId> deletions) {
  StatusAnswer answer;
  engine().CommitMaildrop(mailbox, token, std::move(deletions), answer.done());
  return answer.Wait();
}

absl::Status EngineConformance::Release(MailboxId mailbox, LeaseToken token) {
  StatusAnswer answer;
  engine().ReleaseMaildrop(mailbox, token, answer.done());
  return answer.Wait();
}

absl::StatusOr<std::string> EngineConformance::ReadAll(MessageReader& reader, size_t piece_bytes) {
  std::string all;
  for (;;) {
    ASSIGN_OR_RETURN(const std::string piece, reader.Read(all.size(), piece_bytes));
    EXPECT_LE(piece.size(), piece_bytes);
    if (piece.empty()) return all;
    all += piece;
  }
}

absl::StatusOr<std::string> EngineConformance::Fetch(MailboxId mailbox, MessageId message) {
  ASSIGN_OR_RETURN(std::unique_ptr<MessageReader> reader, engine().OpenMessage(mailbox, message));
  ASSIGN_OR_RETURN(std::string bytes, ReadAll(*reader, 64 * 1024));
  EXPECT_EQ(bytes.size(), reader->size_bytes());
  return bytes;
}

std::vector<MessageSummary> EngineConformance::List(MailboxId mailbox) {
  const auto messages = engine().ListMessages(mailbox, MessageId{0}, 1'000'000);
  EXPECT_TRUE(messages.ok()) << messages.status();
  return messages.ok() ? *messages : std::vector<MessageSummary>();
}

std::vector<MessageId> EngineConformance::Ids(MailboxId mailbox) {
  std::vector<MessageId> ids;
  for (const MessageSummary& summary : List(mailbox)) ids.push_back(summary.id);
  return ids;
}

}  // namespace mailstead::store
