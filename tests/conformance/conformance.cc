#include "tests/conformance/conformance.h"

#include <openssl/sha.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/check.h"
#include "common/base/reason.h"
#include "common/base/status.h"

namespace mailstead::engine {

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

AccountId EngineConformance::NewMailbox(absl::string_view address, int64_t quota_bytes,
                                        int64_t quota_messages) {
  Account account;
  account.address = std::string(address);
  account.quota_bytes = quota_bytes;
  account.quota_messages = quota_messages;
  account.create_time = clock().Now();
  const auto created = engine().CreateAccounts({account});
  CHECK(created.size() == 1 && created[0].ok());
  return created[0]->id;
}

NewMessage EngineConformance::NewDelivery(absl::string_view delivery_id,
                                          const std::vector<AccountId>& accounts) {
  NewMessage message;
  message.delivery_scope = "smtp";
  message.envelope.delivery_id = std::string(delivery_id);
  message.envelope.reverse_path = "sender@example.org";
  message.fingerprint = Sha256(delivery_id);
  message.deliver_time = clock().Now();
  for (const AccountId account : accounts) {
    EnvelopeRecipient recipient;
    recipient.address = absl::StrCat("box", account.value, "@example.test");
    NewCopy copy;
    copy.account = account;
    copy.prefix = "Return-Path: <sender@example.org>\r\n";
    copy.recipients = {static_cast<int32_t>(message.envelope.recipients.size())};
    message.envelope.recipients.push_back(std::move(recipient));
    message.copies.push_back(std::move(copy));
  }
  return message;
}

absl::StatusOr<Receipt> EngineConformance::Append(NewMessage message, std::string content) {
  message.sha256 = Sha256(content);
  return engine().Append(std::move(message), Content{std::move(content), nullptr});
}

absl::StatusOr<Receipt> EngineConformance::AppendStaged(NewMessage message, absl::string_view content,
                                                        size_t piece_bytes) {
  message.sha256 = Sha256(content);
  ASSIGN_OR_RETURN(std::unique_ptr<BodyWriter> body, engine().NewBody());
  for (size_t at = 0; at < content.size(); at += piece_bytes) {
    RETURN_IF_ERROR(BlockOn(body->Append(std::string(content.substr(at, piece_bytes)))));
  }
  EXPECT_EQ(body->size_bytes(), static_cast<int64_t>(content.size()));
  return engine().Append(std::move(message), Content{"", std::move(body)});
}

void EngineConformance::Put(AccountId account, std::string content) {
  const auto receipt =
      Append(NewDelivery(absl::StrCat("delivery-of-put-", next_delivery_++), {account}), std::move(content));
  ASSERT_TRUE(receipt.ok()) << receipt.status();
}

void RetentionConformance::PutFor(AccountId account, absl::Duration retention) {
  NewMessage message = NewDelivery(absl::StrCat("delivery-for-", next_delivery_++), {account});
  message.retention = retention;
  const auto receipt = Append(std::move(message), "x");
  ASSERT_TRUE(receipt.ok()) << receipt.status();
}

absl::StatusOr<OpenedMaildrop> EngineConformance::Open(AccountId account, absl::string_view lease_id,
                                                       absl::Duration min_interval) {
  const std::string session_id = absl::StrCat("session-", next_session_++);
  ASSIGN_OR_RETURN(OpenedMaildrop opened, engine().OpenMaildrop({account, session_id, std::string(lease_id),
                                                                 min_interval, "", 1'000'000}));
  absl::MutexLock lock(&sessions_mutex_);
  sessions_[opened.token] = session_id;
  return opened;
}

absl::StatusOr<OpenedMaildrop> EngineConformance::OpenAs(absl::string_view session_id, AccountId account,
                                                         absl::string_view lease_id,
                                                         std::string known_version, size_t page_limit) {
  return engine().OpenMaildrop({account, std::string(session_id), std::string(lease_id), absl::ZeroDuration(),
                                std::move(known_version), page_limit});
}

absl::Status EngineConformance::Commit(AccountId account, LockToken token, std::vector<MessageId> deletions) {
  std::string session_id;
  {
    absl::MutexLock lock(&sessions_mutex_);
    session_id = sessions_[token];
  }
  return engine().CommitMaildrop({account, session_id, token, std::move(deletions)}).status();
}

absl::Status EngineConformance::Release(AccountId account, LockToken token) {
  std::string session_id;
  {
    absl::MutexLock lock(&sessions_mutex_);
    session_id = sessions_[token];
  }
  return engine().ReleaseMaildrop(account, session_id);
}

absl::StatusOr<std::string> EngineConformance::ReadAll(MessageReader& reader, size_t piece_bytes) {
  std::string all;
  for (;;) {
    ASSIGN_OR_RETURN(const std::string piece, Read(reader, static_cast<int64_t>(all.size()), piece_bytes));
    EXPECT_LE(piece.size(), piece_bytes);
    if (piece.empty()) return all;
    all += piece;
  }
}

absl::StatusOr<std::string> EngineConformance::Fetch(AccountId account, MessageId message) {
  ASSIGN_OR_RETURN(std::unique_ptr<MessageReader> reader, engine().OpenMessage(account, message));
  ASSIGN_OR_RETURN(std::string bytes, ReadAll(*reader, 64 * 1024));
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), reader->size_bytes());
  return bytes;
}

