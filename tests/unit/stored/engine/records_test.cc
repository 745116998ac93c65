#include "stored/engine/rocksdb/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mailstead::engine {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

template <typename Record>
Record Again(const Record& record) {
  Record again;
  const absl::Status status = Decode(Encode(record), again);
  EXPECT_TRUE(status.ok()) << status;
  return again;
}

MessageRecord SampleMessage() {
  MessageRecord message;
  message.body = 0x10000000001;
  rules::Entry& entry = message.entry;
  entry.content_bytes = 300;
  entry.trace_bytes = 2;
  entry.prefix = "P\r\n";
  entry.unique_id = "uid";
  entry.deliver_time = absl::FromUnixMicros(1);
  entry.sha256 = "\x01\xff";
  entry.envelope.delivery_id = "d";
  entry.envelope.reverse_path = "s@x";
  EnvelopeRecipient plain;
  plain.address = "r@y";
  EnvelopeRecipient noted;
  noted.address = "q@y";
  noted.notify = {true, true, false, true};
  noted.original_recipient = "rfc822;o@z";
  noted.remote = true;
  entry.envelope.recipients = {plain, noted};
  entry.envelope.dsn_return = DsnReturn::kHeaders;
  entry.envelope.dsn_envelope_id = "e";
  entry.envelope.eight_bit_mime = true;
  entry.envelope.require_tls = true;
  return message;
}

MessageRecord SampleSearchedMessage() {
  MessageRecord message = SampleMessage();
  SearchedFields& searched = message.entry.searched;
  searched.known = true;
  searched.subject = "s";
  searched.from = {{"n", "a@x"}, {"", "b@x"}};
  searched.message_id = "i";
  searched.date = absl::FromUnixMicros(2);
  searched.has_attachment = true;
  return message;
}

Account SampleAccount() {
  Account account;
  account.address = "A@x";
  account.id = AccountId{7};
  account.disabled = true;
  account.quota_bytes = 128;
  account.quota_messages = 127;
  account.create_time = absl::FromUnixMicros(-1);
  account.credential.kind = Credential::Kind::kScramSha256;
  account.credential.iterations = 20000;
  account.credential.salt = std::string("\0s", 2);
  account.credential.stored_key = "k";
  account.credential.server_key = "v";
  account.credential.crypt_hash = "";
  account.credential.version = 2;
  account.update_time = absl::FromUnixMicros(65);
  account.version = 4;
  return account;
}

Webhook SampleWebhook() {
  Webhook webhook{"h", "u", "f", "s", Webhook::State::kGone, absl::FromUnixMicros(64)};
  webhook.update_time = absl::FromUnixMicros(65);
  webhook.version = 3;
  webhook.old_sealed_secret = "o";
  webhook.old_secret_expire_time = absl::FromUnixMicros(66);
  return webhook;
}

WebhookProgress SampleProgress() {
  WebhookProgress progress;
  progress.cursor = {300, MessageId{3}};
  progress.incarnation = "i";
  progress.lease_id = "l";
  progress.fence = 4;
  progress.revision = 5;
  progress.waiting_count = 6;
  progress.dead_count = 7;
  progress.dropped_count = 8;
  progress.success_time = absl::FromUnixMicros(64);
  progress.failure_time = absl::FromUnixMicros(65);
  progress.failure = "f";
  return progress;
}

WebhookEvent SampleWaiting() {
  return {AccountId{7}, {300, MessageId{3}}, "e", 3, absl::FromUnixMicros(64), "f"};
}

Route SampleRoute() {
  Route route;
  route.key = {".x", "y"};
  route.mailbox = AccountId{300};
  route.hosts = {{"h", 65535}, {"::1", 25}};
  route.tls = Route::Tls::kVerify;
  route.user = "u";
  route.sealed_password = std::string("\0s", 2);
  route.source_address = "a";
  route.ehlo_name = "e";
  route.update_time = absl::FromUnixMicros(64);
  return route;
}

DkimRecord SampleDkim() {
  DkimKey key;
  key.selector = "s";
  key.type = mailauth::KeyType::kEd25519;
  key.bits = 256;
  key.state = DkimKey::State::kRetired;
  key.sealed_private_key = std::string("\0s", 2);
  key.public_key = "p";
  key.create_time = absl::FromUnixMicros(1);
  key.activate_time = absl::FromUnixMicros(2);
  return DkimRecord{{key}};
}

Submission SampleSubmission() {
  Submission submission;
  submission.id = "i";
  submission.account = AccountId{7};
  submission.request_id = "r";
  submission.fingerprint = "f";
  submission.sha256 = "h";
  submission.envelope.reverse_path = "s@x";
  submission.envelope.recipients.push_back({"a@y", {true, false, true, false}, "rfc822;o", false});
  submission.envelope.recipients.push_back({"b@y", {}, "", false});
  submission.envelope.dsn_return = DsnReturn::kFull;
  submission.envelope.dsn_envelope_id = "e";
  submission.envelope.smtputf8 = true;
  submission.message_id = "m";
  submission.submit_time = absl::FromUnixMicros(5);
  submission.send_time = absl::FromUnixMicros(6);
  submission.queue_id = QueueId{300};
  SubmissionTarget queued;
  queued.recipient = 1;
  queued.address = "c@z";
  queued.was_queued = true;
  SubmissionTarget refused;
  refused.state = SubmissionTarget::State::kRefused;
  refused.reason = "R";
  refused.reply.text = "t";
  refused.reply.time = submission.submit_time;
  submission.targets = {queued, refused};
  return submission;
}

SubmissionOutcome SampleOutcome() {
  SubmissionOutcome outcome;
  outcome.kind = SubmissionOutcome::Kind::kRelayed;
  outcome.attempt_count = 3;
  outcome.reply = {250, "2.0.0", "ok", "mx", absl::FromUnixMicros(7)};
  outcome.bounce =
      SubmissionBounce{SubmissionBounce::Action::kDelayed, "4.4.1", "slow", "far", absl::FromUnixMicros(8)};
  return outcome;
}

Key SampleKey() {
  Key key;
  key.id = "k";
  key.name = "n";
  key.scopes = 300;
  key.sight = {false, {AccountId{1}, AccountId{300}}, {"d"}};
  key.ip_ranges = {"i"};
  key.certificate_names = {"c"};
  key.limits = {1, 2, 3};
  key.secrets = {{std::string("\0s", 2), absl::FromUnixMicros(1), absl::FromUnixMicros(2)}};
  key.create_time = absl::FromUnixMicros(3);
  key.update_time = absl::FromUnixMicros(4);
  key.revoke_time = absl::FromUnixMicros(5);
  key.request_id = "r";
  key.request_fingerprint = "f";
  key.version = 6;
  return key;
}

AuditEntry SampleAudit() {
  return {AuditKind::kRefusal, 300, absl::FromUnixMicros(1), "a", "p", "m", "t", "r", "s", 2};
}

QueuedRecord SampleQueued() {
  QueuedRecord queued;
  queued.body = 1;
  rules::QueueEntry& entry = queued.entry;
  entry.entry.content_bytes = 300;
  entry.entry.trace_bytes = 2;
  entry.entry.deliver_time = absl::FromUnixMicros(1);
  entry.entry.sha256 = "h";
  entry.entry.envelope.delivery_id = "d";
  entry.entry.envelope.reverse_path = "s@x";
  entry.entry.envelope.dsn_return = DsnReturn::kHeaders;
  entry.entry.envelope.dsn_envelope_id = "e";
  entry.entry.envelope.eight_bit_mime = true;
  entry.entry.envelope.require_tls = true;
  entry.lane = "l";
  entry.queue_time = absl::FromUnixMicros(2);
  entry.expire_time = absl::FromUnixMicros(3);
  entry.delay_notice_time = absl::FromUnixMicros(4);
  entry.delay_told = true;
  queued.recipient_count = 3;
  queued.free_count = 2;
  return queued;
}

rules::QueueRecipient SampleRecipient() {
  rules::QueueRecipient kept;
  kept.recipient = {5,
                    "a@y",
                    "y",
                    "o",
                    {true, true, false, true},
                    "f",
                    2,
                    absl::FromUnixMicros(1),
                    false,
                    true,
                    {451, "4.2.0", "t", "m", absl::FromUnixMicros(2)}};
  kept.last_grant = QueueGrant{300};
  kept.reported = true;
  return kept;
}

DestinationRecord SampleDestination() {
  DestinationRecord record;
  record.destination = {"s", absl::FromUnixMicros(1), 3, 2, ~uint64_t{0}, absl::InfiniteFuture()};
  record.ready_count = 1;
  record.waiting_count = 2;
  return record;
}

SiteRecord SampleSite() {
  SiteRecord record;
  record.site = {5,
                 200,
                 1,
                 1000,
                 absl::FromUnixMicros(1),
                 absl::Microseconds(1),
                 absl::FromUnixMicros(2),
                 absl::FromUnixMicros(3),
                 2,
                 3,
                 absl::InfiniteFuture()};
  record.due_time = absl::FromUnixMicros(4);
  return record;
}

std::string Hex(const std::string& bytes) { return absl::BytesToHexString(bytes); }