std::vector<MessageSummary> EngineConformance::List(AccountId account) {
  const auto messages = engine().ListMessages(account, MessageId{0}, 1'000'000);
  EXPECT_TRUE(messages.ok()) << messages.status();
  return messages.ok() ? *messages : std::vector<MessageSummary>();
}

std::vector<MessageId> EngineConformance::Ids(AccountId account) {
  std::vector<MessageId> ids;
  for (const MessageSummary& summary : List(account)) ids.push_back(summary.id);
  return ids;
}

std::vector<FeedChange> ChangeConformance::All(ChangeQuestion question, size_t page_size) {
  std::vector<FeedChange> all;
  question.limit = page_size;
  while (true) {
    absl::StatusOr<ChangePage> page = Read(question);
    EXPECT_OK(page.status());
    if (!page.ok()) return all;
    for (FeedChange& change : page->changes) {
      EXPECT_GT(change.end, question.after);
      question.after = change.end;
      all.push_back(std::move(change));
    }
    EXPECT_GE(page->reached, question.after);
    question.after = page->reached;
    if (!page->more) return all;
  }
}

std::string ChangeConformance::Text(const FeedChange& change) {
  const auto number = [](std::string* out, MessageId id) { out->append(absl::StrCat(id.value)); };
  switch (change.kind) {
    case ChangeKind::kDelivered:
      return absl::StrCat("delivered ", change.message.value);
    case ChangeKind::kDeleted:
      return absl::StrCat("deleted ", absl::StrJoin(change.deleted, ",", number), " by ",
                          static_cast<int>(change.cause));
    case ChangeKind::kRestored:
      return absl::StrCat("restored ", absl::StrJoin(change.restored, ",", number));
    case ChangeKind::kEmptied:
      return "emptied";
    case ChangeKind::kAccountCreated:
      return "created " + change.address;
    case ChangeKind::kAccountUpdated:
      return "updated " + change.address;
    case ChangeKind::kAccountRenamed:
      return absl::StrCat("renamed ", change.address, " from ", change.old_address);
    case ChangeKind::kAccountDisabled:
      return "disabled " + change.address;
    case ChangeKind::kAccountEnabled:
      return "enabled " + change.address;
    case ChangeKind::kAccountRemoved:
      return "removed " + change.address;
    case ChangeKind::kSubmission:
      return absl::StrCat("submission ", change.submission.submission_id, " ", change.submission.recipient);
  }
  return "?";
}

std::vector<std::string> ChangeConformance::Texts(const std::vector<FeedChange>& changes) {
  std::vector<std::string> texts;
  for (const FeedChange& change : changes) texts.push_back(Text(change));
  return texts;
}

void ChangeConformance::Trim(absl::Duration age, int64_t max_count) {
  for (bool more = true; more;) {
    const auto trimmed = BlockOn(feed().Trim(age, max_count));
    EXPECT_OK(trimmed.status());
    more = trimmed.ok() && *trimmed;
  }
}

std::vector<std::string> ChangeConformance::Names(std::string after) {
  const auto consumers = BlockOn(feed().ListConsumers(std::move(after), 100));
  EXPECT_OK(consumers.status());
  std::vector<std::string> names;
  for (const FeedConsumer& consumer : *consumers) names.push_back(consumer.name);
  return names;
}

}  // namespace mailstead::engine