// The bytes on disk. A change here is a change of the format: it needs another version byte.
TEST(Records, GoldenBytes) {
  EXPECT_EQ(Hex(Encode(Domain{"x.test", true, absl::FromUnixMicros(64), absl::FromUnixMicros(65), 3})),
            "0506782e74657374"
            "01"
            "8001"
            "8201"
            "03"
            "00"
            "00"
            "00");
  Domain enforcing{"x.test", true, absl::FromUnixMicros(64), absl::FromUnixMicros(65), 3};
  enforcing.mta_sts = MtaSts::kEnforce;
  EXPECT_EQ(Hex(Encode(enforcing)),
            "0506782e746573740180018201030000"
            "03");
  EXPECT_EQ(Hex(Encode(SampleAccount())),
            "03"
            "03414078"
            "07"
            "01"
            "8001"
            "7f"
            "01"
            "01"
            "a09c01"
            "020073"
            "016b"
            "0176"
            "00"
            "02"
            "8201"
            "04"
            "00"
            "00");
  Account brief = SampleAccount();
  brief.retention = absl::Microseconds(1);
  const std::string without = Hex(Encode(SampleAccount()));
  EXPECT_EQ(Hex(Encode(brief)), without.substr(0, without.size() - 4) + "0102");
  EXPECT_EQ(Hex(Encode(Alias{"@x", {"a", "b@y"}, absl::FromUnixMicros(0), absl::FromUnixMicros(1), 1})),
            "02"
            "024078"
            "00"
            "02"
            "0161"
            "03624079"
            "02"
            "01");
  EXPECT_EQ(
      Hex(Encode(SampleKey())),
      "02016b016eac02000201ac020101640101690101630102030102007302040608feffffffffffffffff010a017201660600");
  EXPECT_EQ(Hex(Encode(KeyUse{"k", absl::FromUnixMicros(64), "i"})), "01016b80010169");
  EXPECT_EQ(Hex(Encode(SampleWebhook())),
            "02016801750166017302"
            "8001"
            "820103"
            "016f8401");
  EXPECT_EQ(Hex(Encode(SampleProgress())),
            "01ac02030169016c04050607088001820101"
            "66");
  EXPECT_EQ(Hex(Encode(SampleWaiting())),
            "0107ac0203016503800101"
            "66");
  EXPECT_EQ(Hex(Encode(SampleAudit())), "01ac020201610170016d0174017201730202");
  EXPECT_EQ(Hex(Encode(AuditEnd{300})), "01ac02");
  EXPECT_EQ(Hex(Encode(SampleDkim())),
            "01"
            "01"
            "0173"
            "01"
            "8002"
            "02"
            "020073"
            "0170"
            "02"
            "04"
            "ffffffffffffffffff01");
  EXPECT_EQ(Hex(Encode(SampleRoute())),
            "01"
            "022e78"
            "0179"
            "ac02"
            "02"
            "0168"
            "ffff03"
            "033a3a31"
            "19"
            "03"
            "0175"
            "020073"
            "0161"
            "0165"
            "8001");
  EXPECT_EQ(Hex(Encode(Counters{1, 2, 3, 4, 5, 6, 300, 7, 8, 9, 10, 11, 12, 13, true, 5, 6})),
            "03"
            "01"
            "02"
            "03"
            "04"
            "05"
            "06"
            "ac02"
            "07"
            "08"
            "09"
            "0a"
            "0b"
            "0c"
            "0d"
            "05"
            "06");
  rules::Mailbox mailbox;
  mailbox.message_count = 1;
  mailbox.message_bytes = kMost;
  mailbox.next_message = 2;
  mailbox.last_committed_token = LockToken{3};
  mailbox.number = 5;
  mailbox.last_open_session = "s";
  mailbox.removal_count = 6;
  EXPECT_EQ(Hex(Encode(mailbox)),
            "02"
            "01"
            "ffffffffffffffff7f"
            "02"
            "00"
            "00"
            "ffffffffffffffffff01"
            "03"
            "05"
            "0173"
            "06");
  EXPECT_EQ(Hex(Encode(Removal{{MessageId{1}, MessageId{300}}})),
            "01"
            "02"
            "01"
            "ac02");
  EXPECT_EQ(Hex(Encode(Deletion{MessageId{300}, {}})), "01ac02");
  const rules::Deletion kept{absl::FromUnixMicros(3), DeletionCause::kPop3, "x"};
  EXPECT_EQ(Hex(Encode(Deletion{MessageId{300}, kept})), "02ac0206020178");
  EXPECT_EQ(Hex(Encode(TrashedRecord{kept, "m"})), "0106020178016d");
  EXPECT_EQ(Hex(Encode(Runs{{{MessageId{5}, MessageId{5}}, {MessageId{7}, MessageId{306}}}})),
            "01"
            "02"
            "0500"
            "01ab02");
  EXPECT_EQ(Hex(Encode(SampleMessage())),
            "02"
            "818080808020"
            "ac02"
            "02"
            "03500d0a"
            "03756964"
            "02"
            "0201ff"
            "0164"
            "03734078"
            "02"
            "03724079"
            "00"
            "00"
            "00"
            "03714079"
            "0b"
            "0a7266633832323b6f407a"
            "01"
            "02"
            "0165"
            "05");
  // A message with what is searched of its header: the same, and behind it these.
  const std::string plain = Hex(Encode(SampleMessage()));
  EXPECT_EQ(Hex(Encode(SampleSearchedMessage())), absl::StrCat("04", plain.substr(2),
                                                               "0173"
                                                               "02"
                                                               "016e"
                                                               "03614078"
                                                               "00"
                                                               "03624078"
                                                               "0169"
                                                               "04"
                                                               "01"));
  // One with a retention of its own.
  MessageRecord brief_message = SampleMessage();
  brief_message.entry.retention = absl::Microseconds(1);
  EXPECT_EQ(Hex(Encode(brief_message)), absl::StrCat("05", plain.substr(2), "0200"));
  brief_message = SampleSearchedMessage();
  brief_message.entry.retention = absl::Microseconds(1);
  const std::string searched_too = Hex(Encode(SampleSearchedMessage())).substr(plain.size());
  EXPECT_EQ(Hex(Encode(brief_message)), absl::StrCat("05", plain.substr(2), "0201", searched_too));
  EXPECT_EQ(Hex(Encode(BodyRef{2, 65536})),
            "01"
            "02"
            "808004");
  EXPECT_EQ(Hex(Encode(rules::KeptReceipt{"h", "f", absl::FromUnixMicros(2)})),
            "02"
            "0168"
            "04"
            "0166");
  EXPECT_EQ(Hex(Encode(rules::Lease{"host", absl::Seconds(6), 5})),
            "01"
            "04686f7374"
            "80b6dc05"
            "05");
  EXPECT_EQ(Hex(Encode(rules::Lock{LockToken{9}, "S", "L", 5, absl::FromUnixMicros(1), 7, "C", 6})),
            "04"
            "09"
            "014c"
            "05"
            "0153"
            "02"
            "07"
            "0143"
            "06");
  EXPECT_EQ(Hex(Encode(SampleQueued())),
            "01"
            "01"
            "ac02"
            "02"
            "02"
            "0168"
            "0164"
            "03734078"
            "02"
            "0165"
            "05"
            "016c"
            "04"
            "06"
            "08"
            "01"
            "03"
            "02");
  EXPECT_EQ(Hex(Encode(SampleRecipient())),
            "01"
            "05"
            "03614079"
            "0179"
            "0b"
            "016f"
            "0166"
            "02"
            "02"
            "00"
            "01"
            "c303"
            "05342e322e30"
            "0174"
            "016d"
            "04"
            "ac02"
            "01");
  EXPECT_EQ(Hex(Encode(SampleDestination())),
            "01"
            "0173"
            "02"
            "03"
            "02"
            "ffffffffffffffffff01"
            "feffffffffffffffff01"
            "01"
            "02");
  EXPECT_EQ(Hex(Encode(SampleSite())),
            "01"
            "05"
            "c801"
            "01"
            "e807"
            "02"
            "02"
            "04"
            "06"
            "02"
            "03"
            "feffffffffffffffff01"
            "08");
  EXPECT_EQ(Hex(Encode(WaitingRecord{300})), "01ac02");
  EXPECT_EQ(Hex(Encode(AttemptRecord{"L", 5, QueueId{9}, "y", "s", {1, 300}})),
            "01"
            "014c"
            "05"
            "09"
            "0179"
            "0173"
            "02"
            "01"
            "ac02");
  EXPECT_EQ(Hex(Encode(StsPolicy{"d", "i", "f", absl::FromUnixMicros(3), absl::InfinitePast()})),
            "01"
            "0164"
            "0169"
            "0166"
            "06"
            "ffffffffffffffffff01");
  EXPECT_EQ(Hex(Encode(StsCount{300})), "01ac02");
  EXPECT_EQ(Hex(Encode(SubmissionCount{300})), "01ac02");
  EXPECT_EQ(Hex(Encode(SampleSubmission())),
            "010169070172016601680373407802"
            "0361407905087266633832323b6f00"
            "03624079000000"
            "01016502016d0a0cac0202"
            "010363407a010000"
            "00000801520174");
  EXPECT_EQ(Hex(Encode(SampleOutcome())),
            "010103fa0105322e302e30026f6b026d780e010105342e342e3104736c6f770366617210");
}

ChangeRecord ChangeOf(ChangeKind kind) {
  return {.kind = kind, .account = AccountId{7}, .time = absl::FromUnixMicros(3), .message = MessageId{300}};
}

TEST(Records, ChangesAreEncodedAsTheGrammarSays) {
  ChangeRecord change = ChangeOf(ChangeKind::kDelivered);
  EXPECT_EQ(Hex(Encode(change)), "010601ac02");
  ChangeRecord emptied = ChangeOf(ChangeKind::kEmptied);
  emptied.account = AccountId{8};
  EXPECT_EQ(Hex(Encode(FeedRecord{{change, emptied}})), "0106020701ac020803");
  change = ChangeOf(ChangeKind::kDeleted);
  change.cause = DeletionCause::kPop3;
  change.runs = {{MessageId{3}, MessageId{3}}, {MessageId{5}, MessageId{7}}};
  EXPECT_EQ(Hex(Encode(change)), "01060202000203000102");
  change.cause = DeletionCause::kApi;
  change.runs.clear();
  change.deletion = 77;
  EXPECT_EQ(Hex(Encode(change)), "010602014d00");
  change = ChangeOf(ChangeKind::kRestored);
  change.runs = {{MessageId{3}, MessageId{3}}, {MessageId{5}, MessageId{7}}};
  EXPECT_EQ(Hex(Encode(change)), "01060b0203000102");
  change = ChangeOf(ChangeKind::kAccountRenamed);
  change.address = "b@d";
  change.old_address = "a@d";
  EXPECT_EQ(Hex(Encode(change)), "0106060362406403614064");
  change = ChangeOf(ChangeKind::kSubmission);
  change.submission = {"s", "r", SubmissionNews::Kind::kFailed, 550, "5.1.1", "no"};
  EXPECT_EQ(Hex(Encode(change)), "01060a0173017202a60405352e312e31026e6f");
  EXPECT_EQ(Hex(Encode(FeedBegin{300})), "01ac02");
  EXPECT_EQ(Hex(Encode(GoneAccount{"a@d", 300})), "0103614064ac02");
  FeedConsumer consumer;
  consumer.filter = "f";
  consumer.create_time = absl::FromUnixMicros(1);
  consumer.ack_timeout = absl::Microseconds(30);
  consumer.acked = {5, MessageId{6}};
  consumer.incarnation = "i";
  consumer.fence = 9;
  EXPECT_EQ(Hex(Encode(consumer)), "01016602ffffffffffffffffff013c0506016909");
}

TEST(Records, ChangesComeBackAsTheyWere) {
  for (int kind = 1; kind <= 11; ++kind) {
    ChangeRecord change = ChangeOf(static_cast<ChangeKind>(kind));
    change.cause = DeletionCause::kRetention;
    change.runs = {{MessageId{1}, MessageId{std::numeric_limits<int64_t>::max() - 1}}};
    change.address = "a";
    change.submission.recipient = "r";
    const std::string bytes = Encode(FeedRecord{{change, change}});
    FeedRecord feed;
    ASSERT_TRUE(Decode(bytes, feed).ok()) << kind;
    ASSERT_EQ(feed.changes.size(), 2u);
    EXPECT_EQ(Encode(feed), bytes);
    EXPECT_EQ(feed.changes[1].account, change.account);
    EXPECT_EQ(feed.changes[1].time, change.time);
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(Decode(bytes.substr(0, size), feed).ok());
  }
  ChangeRecord change;
  EXPECT_FALSE(Decode(absl::HexStringToBytes("010600"), change).ok()) << "no kind";
  EXPECT_FALSE(Decode(absl::HexStringToBytes("01060c"), change).ok()) << "an unknown one";
}

template <typename Record>
Record FromHex(absl::string_view hex) {
  Record record;
  const absl::Status status = Decode(absl::HexStringToBytes(hex), record);
  EXPECT_TRUE(status.ok()) << status;
  return record;
}

// What stores of schema versions 1 and 2 hold: the golden bytes of their programs.
TEST(Records, EarlierRecordsAreRead) {
  const Domain domain = FromHex<Domain>("0106782e74657374018001");
  EXPECT_EQ(domain.name, "x.test");
  EXPECT_TRUE(domain.plus_addressing);
  EXPECT_EQ(domain.create_time, absl::FromUnixMicros(64));
  EXPECT_EQ(domain.update_time, domain.create_time);
  EXPECT_EQ(domain.version, 1);

  // Of schema versions 3 to 6.
  const Domain windowless = FromHex<Domain>("0206782e74657374018001820103");
  EXPECT_EQ(windowless.version, 3);
  EXPECT_EQ(windowless.undelete_window, absl::ZeroDuration());
  // Of schema version 7.
  const Domain lasting = FromHex<Domain>("0306782e7465737401800182010302");
  EXPECT_EQ(lasting.undelete_window, absl::Microseconds(1));
  EXPECT_EQ(lasting.retention, absl::ZeroDuration());
  // Of schema version 8.
  const Domain without_sts = FromHex<Domain>(
      "0406782e74657374018001820103"
      "0204");
  EXPECT_EQ(without_sts.retention, absl::Microseconds(2));
  EXPECT_EQ(without_sts.mta_sts, MtaSts::kOff);
  const Webhook webhook = FromHex<Webhook>(
      "01016801750166017302"
      "8001");
  EXPECT_EQ(webhook.create_time, absl::FromUnixMicros(64));
  EXPECT_EQ(webhook.update_time, webhook.create_time);
  EXPECT_EQ(webhook.version, 1);
  EXPECT_EQ(webhook.old_sealed_secret, "");
  EXPECT_EQ(webhook.old_secret_expire_time, absl::InfinitePast());
  const std::string account_then = Hex(Encode(SampleAccount()));
  const Account as_its_domain = FromHex<Account>("02" + account_then.substr(2, account_then.size() - 6));
  EXPECT_EQ(as_its_domain.retention, std::nullopt);
  EXPECT_EQ(Encode(as_its_domain), Encode(SampleAccount()));
  const std::string key_then = Hex(Encode(SampleKey()));
  EXPECT_EQ(FromHex<Key>("01" + key_then.substr(2, key_then.size() - 4)), SampleKey());
  const Counters counters = FromHex<Counters>("020102030405060708090a0b0c0d0e");
  EXPECT_EQ(counters.remembered_count, 14);
  EXPECT_FALSE(counters.knows_trash);

  const Account account = FromHex<Account>("0103414078070180017f0101a09c01020073016b01760002");
  EXPECT_EQ(account.address, "A@x");
  EXPECT_EQ(account.id.value, 7);
  EXPECT_EQ(account.quota_bytes, 128);
  EXPECT_EQ(account.quota_messages, 127);
  EXPECT_EQ(account.credential.iterations, 20000u);
  EXPECT_EQ(account.credential.version, 2);
  EXPECT_EQ(account.update_time, absl::FromUnixMicros(-1));
  EXPECT_EQ(account.version, 1);

  const Alias alias = FromHex<Alias>(
      "01024078000201610362"
      "4079");
  EXPECT_EQ(alias.targets, (std::vector<std::string>{"a", "b@y"}));
  EXPECT_EQ(alias.version, 1);

  const rules::Mailbox mailbox = FromHex<rules::Mailbox>("010105020000ffffffffffffffffff0103");
  EXPECT_EQ(mailbox.message_count, 1);
  EXPECT_EQ(mailbox.message_bytes, 5);
  EXPECT_EQ(mailbox.next_message, 2);
  EXPECT_EQ(mailbox.last_open_time, absl::InfinitePast());
  EXPECT_EQ(mailbox.last_committed_token.value, 3);
  EXPECT_EQ(mailbox.removal_count, 0);

  const std::string bytes = absl::HexStringToBytes(
      "01818080808020ac02037569640201640373407803724079"
      "0201ff03500d0a04484452530165");
  MessageRecord message;
  ASSERT_TRUE(Decode(bytes, message).ok());
  EXPECT_EQ(message.body, 0x10000000001);
  EXPECT_EQ(message.entry.size_bytes(), 300);
  EXPECT_EQ(message.entry.content_bytes, 297);
  EXPECT_EQ(message.entry.trace_bytes, 0);
  EXPECT_EQ(message.entry.prefix, "P\r\n");
  EXPECT_EQ(message.entry.unique_id, "uid");
  EXPECT_EQ(message.entry.envelope.delivery_id, "d");
  EXPECT_EQ(message.entry.envelope.reverse_path, "s@x");
  ASSERT_EQ(message.entry.envelope.recipients.size(), 1u);
  EXPECT_EQ(message.entry.envelope.recipients[0].address, "r@y");
  EXPECT_EQ(message.entry.envelope.dsn_return, DsnReturn::kHeaders);
  EXPECT_EQ(message.entry.envelope.dsn_envelope_id, "e");
  MaildropEntry listed;
  ASSERT_TRUE(DecodeListed(bytes, listed).ok());
  EXPECT_EQ(listed.unique_id, "uid");
  EXPECT_EQ(listed.size_bytes, 300);
  // Read, it is written in the newest form.
  EXPECT_EQ(Again(message).entry.size_bytes(), 300);

  const rules::KeptReceipt receipt = FromHex<rules::KeptReceipt>("01016804");
  EXPECT_EQ(receipt.sha256, "h");
  EXPECT_EQ(receipt.fingerprint, "");
  EXPECT_EQ(receipt.deliver_time, absl::FromUnixMicros(2));

  // A quota could be any number.
  EXPECT_EQ(FromHex<rules::Mailbox>("01000001ffffffffffffffffff01ffffffffffffffffff010000").quota_bytes,
            kMost);
}

TEST(Records, AListingShowsWhatTheRecordHolds) {
  MaildropEntry listed;
  MessageRecord unfinished = SampleMessage();
  unfinished.entry.unfinished = true;
  ASSERT_TRUE(DecodeListed(Encode(unfinished), listed).ok());
  EXPECT_EQ(listed.size_bytes, unfinished.entry.size_bytes() + 2);
  EXPECT_EQ(listed.size_bytes, rules::MaildropEntryOf(MessageId{1}, unfinished.entry).size_bytes);
  MessageRecord decoded;
  ASSERT_TRUE(Decode(Encode(unfinished), decoded).ok());
  EXPECT_TRUE(decoded.entry.unfinished);
  EXPECT_FALSE(IsOldMessage(Encode(unfinished)));
  EXPECT_FALSE(IsOldMessage(Encode(SampleSearchedMessage())));
  ASSERT_TRUE(DecodeListed(Encode(SampleSearchedMessage()), listed).ok());
  EXPECT_EQ(listed.size_bytes, SampleMessage().entry.size_bytes());
  ASSERT_TRUE(DecodeListed(Encode(SampleMessage()), listed).ok());
  EXPECT_EQ(listed.unique_id, SampleMessage().entry.unique_id);
  EXPECT_EQ(listed.size_bytes, SampleMessage().entry.size_bytes());
}

TEST(Records, ComeBackAsTheyWere) {
  const Account account = Again(SampleAccount());
  EXPECT_EQ(account.address, "A@x");
  EXPECT_EQ(account.id.value, 7);
  EXPECT_TRUE(account.disabled);
  EXPECT_EQ(account.create_time, absl::FromUnixMicros(-1));
  EXPECT_EQ(account.credential.kind, Credential::Kind::kScramSha256);
  EXPECT_EQ(account.credential.salt, std::string("\0s", 2));
  EXPECT_EQ(account.version, 4);
  const MessageRecord message = Again(SampleMessage());
  EXPECT_EQ(message.body, 0x10000000001);
  EXPECT_EQ(message.entry.prefix, "P\r\n");
  EXPECT_EQ(message.entry.searched, SearchedFields());
  EXPECT_EQ(Again(SampleSearchedMessage()).entry.searched, SampleSearchedMessage().entry.searched);
  MessageRecord brief = SampleSearchedMessage();
  brief.entry.retention = absl::Hours(24);
  EXPECT_EQ(Again(brief).entry.retention, absl::Hours(24));
  EXPECT_EQ(Again(brief).entry.searched, brief.entry.searched);
  MaildropEntry listed_brief;
  ASSERT_TRUE(DecodeListed(Encode(brief), listed_brief).ok());
  EXPECT_EQ(listed_brief.size_bytes, brief.entry.size_bytes());
  MessageRecord without_date = SampleSearchedMessage();
  without_date.entry.searched.date.reset();
  EXPECT_EQ(Again(without_date).entry.searched.date, std::nullopt);
  const Envelope& envelope = message.entry.envelope;
  EXPECT_EQ(envelope.dsn_envelope_id, "e");
  EXPECT_EQ(envelope.dsn_return, DsnReturn::kHeaders);
  EXPECT_TRUE(envelope.eight_bit_mime);
  EXPECT_FALSE(envelope.smtputf8);
  EXPECT_TRUE(envelope.require_tls);
  ASSERT_EQ(envelope.recipients.size(), 2u);
  EXPECT_EQ(envelope.recipients[0].notify, DsnNotify());
  EXPECT_EQ(envelope.recipients[1].notify, (DsnNotify{true, true, false, true}));
  EXPECT_EQ(envelope.recipients[1].original_recipient, "rfc822;o@z");
  EXPECT_TRUE(envelope.recipients[1].remote);
  EXPECT_EQ(Again(Alias{"@x", {"a", ""}, absl::UnixEpoch()}).targets, (std::vector<std::string>{"a", ""}));
  const Counters counters{kMost, 0, 1, kMost - 1, 127, 128, 16384, kMost, 1, 2, 3, 4, 5, 6};
  EXPECT_EQ(Again(counters), counters);
  // Of stores before schema version 5.
  Counters before{9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9};
  ASSERT_TRUE(Decode(absl::HexStringToBytes("01010203040506ac02"), before).ok());
  EXPECT_EQ(before, (Counters{1, 2, 3, 4, 5, 6, 300, 1, 1, 0, 0, 0, 0, 0, false}));
  const QueuedRecord queued = Again(SampleQueued());
  EXPECT_EQ(Encode(queued), Encode(SampleQueued()));
  EXPECT_EQ(queued.entry.lane, "l");
  EXPECT_EQ(queued.entry.entry.envelope.dsn_return, DsnReturn::kHeaders);
  EXPECT_TRUE(queued.entry.entry.envelope.require_tls);
  EXPECT_EQ(queued.free_count, 2);
  const rules::QueueRecipient recipient = Again(SampleRecipient());
  EXPECT_EQ(recipient.recipient.notify, (DsnNotify{true, true, false, true}));
  EXPECT_EQ(recipient.recipient.last_reply, SampleRecipient().recipient.last_reply);
  EXPECT_TRUE(recipient.recipient.in_flight);
  EXPECT_EQ(recipient.last_grant, QueueGrant{300});
  EXPECT_EQ(Again(SampleDestination()).destination, SampleDestination().destination);
  EXPECT_EQ(Again(SampleSite()).site, SampleSite().site);
  EXPECT_EQ(Again(SampleSite()).due_time, SampleSite().due_time);
  EXPECT_EQ(Again(AttemptRecord{"L", 5, QueueId{9}, "y", "s", {1, 300}}).recipients,
            (std::vector<int32_t>{1, 300}));
  const TlsReport tls_report{{absl::FromUnixMicros(1), "d"},
                             absl::FromUnixMicros(2),
                             absl::FromUnixMicros(3),
                             300,
                             {{"tlsa", "b", {"3 1 1 ab", ""}, "m", "192.0.2.1", "r", "x", kMost}, {}}};
  EXPECT_EQ(Again(tls_report), tls_report);
  EXPECT_EQ(Again(TlsReportCount{kMost}).count, kMost);
  const StsPolicy policy{"d", "i", std::string("\0\xff", 2), absl::FromUnixMicros(3), absl::InfiniteFuture()};
  EXPECT_EQ(Again(policy), policy);
  EXPECT_EQ(Again(StsCount{kMost}).count, kMost);
  EXPECT_EQ(Again(SubmissionCount{kMost}).count, kMost);
  const Submission submission = Again(SampleSubmission());
  EXPECT_EQ(Encode(submission), Encode(SampleSubmission()));
  EXPECT_EQ(submission.targets, SampleSubmission().targets);
  EXPECT_EQ(submission.envelope.recipients[0].notify, (DsnNotify{true, false, true, false}));
  EXPECT_EQ(submission.queue_id, QueueId{300});
  EXPECT_EQ(submission.send_time, absl::FromUnixMicros(6));
  EXPECT_EQ(Again(SampleOutcome()), SampleOutcome());
  EXPECT_EQ(Again(SubmissionOutcome()), SubmissionOutcome());
  // A target of a recipient that there is none of would be read beyond the envelope.
  Submission astray = SampleSubmission();
  astray.targets[0].recipient = 2;
  EXPECT_EQ(Decode(Encode(astray), astray).code(), absl::StatusCode::kDataLoss);
  // What is no submission is kept as ever.
  EXPECT_EQ(Encode(SampleQueued())[0], 1);
  QueuedRecord submitted = SampleQueued();
  submitted.entry.submission = "i";
  submitted.entry.not_before = absl::FromUnixMicros(9);
  EXPECT_EQ(Encode(submitted)[0], 2);
  EXPECT_EQ(Again(submitted).entry.submission, "i");
  EXPECT_EQ(Again(submitted).entry.not_before, absl::FromUnixMicros(9));
  EXPECT_EQ(Again(SampleQueued()).entry.submission, "");
  const rules::Lock lock{LockToken{9}, "S", "L", 5, absl::FromUnixMicros(1), 7, "2001:db8::1", 0};
  EXPECT_EQ(Again(lock), lock);
  rules::Lock of_earlier_store{LockToken{1}, "", "", 1, absl::UnixEpoch(), 1, "192.0.2.1", 3};
  ASSERT_TRUE(Decode(absl::HexStringToBytes("0209014c0501530207"), of_earlier_store).ok());
  EXPECT_EQ(of_earlier_store, (rules::Lock{LockToken{9}, "S", "L", 5, absl::FromUnixMicros(1), 7, ""}));
  of_earlier_store.client_address = "2001:db8::1";
  EXPECT_EQ(Again(of_earlier_store), of_earlier_store);
  EXPECT_EQ(Encode(of_earlier_store)[0], 3) << "what it had lost when it was locked is not known";
  const rules::Deletion kept{absl::FromUnixMicros(-3), DeletionCause::kRetention, "x.test"};
  EXPECT_EQ(Again(Deletion{MessageId{kMost}, {}}).next.value, kMost);
  EXPECT_EQ(Again(Deletion{MessageId{kMost}, {}}).kept, rules::Deletion());
  EXPECT_EQ(Again(Deletion{MessageId{1}, kept}).kept, kept);
  EXPECT_EQ(Again(TrashedRecord{kept, Encode(SampleMessage())}).deletion, kept);
  EXPECT_EQ(Again(TrashedRecord{kept, Encode(SampleMessage())}).message, Encode(SampleMessage()));
  const std::vector<MessageRun> runs = {
      {MessageId{0}, MessageId{0}}, {MessageId{2}, MessageId{9}}, {MessageId{10}, MessageId{kMost - 1}}};
  EXPECT_EQ(Again(Runs{runs}).runs, runs);
  // Numbers that add up to more than there are.
  Runs decoded;
  for (const std::vector<MessageRun>& bad : {std::vector<MessageRun>{{MessageId{10}, MessageId{kMost}}},
                                             std::vector<MessageRun>{{MessageId{0}, MessageId{kMost - 1}},
                                                                     {MessageId{kMost}, MessageId{kMost}}}}) {
    EXPECT_EQ(Decode(Encode(Runs{bad}), decoded).code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Records, TimesOfAllSizes) {
  for (const absl::Time time :
       {absl::InfinitePast(), absl::InfiniteFuture(), absl::UnixEpoch(), absl::FromUnixMicros(-1),
        absl::FromUnixMicros(1), absl::FromUnixMicros(std::numeric_limits<int64_t>::max() - 1),
        absl::FromUnixMicros(std::numeric_limits<int64_t>::min() + 1)}) {
    EXPECT_EQ(Again(rules::KeptReceipt{"", "", time}).deliver_time, time);
  }
}

template <typename Record>
absl::Status DecodeHex(absl::string_view hex) {
  Record record;
  return Decode(absl::HexStringToBytes(hex), record);
}

TEST(Records, BadBytesAreDataLoss) {
  const auto is_loss = [](const absl::Status& status) { return absl::IsDataLoss(status); };
  EXPECT_TRUE(is_loss(DecodeHex<BodyRef>("")));
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("00"
                                 "02"
                                 "03")))
      << "version 0";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("02"
                                 "02"
                                 "03")))
      << "version 2";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02")))
      << "cut short";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02"
                                 "03"
                                 "00")))
      << "bytes after the end";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02"
                                 "ffffffffffffffffff02")))
      << "65 bits";
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "02"
                                 "ffffffffffffffffffff01")))
      << "11 bytes";
  EXPECT_TRUE(
      is_loss(DecodeHex<rules::KeptReceipt>("01"
                                            "05"
                                            "6868")))
      << "string past the end";
  EXPECT_TRUE(
      is_loss(DecodeHex<rules::KeptReceipt>("01"
                                            "ffffffffffffffffff01"
                                            "68")))
      << "string of 2^64-1 bytes";
  EXPECT_TRUE(
      is_loss(DecodeHex<Domain>("01"
                                "0178"
                                "02"
                                "00")))
      << "flag 2";
  EXPECT_TRUE(
      is_loss(DecodeHex<Alias>("01"
                               "0178"
                               "00"
                               "ffffffffffffffffff01")))
      << "2^64-1 targets";
  EXPECT_TRUE(
      is_loss(DecodeHex<Account>("01"
                                 "0178"
                                 "01"
                                 "00"
                                 "00"
                                 "00"
                                 "00"
                                 "03"
                                 "00"
                                 "00"
                                 "00"
                                 "00"
                                 "00"
                                 "00")))
      << "credential of kind 3";
  EXPECT_TRUE(
      is_loss(DecodeHex<MessageRecord>("01"
                                       "01"
                                       "02"
                                       "00"
                                       "00"
                                       "00"
                                       "00"
                                       "00"
                                       "00"
                                       "03500d0a"
                                       "00"
                                       "00")))
      << "prefix longer than the message";
  EXPECT_TRUE(
      is_loss(DecodeHex<Route>("01"
                               "0178"
                               "00"
                               "00"
                               "01"
                               "0168"
                               "808004"
                               "00"
                               "00"
                               "00"
                               "00"
                               "00"
                               "00")))
      << "port 65536";
  EXPECT_TRUE(
      is_loss(DecodeHex<Route>("01"
                               "0178"
                               "00"
                               "00"
                               "00"
                               "04"
                               "00"
                               "00"
                               "00"
                               "00"
                               "00")))
      << "tls of kind 4";
  for (const char* kinds : {"02800200", "01800203"}) {
    const std::string hex = std::string(
                                "01"
                                "01"
                                "0173") +
                            kinds +
                            "00"
                            "00"
                            "00"
                            "00"
                            "00";
    EXPECT_TRUE(is_loss(DecodeHex<DkimRecord>(hex))) << "type or state of kind " << kinds;
  }
  EXPECT_TRUE(
      is_loss(DecodeHex<BodyRef>("01"
                                 "ffffffffffffffffff01"
                                 "00")))
      << "a count of 2^64-1";
  EXPECT_TRUE(
      is_loss(DecodeHex<rules::Lock>("01"
                                     "09"
                                     "014c"
                                     "05")))
      << "a lock of an earlier store";
}

TEST(Records, EveryCutAndEveryFlippedBitIsARecordOrDataLoss) {
  const std::string good = Encode(SampleMessage());
  MessageRecord message;
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(absl::IsDataLoss(Decode(absl::string_view(good).substr(0, size), message))) << size;
  }
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const absl::Status status = Decode(bytes, message);
    EXPECT_TRUE(status.ok() || absl::IsDataLoss(status)) << status;
  }
}

}  // namespace
}  // namespace mailstead::engine
