// Whole commands against a store in memory: what they ask, what they print, and how they end.
#include "mailctl/mailctl.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "common/store/blocking.h"
#include "mailctl/connect.h"
#include "mailstead/store/v1/directory.pb.h"
#include "mailstead/store/v1/message.pb.h"
#include "tests/support/fake_store.h"
#include "tests/support/fake_time.h"

namespace mailstead::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

using test::FakeStore;
using test::When;

// SHA-512 of "secret", as crypt(3) makes it.
constexpr char kHash[] =
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDe"
    "hy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";

// The way to a store whose pages are small.
class SmallPages final : public rpc::Transport {
 public:
  explicit SmallPages(rpc::Transport& behind) : behind_(behind) {}

  asio::awaitable<absl::Status> Call(absl::string_view method, const google::protobuf::MessageLite& request,
                                     google::protobuf::MessageLite& response,
                                     rpc::CallOptions options) override {
    const auto& message = static_cast<const google::protobuf::Message&>(request);
    const std::unique_ptr<google::protobuf::Message> changed(message.New());
    changed->CopyFrom(message);
    const auto* const page_size = changed->GetDescriptor()->FindFieldByName("page_size");
    if (page_size != nullptr) changed->GetReflection()->SetInt32(changed.get(), page_size, 2);
    co_return co_await behind_.Call(method, *changed, response, std::move(options));
  }
  std::unique_ptr<rpc::CallStream> Open(absl::string_view method, rpc::CallOptions options) override {
    return behind_.Open(method, std::move(options));
  }

 private:
  rpc::Transport& behind_;
};

class MailctlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/mailctl-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_ + "/secrets");
    std::ofstream(folder_ + "/secrets/operator.token") << FakeStore::TokenOf(stored::kOperator) << "\n";
    std::ofstream(folder_ + "/store.address") << "in-process\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The exit code; what was printed is in out_ and err_.
  int Mailctl(const Words& words, const std::string& input = "") {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    EXPECT_EQ(write(fds[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
    close(fds[1]);
    Surroundings surroundings{.clock = time_};
    surroundings.getenv = [this](const char* name) -> const char* {
      return std::string(name) == "MAILSTEAD_DATA" ? folder_.c_str() : nullptr;
    };
    surroundings.connect = [this](const Settings& settings) { return Connect(settings); };
    std::ostringstream out;
    std::ostringstream err;
    const ExitCode code = ctl::Run(words, surroundings, Streams{fds[0], STDERR_FILENO, out, err});
    close(fds[0]);
    out_ = out.str();
    err_ = err.str();
    return static_cast<int>(code);
  }

  absl::StatusOr<std::unique_ptr<rpc::Transport>> Connect(const Settings& settings) {
    if (settings.channel.target != "in-process") return ConnectByGrpc(settings);
    std::string token;
    std::getline(std::ifstream(settings.channel.token_file) >> std::ws, token);
    if (token == FakeStore::TokenOf(stored::kOperator)) return std::make_unique<SmallPages>(store_.way());
    return store_.NewWay(token);
  }

  // The same with --json: what is on standard output must be one document.
  google::protobuf::Struct Json(Words words, int expected_code = 0) {
    words.push_back("--json");
    EXPECT_EQ(Mailctl(words), expected_code) << err_;
    google::protobuf::Struct document;
    const auto status = google::protobuf::util::JsonStringToMessage(out_, &document);
    EXPECT_TRUE(status.ok()) << status.ToString() << "\n" << out_;
    return document;
  }

  std::string WriteFile(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  void AddDemo() {
    ASSERT_EQ(Mailctl({"domain", "add", "example.test"}), 0) << err_;
    ASSERT_EQ(Mailctl({"account", "add", "demo@example.test", "--password_stdin"}, "secret\n"), 0) << err_;
  }

  // A POP3 session, by way of a front-end that holds a lease.
  void LogIn(const std::string& password, const std::string& session,
             const std::string& user = "demo@example.test") {
    const auto frontend = store_.NewWay(FakeStore::TokenOf(stored::kPop));
    store::BlockingStore pop(*frontend);
    ASSERT_TRUE(
        pop.Run(pop.api().RenewLease("abcdefghijklmnop", "host pop3d 42", absl::Seconds(30), {})).ok());
    const auto login = pop.api().StartLogin({.session_id = session});
    sasl::Start start{.mechanism = "PLAIN",
                      .initial_response = sasl::PlainMessage(user, password),
                      .client_address = "192.0.2.1"};
    ASSERT_TRUE(
        pop.Run(login->Begin(std::move(start), store::MaildropRequest{.lease_id = "abcdefghijklmnop"})).ok());
  }

  FakeTime time_;
  FakeStore store_{{.timers = &time_}};
  std::string folder_;
  std::string out_;
  std::string err_;
};

TEST_F(MailctlTest, DomainLife) {
  EXPECT_EQ(Mailctl({"domain", "add", "example.test"}), 0) << err_;
  EXPECT_EQ(out_, "domain example.test added\n");
  EXPECT_TRUE(store_.Domain("example.test").plus_addressing) << "plus addressing is on unless turned off";
  EXPECT_EQ(Mailctl({"domain", "add", "example.test"}), 4);
  EXPECT_EQ(err_, "mailctl: domain example.test exists\n");
  EXPECT_EQ(Mailctl({"domain", "set", "example.test", "--plus_addressing=no"}), 0) << err_;
  EXPECT_FALSE(store_.Domain("example.test").plus_addressing);
  EXPECT_EQ(Mailctl({"domain", "show", "example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("plus addressing:  no\n"));
  EXPECT_EQ(Mailctl({"domain", "remove", "example.test"}), 0) << err_;
  EXPECT_EQ(Mailctl({"domain", "show", "example.test"}), 3);
  EXPECT_EQ(Mailctl({"domain", "remove", "example.test"}), 3);
}

TEST_F(MailctlTest, NothingToChangeIsUsage) {
  EXPECT_EQ(Mailctl({"domain", "set", "example.test"}), 2);
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test"}), 2);
}

TEST_F(MailctlTest, FieldIsNamed) {
  EXPECT_EQ(Mailctl({"domain", "add", ""}), 1);
  EXPECT_EQ(err_, "mailctl: domain name: must not be empty\n");
  EXPECT_EQ(Mailctl({"domain", "add", "", "--json"}), 1);
  EXPECT_THAT(err_, HasSubstr("\"field\": \"domain.name\""));
}

TEST_F(MailctlTest, ErrorsNameWhatWasTyped) {
  AddDemo();
  EXPECT_EQ(Mailctl({"domain", "add", "ex ample.test"}), 1);
  EXPECT_THAT(err_, StartsWith("mailctl: ex ample.test: "));
  EXPECT_EQ(Mailctl({"account", "add", "nobody", "--password_stdin"}, "secret\n"), 1);
  EXPECT_THAT(err_, StartsWith("mailctl: nobody: "));
  EXPECT_EQ(Mailctl({"account", "add", "x@example.test", "--password_stdin"}, "sec\tret\n"), 1);
  EXPECT_EQ(err_, "mailctl: password: must not have control characters\n");
  EXPECT_EQ(Mailctl({"account", "import", "-"}, "x@example.test sec\tret\ny..z@ b\n"), 1);
  EXPECT_THAT(err_,
              StartsWith("mailctl: line 1: x@example.test: password: must not have control characters\n"));
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test,a b@example.test"}, "x\n"), 1);
  EXPECT_THAT(err_, StartsWith("mailctl: a b@example.test: "));
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test,gone@example.test"}, "x\n"), 3);
  EXPECT_THAT(err_, HasSubstr("gone@example.test")) << "which of the two";
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test", "--delivery_id=short"}, "x\n"), 1);
  EXPECT_EQ(err_, "mailctl: short: must have 16 to 64 characters\n");
}

TEST_F(MailctlTest, PostmasterIsNamedWithTheDomain) {
  EXPECT_EQ(Mailctl({"domain", "add", "example.test", "--postmaster=ann@example.test"}), 0) << err_;
  EXPECT_EQ(out_, "domain example.test added\n");
  EXPECT_EQ(Mailctl({"domain", "show", "example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("postmaster:       nobody\n")) << "ann is not there yet";
  store_.AddAccount("ann@example.test");
  EXPECT_EQ(Mailctl({"domain", "show", "example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("postmaster:       ann@example.test\n"));
  EXPECT_EQ(Mailctl({"domain", "add", "second.test"}), 0) << err_;
  EXPECT_EQ(Mailctl({"domain", "show", "second.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("postmaster:       ann@example.test, by default\n"));
  EXPECT_EQ(Mailctl({"domain", "add", "third.test", "--postmaster=postmaster@third.test"}), 0) << err_;
  EXPECT_EQ(Mailctl({"alias", "show", "postmaster@third.test"}), 3) << "an account, to be";
  EXPECT_EQ(Mailctl({"domain", "add", "fourth.test", "--postmaster=no address"}), 1);
  EXPECT_EQ(
      err_,
      "mailctl: domain fourth.test is added, its postmaster is not: no address: malformed local part\n");

  EXPECT_EQ(Mailctl({"status"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("postmaster:      ann@example.test; of the first 2 domains, 1 names nobody: "
                              "fourth.test (ann@example.test, by default)\n"))
      << "pages have two domains here";
  store_.SetQuota("ann@example.test", 0, 1);
  store_.AddMessage("ann@example.test", "x\r\n");
  EXPECT_EQ(Mailctl({"domain", "show", "example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("postmaster:       ann@example.test (full)\n"));
}

TEST_F(MailctlTest, OneDocumentForEachCommand) {
  AddDemo();
  // A result, and an error behind it.
  store_.engine().SetHealth(absl::UnavailableError("the disk is full"));
  const auto status = Json({"status"}, 5).fields();
  EXPECT_EQ(status.at("health").string_value(), "HEALTH_FAILING");
  EXPECT_EQ(status.at("error").struct_value().fields().at("exit_code").number_value(), 5);
  EXPECT_EQ(err_, "");
  store_.engine().SetHealth(absl::OkStatus());
  EXPECT_EQ(Json({"resolve", "gone@example.test"}, 3)
                .fields()
                .at("error")
                .struct_value()
                .fields()
                .at("code")
                .string_value(),
            "NOT_FOUND");
  EXPECT_EQ(err_, "");
  // An error alone.
  EXPECT_EQ(Mailctl({"account", "show", "gone@example.test", "--json"}), 3);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, StartsWith("{\"error\": {"));
  EXPECT_EQ(
      Mailctl({"deliver", "-", "--to=demo@example.test", "--delivery_id=0123456789abcdef", "--json"}, "x\n"),
      0);
  store_.way().SetAway(absl::UnavailableError("the disk is full"));
  EXPECT_EQ(
      Mailctl({"deliver", "-", "--to=demo@example.test", "--delivery_id=0123456789abcdef", "--json"}, "x\n"),
      5);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_,
              HasSubstr("the disk is full; it is safe to try again with --delivery_id=0123456789abcdef\""));
  EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1);
}

TEST_F(MailctlTest, ADigestIsInHex) {
  AddDemo();
  store_.AddMessage("demo@example.test", "x\r\n");
  const std::string hex = absl::BytesToHexString(store_.List("demo@example.test")[0].sha256);
  EXPECT_EQ(Json({"message", "show", "demo@example.test", "1"}).fields().at("sha256").string_value(), hex);
  const auto listed = Json({"message", "list", "demo@example.test"}).fields().at("messages").list_value();
  EXPECT_EQ(listed.values(0).struct_value().fields().at("sha256").string_value(), hex);
}

TEST_F(MailctlTest, ListsGoOverAllPages) {
  for (const char* name : {"a.test", "b.test", "c.test", "d.test", "e.test"}) store_.AddDomain(name);
  EXPECT_EQ(Mailctl({"domain", "list"}), 0) << err_;
  for (const char* name : {"a.test", "b.test", "c.test", "d.test", "e.test"})
    EXPECT_THAT(out_, HasSubstr(name));
  EXPECT_EQ(Json({"domain", "list"}).fields().at("domains").list_value().values_size(), 5);
}

TEST_F(MailctlTest, EmptyLists) {
  EXPECT_EQ(Mailctl({"domain", "list"}), 0) << err_;
  EXPECT_EQ(out_, "no domains\n");
  EXPECT_EQ(Json({"account", "list"}).fields().at("accounts").list_value().values_size(), 0);
}

TEST_F(MailctlTest, AccountLife) {
  AddDemo();
  EXPECT_EQ(out_, "account demo@example.test added, mailbox 1\n");
  EXPECT_TRUE(store_.LogsIn("demo@example.test", "secret"));
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--quota_bytes=2G", "--disabled=yes"}), 0)
      << err_;
  engine::Account demo = store_.Account("demo@example.test");
  EXPECT_EQ(demo.quota_bytes, 2ll << 30);
  EXPECT_TRUE(demo.disabled);
  EXPECT_EQ(demo.quota_messages, 0);
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--disabled=no", "--quota_messages=7"}), 0)
      << err_;
  demo = store_.Account("demo@example.test");
  EXPECT_EQ(demo.quota_bytes, 2ll << 30) << "what is not named stays";
  EXPECT_EQ(demo.quota_messages, 7);
  EXPECT_FALSE(demo.disabled);
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("quota of bytes:     2.0 GiB\n"));
  EXPECT_THAT(out_, HasSubstr("password:           SCRAM-SHA-256\n"));
  EXPECT_EQ(Mailctl({"account", "password", "demo@example.test", "--hash_stdin"}, absl::StrCat(kHash, "\n")),
            0)
      << err_;
  demo = store_.Account("demo@example.test");
  EXPECT_EQ(demo.credential.kind, engine::Credential::Kind::kCrypt);
  EXPECT_EQ(demo.credential.crypt_hash, kHash);
  // Nobody is there to ask.
  EXPECT_EQ(Mailctl({"account", "remove", "demo@example.test"}), 2);
  EXPECT_THAT(err_, HasSubstr("--yes"));
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 0);
  EXPECT_EQ(Mailctl({"account", "remove", "demo@example.test", "--yes"}), 0) << err_;
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 3);
}

TEST_F(MailctlTest, AnAccountKeepsWhatItHasWhenItsAddressChanges) {
  AddDemo();
  store_.AddMessage("demo@example.test", "x\r\n");
  EXPECT_EQ(
      Mailctl({"account", "set", "demo@example.test", "--address=ann@example.test", "--quota_messages=9"}), 0)
      << err_;
  EXPECT_EQ(out_, "account ann@example.test changed\n");
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 3);
  EXPECT_EQ(Mailctl({"account", "show", "1"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("address:            ann@example.test\n"));
  EXPECT_TRUE(store_.LogsIn("ann@example.test", "secret"));
  EXPECT_EQ(store_.List("ann@example.test").size(), 1u);
  EXPECT_EQ(store_.Account("ann@example.test").quota_messages, 9);
  store_.AddAccount("taken@example.test");
  EXPECT_EQ(Mailctl({"account", "set", "ann@example.test", "--address=taken@example.test"}), 4);
}

TEST_F(MailctlTest, AChangeOfSomebodyElseIsNotLost) {
  AddDemo();
  store_.AddAccount("other@example.test");
  ASSERT_EQ(Mailctl({"alias", "add", "sales@example.test", "demo@example.test"}), 0) << err_;
  // Between what a command reads and what it changes.
  for (const Words& words : {Words{"account", "set", "demo@example.test", "--quota_messages=7"},
                             Words{"domain", "set", "example.test", "--plus_addressing=no"},
                             Words{"alias", "set", "sales@example.test", "other@example.test"}}) {
    store_.engine().Fail("Directory.Update", FaultyEngine::When::kBefore,
                         WithReason(absl::AbortedError("changed meanwhile"), kReasonEtagMismatch));
    EXPECT_EQ(Mailctl(words), 5) << words[0];
    EXPECT_EQ(err_, "mailctl: changed meanwhile\n");
  }
  // Each told the store which state it meant.
  EXPECT_FALSE(
      store_.way().seen("UpdateAccount")[0].As<store::v1::UpdateAccountRequest>().update().etag().empty());
  EXPECT_FALSE(
      store_.way().seen("UpdateDomain")[0].As<store::v1::UpdateDomainRequest>().domain().etag().empty());
  EXPECT_FALSE(
      store_.way().seen("UpdateAlias")[0].As<store::v1::UpdateAliasRequest>().alias().etag().empty());
}

TEST_F(MailctlTest, AccountJsonHasApiNamesAndZeroes) {
  AddDemo();
  const auto fields = Json({"account", "show", "demo@example.test"}).fields();
  EXPECT_EQ(fields.at("address").string_value(), "demo@example.test");
  EXPECT_EQ(fields.at("account_id").string_value(), "1");
  EXPECT_EQ(fields.at("usage").struct_value().fields().at("messages").string_value(), "0");
  EXPECT_EQ(fields.at("state").string_value(), "ACCOUNT_STATE_ACTIVE");
  EXPECT_EQ(fields.at("password_kind").string_value(), "PASSWORD_KIND_SCRAM_SHA_256");
}

TEST_F(MailctlTest, AccountWithoutPassword) {
  store_.AddDomain("example.test");
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--no_password"}), 0) << err_;
  EXPECT_EQ(Mailctl({"account", "show", "a@example.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("password:           none\n"));
}

TEST_F(MailctlTest, PasswordsComeFromStandardInputOnly) {
  store_.AddDomain("example.test");
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test"}, "secret\n"), 2);
  EXPECT_THAT(err_, HasSubstr("--password_stdin"));
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin"}, ""), 1);
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin"}, "\xff\n"), 1);
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin", "--hash_stdin"}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin", "--no_password"}, "x\n"), 2);
  EXPECT_EQ(store_.account_count(), 0u);
}

TEST_F(MailctlTest, AccountsOfOneDomain) {
  for (const char* domain : {"a.test", "b.test"}) {
    store_.AddDomain(domain);
    ASSERT_EQ(Mailctl({"account", "add", absl::StrCat("x@", domain), "--no_password"}), 0);
  }
  EXPECT_EQ(Mailctl({"account", "list", "b.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("x@b.test"));
  EXPECT_THAT(out_, Not(HasSubstr("x@a.test")));
}

TEST_F(MailctlTest, ImportTellsOfEachBadLine) {
  store_.AddDomain("example.test");
  const std::string file = WriteFile("accounts.txt",
                                     "# staff\n"
                                     "a@example.test one two\n"
                                     "nonsense\n"
                                     "\n"
                                     "b@example.test " +
                                         std::string(kHash) +
                                         "\n"
                                         "c@elsewhere.test secret\n"
                                         "a@example.test again\n"
                                         "d@example.test last");
  EXPECT_EQ(Mailctl({"account", "import", file}), 1);
  EXPECT_EQ(out_, "3 accounts added, 3 failed\n");
  EXPECT_EQ(err_,
            "mailctl: line 3: the line does not begin with an address (user@domain)\n"
            "mailctl: line 6: c@elsewhere.test: no domain elsewhere.test\n"
            "mailctl: line 7: a@example.test: account a@example.test exists\n"
            "mailctl: 3 lines of the import failed\n");
  EXPECT_TRUE(store_.LogsIn("a@example.test", "one two"));
  EXPECT_EQ(store_.Account("b@example.test").credential.crypt_hash, kHash);
  EXPECT_TRUE(store_.LogsIn("d@example.test", "last"));
}

TEST_F(MailctlTest, ImportJson) {
  store_.AddDomain("example.test");
  const std::string file = WriteFile("accounts.txt", "a@example.test x\nbad\n");
  const auto fields = Json({"account", "import", file}, 1).fields();
  EXPECT_EQ(fields.at("added").string_value(), "1") << "64-bit numbers are strings";
  EXPECT_EQ(fields.at("failed").string_value(), "1");
  EXPECT_EQ(fields.at("failures").list_value().values(0).struct_value().fields().at("line").string_value(),
            "2");
  EXPECT_EQ(err_, "") << "what failed is in the document";
}

TEST_F(MailctlTest, ImportExisting) {
  AddDemo();
  EXPECT_EQ(
      Mailctl({"account", "import", "-", "--existing=skip"}, "demo@example.test new\na@example.test x\n"), 0);
  EXPECT_EQ(out_, "1 account added, 1 skipped\n");
  EXPECT_TRUE(store_.LogsIn("demo@example.test", "secret"));
  EXPECT_EQ(Mailctl({"account", "import", "-", "--existing=update"}, "demo@example.test new\n"), 0) << err_;
  EXPECT_EQ(out_, "0 accounts added, 1 updated\n");
  EXPECT_TRUE(store_.LogsIn("demo@example.test", "new"));
}

TEST_F(MailctlTest, ImportGoesInBatches) {
  store_.AddDomain("example.test");
  std::string lines;
  // Hashes cost the store nothing.
  for (int i = 0; i < 2'749; ++i) absl::StrAppend(&lines, "user", i, "@example.test ", kHash, "\n");
  absl::StrAppend(&lines, "user2749@example.test secret2749\n");
  const std::string file = WriteFile("many.txt", lines);
  EXPECT_EQ(Mailctl({"account", "import", file}), 0) << err_;
  EXPECT_EQ(out_, "2750 accounts added\n");
  EXPECT_EQ(store_.account_count(), 2'750u);
  EXPECT_TRUE(store_.LogsIn("user2749@example.test", "secret2749"));
  std::vector<int> batch_sizes;
  for (const test::SeenCall& call : store_.way().seen("BatchCreateAccounts")) {
    batch_sizes.push_back(call.As<store::v1::BatchCreateAccountsRequest>().requests_size());
  }
  EXPECT_THAT(batch_sizes, ::testing::UnorderedElementsAre(500, 500, 500, 500, 500, 250));
}

TEST_F(MailctlTest, ImportEndsWhenTheStoreGoesAway) {
  store_.AddDomain("example.test");
  store_.way().SetAway(absl::UnavailableError("the disk is full"));
  EXPECT_EQ(Mailctl({"account", "import", "-"}, "a@example.test x\n"), 5);
  EXPECT_THAT(err_, HasSubstr("line 1: a@example.test: the disk is full"));
}

TEST_F(MailctlTest, ImportOfAMissingFile) {
  EXPECT_EQ(Mailctl({"account", "import", folder_ + "/nothing"}), 3);
  EXPECT_THAT(err_, HasSubstr("No such file"));
}

TEST_F(MailctlTest, AliasLife) {
  store_.AddDomain("example.test");
  for (const char* address : {"a@example.test", "b@example.test", "c@example.test"})
    store_.AddAccount(address);
  EXPECT_EQ(Mailctl({"alias", "add", "sales@example.test", "a@example.test", "b@example.test"}), 0) << err_;
  EXPECT_THAT(store_.Alias("sales@example.test").targets, ElementsAre("a@example.test", "b@example.test"));
  EXPECT_EQ(Mailctl({"alias", "set", "sales@example.test", "c@example.test"}), 0) << err_;
  EXPECT_THAT(store_.Alias("sales@example.test").targets, ElementsAre("c@example.test"));
  EXPECT_EQ(Mailctl({"alias", "list"}), 0);
  EXPECT_EQ(out_, "ADDRESS             TARGETS\nsales@example.test  c@example.test\n");
  EXPECT_EQ(Mailctl({"alias", "show", "sales@example.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("target:   c@example.test\n"));
  EXPECT_EQ(Mailctl({"alias", "remove", "sales@example.test"}), 0);
  EXPECT_EQ(Mailctl({"alias", "show", "sales@example.test"}), 3);
}

TEST_F(MailctlTest, AnAliasWithATargetThatTakesNoMailIsForced) {
  AddDemo();
  store_.AddAccount("off@example.test");
  store_.SetDisabled("off@example.test", true);
  store_.AddAccount("full@example.test");
  store_.SetQuota("full@example.test", 0, 1);
  store_.AddMessage("full@example.test", "x\r\n");
  EXPECT_EQ(Mailctl({"alias", "add", "team@example.test", "demo@example.test", "misspelt@example.test"}), 1);
  EXPECT_EQ(err_,
            "mailctl: nobody gets mail for misspelt@example.test: it does not exist (--force takes it all "
            "the same)\n");
  EXPECT_EQ(Mailctl({"alias", "add", "team@example.test", "off@example.test"}), 1);
  EXPECT_THAT(err_, HasSubstr("off@example.test: it is disabled"));
  EXPECT_EQ(Mailctl({"alias", "show", "team@example.test"}), 3);
  // A full one has room again some day.
  EXPECT_EQ(Mailctl({"alias", "add", "team@example.test", "demo@example.test", "full@example.test"}), 0)
      << err_;
  EXPECT_EQ(Mailctl({"alias", "set", "team@example.test", "off@example.test"}), 1);
  EXPECT_EQ(Mailctl({"alias", "set", "team@example.test", "demo@example.test", "off@example.test",
                     "no@example.test", "--force"}),
            0)
      << err_;
  EXPECT_EQ(Mailctl({"alias", "add", "bad@example.test", "no address"}), 1) << "the store says why";
  EXPECT_EQ(err_, "mailctl: no address: malformed local part\n");
  // An alias of such ones alone is one itself; a tag leads to its account.
  EXPECT_EQ(Mailctl({"alias", "add", "none@example.test", "off@example.test", "--force"}), 0) << err_;
  EXPECT_EQ(Mailctl({"alias", "add", "outer@example.test", "none@example.test"}), 1);
  EXPECT_EQ(Mailctl({"alias", "add", "outer@example.test", "demo+tag@example.test"}), 0) << err_;

  EXPECT_EQ(Mailctl({"resolve", "team+x@example.test"}), 0) << err_;
  EXPECT_EQ(out_,
            "team+x@example.test leads to an alias or catch-all here: mailbox 1\n"
            "  team+x@example.test, without its tag team@example.test: alias\n"
            "    demo@example.test: account 1\n"
            "    off@example.test: account 2 is disabled: passed over while another takes the mail\n"
            "    no@example.test: does not exist: passed over while another takes the mail\n"
            "smtpd answers 250 2.1.5\n");
}

TEST_F(MailctlTest, DkimLife) {
  AddDemo();
  EXPECT_EQ(Mailctl({"dkim", "list"}), 0) << err_;
  EXPECT_EQ(out_, "no keys: mail goes out unsigned\n");
  EXPECT_EQ(Mailctl({"dkim", "create", "example.test", "--selector", "s"}), 0) << err_;
  EXPECT_THAT(out_,
              ContainsRegex(
                  "^key s of example.test \\(rsa 2048\\) is made; it signs as soon as this record is seen"));
  EXPECT_THAT(
      out_, ContainsRegex("\ns._domainkey.example.test. IN TXT \"v=DKIM1; k=rsa; p=[^\"]+\" \"[^\"]+\"\n$"));
  EXPECT_EQ(Mailctl({"dkim", "list", "example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("pending: not looked for yet"));
  EXPECT_THAT(out_, HasSubstr("\nto be published:\ns._domainkey.example.test. IN TXT \"v=DKIM1; "));
  EXPECT_EQ(Mailctl({"dkim", "rotate", "example.test"}), 1) << "no key that signs";
  EXPECT_EQ(Mailctl({"dkim", "activate", "example.test", "s"}), 0) << err_;
  EXPECT_EQ(out_, "key s of example.test signs\n");
  EXPECT_EQ(Mailctl({"dkim", "create", "example.test", "--type=ed25519", "--selector=e", "--activate"}), 0)
      << err_;
  EXPECT_THAT(
      out_, HasSubstr("key e of example.test (ed25519) signs; publish this record before mail goes out:\n"));
  const auto rotated = Json({"dkim", "rotate", "example.test"});
  ASSERT_EQ(rotated.fields().at("keys").list_value().values_size(), 2);
  const auto& record =
      rotated.fields().at("keys").list_value().values(0).struct_value().fields().at("record").struct_value();
  EXPECT_THAT(record.fields().at("name").string_value(), HasSubstr("._domainkey.example.test"));
  EXPECT_THAT(record.fields().at("value").string_value(), HasSubstr("v=DKIM1; k=rsa; p="));
  EXPECT_EQ(Mailctl({"dkim", "remove", "example.test", "s"}), 1);
  EXPECT_THAT(err_, HasSubstr("signs mail"));
  EXPECT_EQ(Mailctl({"dkim", "remove", "example.test", "s", "--force"}), 0) << err_;
  EXPECT_EQ(out_, "key s of example.test removed\n");
  EXPECT_EQ(Mailctl({"dkim", "remove", "example.test", "s"}), 3);
  EXPECT_EQ(Mailctl({"dkim", "create", "other.test"}), 3);
  EXPECT_EQ(Mailctl({"dkim", "create", "example.test", "--bits=0"}), 2);
  EXPECT_EQ(Mailctl({"dkim", "create", "example.test", "--bits=1024"}), 1);
  EXPECT_EQ(err_, "mailctl: bits: must be 2048, 3072 or 4096\n");
}

TEST_F(MailctlTest, WhatAnAccountMaySend) {
  AddDemo();
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--hourly_recipients=10", "--trusted=yes"}), 0)
      << err_;
  EXPECT_EQ(out_, "account demo@example.test changed\n");
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--daily_messages=20", "--quota_messages=5"}), 0)
      << err_;
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(out_, ContainsRegex("sending: +active, trusted\n"));
  EXPECT_THAT(out_,
              ContainsRegex("sent in an hour: +0 recipients of 10, 0 messages, 0 new, 0 taken, 0 refused\n"));
  EXPECT_THAT(out_, ContainsRegex("sent in a day: +0 recipients, 0 messages of 20, 0 new"));
  EXPECT_THAT(out_, ContainsRegex("quota of messages: +5\n"));
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--hourly_recipients=default", "--trusted=no"}),
            0)
      << err_;
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 0);
  EXPECT_THAT(out_, ContainsRegex("sending: +active\n"));
  EXPECT_THAT(out_, ContainsRegex("sent in an hour: +0 recipients, 0 messages,"));
  EXPECT_THAT(out_, ContainsRegex("sent in a day: +0 recipients, 0 messages of 20,"));
  for (const char* wrong : {"--hourly_recipients=many", "--daily_recipients=-1", "--trusted=perhaps"}) {
    EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", wrong}), 2) << wrong;
  }
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--hourly_messages=1000000001"}), 1);
  EXPECT_EQ(Mailctl({"account", "pause", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(out_, ContainsRegex("sending of demo@example.test: PAUSED since .*: by an operator\n"));
  EXPECT_EQ(Json({"account", "show", "demo@example.test"}).fields().at("sending_state").string_value(),
            "SENDING_STATE_PAUSED");
  EXPECT_EQ(Mailctl({"account", "resume", "demo@example.test"}), 0) << err_;
  EXPECT_EQ(out_, "sending of demo@example.test goes on, 0 recipients released\n");
  EXPECT_EQ(Mailctl({"account", "pause", "nobody@example.test"}), 3);
}

TEST_F(MailctlTest, WithoutAnSrsDomainThereAreNoSecrets) {
  EXPECT_EQ(Mailctl({"srs", "rotate"}), 1);
  EXPECT_THAT(err_, HasSubstr("--srs_domain"));
  EXPECT_EQ(Mailctl({"srs", "list"}), 1);
  EXPECT_EQ(Mailctl({"srs", "decode", "SRS0=a=b=c=d@example.test"}), 1);
}

TEST_F(MailctlTest, RouteLife) {
  AddDemo();
  EXPECT_EQ(Mailctl({"route", "list"}), 0);
  EXPECT_EQ(out_, "no routes: mail goes as the DNS says\n");
  EXPECT_EQ(Mailctl({"route", "set", "default", "--to", "demo@example.test"}), 0) << err_;
  EXPECT_EQ(out_, "route default: the mailbox of demo@example.test\n");
  EXPECT_EQ(Mailctl({"route", "set", ".B.test", "--via", "h.test:587,[2001:db8::1]:2525", "--via=192.0.2.1",
                     "--tls=require", "--sender=a.test", "--source=192.0.2.9", "--ehlo=mail.a.test"}),
            0)
      << err_;
  EXPECT_EQ(out_, "route .b.test for mail from a.test: h.test:587, [2001:db8::1]:2525, 192.0.2.1:25\n");
  EXPECT_EQ(Mailctl({"route", "show", ".b.test", "--sender=A.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("mail from:    a.test\n"));
  EXPECT_THAT(out_, HasSubstr("tls:          require\n"));
  EXPECT_THAT(out_, HasSubstr("source:       192.0.2.9\n"));
  EXPECT_THAT(out_, HasSubstr("ehlo:         mail.a.test\n"));
  EXPECT_EQ(Mailctl({"route", "set", "direct.test", "--direct"}), 0) << err_;
  EXPECT_EQ(out_, "route direct.test: as the DNS says\n");
  EXPECT_EQ(Json({"route", "list"}).fields().at("routes").list_value().values_size(), 3);
  EXPECT_EQ(Mailctl({"route", "list"}), 0);
  EXPECT_THAT(out_, ContainsRegex("default +anybody +the mailbox of demo@example.test +- +-"));
  EXPECT_EQ(Mailctl({"route", "show", "default", "--sender=a.test"}), 3);
  EXPECT_EQ(Mailctl({"route", "remove", ".b.test", "--sender=a.test"}), 0) << err_;
  EXPECT_EQ(out_, "route .b.test for mail from a.test removed\n");
  EXPECT_EQ(Mailctl({"route", "remove", ".b.test", "--sender=a.test"}), 3);
  EXPECT_EQ(Mailctl({"account", "remove", "demo@example.test", "--yes"}), 0);
  EXPECT_EQ(Mailctl({"route", "show", "default"}), 0);
  EXPECT_THAT(out_, ContainsRegex("mailbox [0-9]+, which is gone"));
}

TEST_F(MailctlTest, HostsOfARoute) {
  struct Row {
    const char* via;
    // As RouteHosts of the document; empty: a usage error.
    const char* hosts;
  };
  const Row rows[] = {
      {"h", "h 25"},
      {"h:1", "h 1"},
      {"h:65535", "h 65535"},
      {"h:0", ""},
      {"h:65536", ""},
      {"h:", ""},
      {"h:x", ""},
      {"h:+1", ""},
      {"192.0.2.1:26", "192.0.2.1 26"},
      {"2001:db8::1", "2001:db8::1 25"},
      {"[2001:db8::1]", "2001:db8::1 25"},
      {"[2001:db8::1]:26", "2001:db8::1 26"},
      {"[2001:db8::1", ""},
      {"[2001:db8::1]26", ""},
      {"a,b:26,a:27", "a 25, b 26, a 27"},
  };
  for (const Row& row : rows) {
    const Words words = {"route", "set", "default", "--via", row.via};
    if (*row.hosts == '\0') {
      EXPECT_EQ(Mailctl(words), 2) << row.via;
      continue;
    }
    const google::protobuf::Struct document = Json(words);
    std::string hosts;
    for (const auto& host : document.fields().at("hosts").list_value().values()) {
      const auto& fields = host.struct_value().fields();
      absl::StrAppend(&hosts, hosts.empty() ? "" : ", ", fields.at("host").string_value(), " ",
                      fields.at("port").number_value());
    }
    EXPECT_EQ(hosts, row.hosts) << row.via;
  }
}

TEST_F(MailctlTest, APasswordOfARouteComesFromStandardInput) {
  const Words set = {"route", "set", "default", "--via=h.test:587", "--user=u"};
  Words with_password = set;
  with_password.push_back("--password_stdin");
  EXPECT_EQ(Mailctl(set), 2) << "there is none yet, and nobody to ask";
  EXPECT_EQ(Mailctl(with_password, "route secret\n"), 0) << err_;
  EXPECT_EQ(Mailctl({"route", "show", "default"}), 0);
  EXPECT_THAT(out_, HasSubstr("tls:          verify\n"));
  EXPECT_THAT(out_, HasSubstr("user:         u\n"));
  EXPECT_THAT(out_, HasSubstr("password:     kept\n"));
  EXPECT_THAT(out_, Not(HasSubstr("route secret")));
  EXPECT_EQ(Mailctl(set), 0) << "it stays: " << err_;
  EXPECT_TRUE(Json({"route", "show", "default"}).fields().at("has_password").bool_value());
  EXPECT_EQ(Mailctl(with_password, "secret\tsecret\n"), 1);
  EXPECT_EQ(err_, "mailctl: password: must not have control characters\n");
  EXPECT_EQ(Mailctl(with_password, "\xff\n"), 1);
  Words in_clear = with_password;
  in_clear.push_back("--tls=may");
  EXPECT_EQ(Mailctl(in_clear, "route secret\n"), 1);
  EXPECT_THAT(err_, StartsWith("mailctl: u: needs TLS"));
}

TEST_F(MailctlTest, ARouteGoesOneWay) {
  AddDemo();
  const Words refused[] = {{},
                           {"--direct", "--via=h"},
                           {"--to=demo@example.test", "--direct"},
                           {"--to="},
                           {"--to=demo@example.test", "--tls=may"},
                           {"--to=demo@example.test", "--source=192.0.2.1"},
                           {"--to=demo@example.test", "--ehlo=h"},
                           {"--direct", "--user=u"},
                           {"--via=h", "--password_stdin"},
                           {"--via=h", "--tls=maybe"}};
  for (const Words& options : refused) {
    Words words = {"route", "set", "default"};
    words.insert(words.end(), options.begin(), options.end());
    EXPECT_EQ(Mailctl(words, "secret\n"), 2) << err_;
  }
  EXPECT_EQ(Json({"route", "list"}).fields().at("routes").list_value().values_size(), 0);
  EXPECT_EQ(Mailctl({"route", "set", "default", "--to=nobody@example.test"}), 3);
  EXPECT_EQ(Mailctl({"route", "set", "*.test", "--direct"}), 1);
  EXPECT_THAT(err_, StartsWith("mailctl: *.test: "));
}

TEST_F(MailctlTest, StatusSaysWhatBecomesOfMailForOtherHosts) {
  AddDemo();
  const auto line = [this] {
    EXPECT_EQ(Mailctl({"status"}), 0) << err_;
    const size_t begin = out_.find("outgoing mail:");
    return begin == std::string::npos ? "" : out_.substr(begin, out_.find('\n', begin) - begin);
  };
  EXPECT_EQ(line(), "outgoing mail:   goes to the hosts that the DNS names");
  ASSERT_EQ(Mailctl({"route", "set", "b.test", "--via=h"}), 0);
  EXPECT_EQ(line(),
            "outgoing mail:   goes to the hosts that the DNS names; 1 other route (mailctl route list)");
  ASSERT_EQ(Mailctl({"route", "set", "default", "--via=h,g:26"}), 0);
  ASSERT_EQ(Mailctl({"route", "set", "default", "--sender=a.test", "--direct"}), 0);
  EXPECT_EQ(line(), "outgoing mail:   goes to h:25, g:26; 2 other routes (mailctl route list)");
  ASSERT_EQ(Mailctl({"route", "set", "default", "--to=demo@example.test"}), 0);
  EXPECT_EQ(line(),
            "outgoing mail:   stays here, in the mailbox of demo@example.test; 2 other routes (mailctl route "
            "list)");
  ASSERT_EQ(Mailctl({"route", "set", "default", "--direct"}), 0);
  EXPECT_EQ(line(),
            "outgoing mail:   goes to the hosts that the DNS names; 2 other routes (mailctl route list)");
}

TEST_F(MailctlTest, DeliverOfWhatBeginsWithABlankAddsAnEmptyLine) {
  AddDemo();
  const std::string file = WriteFile("blank.eml", " not a header\nSubject: x\n\nno end");
  EXPECT_EQ(Mailctl({"deliver", file, "--to=demo@example.test"}), 0) << err_;
  EXPECT_THAT(
      store_.Messages("demo@example.test"),
      ElementsAre("Return-Path: <>\r\nDelivered-To: demo@example.test\r\n\r\n not a header\r\nSubject: "
                  "x\r\n\r\nno end\r\n"));
  EXPECT_EQ(Mailctl({"deliver", WriteFile("empty.eml", ""), "--to=demo@example.test"}), 1);
  EXPECT_THAT(err_, HasSubstr("must not be empty"));
}

// Ids go in calls of 10,000: none is forgotten at the border.
TEST_F(MailctlTest, MessageRemoveOfMoreThanOneCallTakesThemAll) {
  AddDemo();
  Words words = {"message", "remove", "demo@example.test"};
  for (int id = 1; id <= 10'001; ++id) words.push_back(absl::StrCat(id));
  EXPECT_EQ(Mailctl(words), 3) << "none of them is there";
  EXPECT_THAT(err_, EndsWith(", 19, 20 and 9981 more in demo@example.test\n"));
  const auto seen = store_.way().seen("DeleteMessages");
  ASSERT_EQ(seen.size(), 2u);
  const auto first = seen[0].As<store::v1::DeleteMessagesRequest>();
  const auto second = seen[1].As<store::v1::DeleteMessagesRequest>();
  ASSERT_EQ(first.message_ids_size(), 10'000);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(first.message_ids(i), i + 1);
  EXPECT_THAT(second.message_ids(), ElementsAre(10'001));
}

TEST_F(MailctlTest, MessageRemoveByAFilterSaysWhatItFinds) {
  AddDemo();
  for (const char* subject : {"one", "two", "one more", "three"}) {
    const std::string file = WriteFile("mail.eml", absl::StrCat("Subject: ", subject, "\n\nhello\n"));
    ASSERT_EQ(Mailctl({"deliver", file, "--to=demo@example.test"}), 0) << err_;
  }
  const auto remove = [this](Words options) {
    Words words = {"message", "remove", "demo@example.test"};
    words.insert(words.end(), options.begin(), options.end());
    return Mailctl(words);
  };
  EXPECT_EQ(remove({"--subject=one", "--dry_run"}), 0) << err_;
  EXPECT_EQ(out_, "2 messages would be removed: 1, 3\n");
  EXPECT_EQ(remove({"--all", "--dry_run", "--yes"}), 0) << err_;
  EXPECT_EQ(out_, "4 messages would be removed: 1, 2, 3, 4\n");
  EXPECT_EQ(remove({"--subject=nothing", "--dry_run"}), 0) << err_;
  EXPECT_EQ(out_, "0 messages would be removed\n");
  EXPECT_EQ(remove({"--subject=one"}), 2);
  EXPECT_THAT(err_, HasSubstr("--yes"));
  EXPECT_EQ(store_.List("demo@example.test").size(), 4u);
  const auto told = Json({"message", "remove", "demo@example.test", "--subject=one", "--yes"});
  EXPECT_EQ(told.fields().at("deleted_count").string_value(), "2");
  EXPECT_EQ(told.fields().at("deleted_message_ids").list_value().values(1).string_value(), "3");
  EXPECT_EQ(store_.List("demo@example.test").size(), 2u);
  EXPECT_EQ(remove({"--subject=one", "--yes"}), 0) << "none is no error";
  EXPECT_EQ(out_, "0 messages removed\n");
  EXPECT_EQ(remove({"--min_size=x", "--yes"}), 2);
}

TEST_F(MailctlTest, DeliverAndFetch) {
  AddDemo();
  const std::string file = WriteFile("hello.eml", "Subject: hello\n\nfirst\r\nsecond\n");
  EXPECT_EQ(Mailctl({"deliver", file, "--to=demo@example.test", "--from=ann@example.test"}), 0) << err_;
  const auto messages = store_.Messages("demo@example.test");
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_THAT(messages[0], EndsWith("\r\nSubject: hello\r\n\r\nfirst\r\nsecond\r\n"));
  EXPECT_EQ(store_.List("demo@example.test")[0].reverse_path, "ann@example.test");
  const std::string id = store_.List("demo@example.test")[0].delivery_id;
  EXPECT_EQ(id.size(), 26u);
  EXPECT_EQ(out_, "delivered " + id + " to 1 recipient\n");

  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "1"}), 0) << err_;
  EXPECT_EQ(out_, messages[0]);
  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "1", "-o", folder_ + "/out.eml"}), 0) << err_;
  std::ostringstream written;
  written << std::ifstream(folder_ + "/out.eml", std::ios::binary).rdbuf();
  EXPECT_EQ(written.str(), messages[0]);
}

TEST_F(MailctlTest, FailedFetchLeavesNoFile) {
  AddDemo();
  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "99", "-o", folder_ + "/out.eml"}), 3);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out.eml"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/out.eml.part"));
  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "1", "-o", "/nonexistent/out"}), 1);
  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "1", "--json"}), 2);
  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "zero"}), 2);
}

TEST_F(MailctlTest, DeliverLarge) {
  AddDemo();
  std::string content = "Subject: large\r\n\r\n";
  while (content.size() < 3'000'000)
    content += "a line of text that is repeated until the message is large\r\n";
  const std::string file = WriteFile("large.eml", content);
  EXPECT_EQ(Mailctl({"deliver", file, "--to", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(store_.Messages("demo@example.test").at(0), EndsWith("\r\n" + content));
}

TEST_F(MailctlTest, DeliverToSeveral) {
  AddDemo();
  for (const char* address : {"a@example.test", "\"x,y\"@example.test"}) {
    ASSERT_EQ(Mailctl({"account", "add", address, "--no_password"}), 0);
  }
  EXPECT_EQ(
      Mailctl({"deliver", "-", "--to=demo@example.test,\"x,y\"@example.test", "--to=a@example.test"}, "x\n"),
      0)
      << err_;
  for (const char* address : {"demo@example.test", "a@example.test", "\"x,y\"@example.test"}) {
    EXPECT_EQ(store_.List(address).size(), 1u) << address;
  }
  EXPECT_THAT(out_, HasSubstr("to 3 recipients"));
}

TEST_F(MailctlTest, DeliverIsIdempotentByDeliveryId) {
  AddDemo();
  const Words words = {"deliver", "-", "--to=demo@example.test", "--delivery_id=0123456789abcdef"};
  EXPECT_EQ(Mailctl(words, "x\n"), 0) << err_;
  EXPECT_EQ(out_, "delivered 0123456789abcdef to 1 recipient\n");
  EXPECT_EQ(Mailctl(words, "x\n"), 0) << err_;
  EXPECT_EQ(out_, "already delivered 0123456789abcdef to 1 recipient\n");
  EXPECT_EQ(store_.List("demo@example.test").size(), 1u);
}

TEST_F(MailctlTest, DeliverErrors) {
  AddDemo();
  EXPECT_EQ(Mailctl({"deliver", "-"}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to="}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=a@b,,c@d"}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=nobody@example.test"}, "x\n"), 3);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test"}, "a\rb\n"), 1);
  EXPECT_EQ(err_, "mailctl: line 1 of the message has a CR without LF\n");
  store_.engine().Fail("Messages.Append", FaultyEngine::When::kBefore,
                       WithReason(absl::ResourceExhaustedError("the disk is full"), kReasonDiskFull));
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test", "--delivery_id=0123456789abcdef"}, "x\n"), 5);
  EXPECT_THAT(err_, HasSubstr("--delivery_id=0123456789abcdef"));
  EXPECT_TRUE(store_.List("demo@example.test").empty());
}

TEST_F(MailctlTest, Messages) {
  AddDemo();
  for (int i = 0; i < 5; ++i) {
    store_.AddMessage("demo@example.test", "Subject: \x1b[2J\r\n\tfolded\r\n\r\nbody\r\n", "",
                      "\"\x1b[2J\"@x");
  }
  EXPECT_EQ(Mailctl({"message", "list", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  EXPECT_EQ(Json({"message", "list", "demo@example.test"}).fields().at("messages").list_value().values_size(),
            5);

  EXPECT_EQ(Mailctl({"message", "show", "demo@example.test", "5"}), 0) << err_;
  const std::string sha256 = store_.List("demo@example.test")[4].sha256;
  EXPECT_THAT(out_, HasSubstr(absl::StrCat("SHA-256:      ", absl::BytesToHexString(sha256), "\n")));
  EXPECT_THAT(out_, HasSubstr("\nSubject: \\x1b[2J\n    folded\n"));
  EXPECT_THAT(out_, Not(HasSubstr("body")));
  EXPECT_EQ(Mailctl({"message", "show", "demo@example.test", "6"}), 3);

  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "2", "4"}), 0) << err_;
  EXPECT_EQ(out_, "2 messages removed\n");
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "77", "2", "77"}), 3);
  EXPECT_EQ(out_, "0 messages removed\n");
  EXPECT_EQ(err_, "mailctl: no message 2, 77 in demo@example.test\n");
  const auto removed = Json({"message", "remove", "demo@example.test", "3", "4"}, 3);
  EXPECT_EQ(removed.fields().at("deleted_count").string_value(), "1");
  EXPECT_EQ(removed.fields().at("missing_message_ids").list_value().values(0).string_value(), "4");
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "1", "--all"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "1", "--since=2h"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--all", "--since=2h"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--dry_run"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "1", "--dry_run"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--all"}), 2);
  EXPECT_THAT(err_, HasSubstr("--yes"));
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--all", "--yes"}), 0) << err_;
  EXPECT_EQ(out_, "2 messages removed\n");
  EXPECT_TRUE(store_.List("demo@example.test").empty());
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--all", "--yes"}), 0) << err_;
  EXPECT_EQ(Mailctl({"message", "list", "nobody@example.test"}), 3);
}

TEST_F(MailctlTest, Sessions) {
  AddDemo();
  ASSERT_EQ(Mailctl({"session", "list"}), 0) << err_;
  EXPECT_EQ(out_, "no sessions\n");
  EXPECT_EQ(Mailctl({"session", "end", "demo@example.test"}), 3);
  LogIn("secret", "the-session");
  ASSERT_EQ(Mailctl({"session", "list"}), 0) << err_;
  for (const char* shown : {"demo@example.test", "192.0.2.1", "host pop3d 42", "the-session"}) {
    EXPECT_THAT(out_, HasSubstr(shown));
  }
  const auto listed = Json({"session", "list", "1"}).fields().at("sessions").list_value();
  ASSERT_EQ(listed.values_size(), 1);
  EXPECT_EQ(listed.values(0).struct_value().fields().at("session_id").string_value(), "the-session");
  EXPECT_EQ(Mailctl({"session", "list", "nobody@example.test"}), 3);
  EXPECT_EQ(Mailctl({"session", "end", "demo@example.test", "another"}), 3);
  EXPECT_THAT(err_, HasSubstr("another"));
  EXPECT_TRUE(store_.IsLocked("demo@example.test"));
  EXPECT_EQ(Mailctl({"session", "end", "demo@example.test", "the-session"}), 0) << err_;
  EXPECT_EQ(out_, "session the-session of demo@example.test ended\n");
  EXPECT_FALSE(store_.IsLocked("demo@example.test"));
}

TEST_F(MailctlTest, SessionsOverAllPages) {
  AddDemo();
  LogIn("secret", "session-0");
  for (int i = 1; i < 5; ++i) {
    const std::string address = absl::StrCat(i, "@example.test");
    ASSERT_EQ(Mailctl({"account", "add", address, "--password_stdin"}, "secret\n"), 0) << err_;
    LogIn("secret", absl::StrCat("session-", i), address);
  }
  EXPECT_EQ(Json({"session", "list"}).fields().at("sessions").list_value().values_size(), 5);
}

TEST_F(MailctlTest, Lockouts) {
  AddDemo();
  ASSERT_EQ(Mailctl({"lockout", "list"}), 0) << err_;
  EXPECT_EQ(out_, "no lockouts\n");
  EXPECT_EQ(Mailctl({"lockout", "clear"}), 2);
  EXPECT_EQ(Mailctl({"lockout", "clear", "demo@example.test"}), 3);
  EXPECT_EQ(Mailctl({"lockout", "clear", "--network=nonsense"}), 1);
  for (int i = 0; i < 12; ++i) LogIn(absl::StrCat("wrong ", i), "the-session");
  for (int i = 0; i < 4; ++i) LogIn(absl::StrCat("wrong ", i), "the-session", "\x1b[2J");
  ASSERT_EQ(Mailctl({"lockout", "list"}), 0) << err_;
  EXPECT_THAT(out_, ContainsRegex("demo@example.test +192.0.2.1 +locked out +12 "));
  EXPECT_THAT(out_, ContainsRegex("demo@example.test +all +delayed +12 "));
  EXPECT_THAT(out_, HasSubstr("\\x1b[2j"));
  EXPECT_EQ(Json({"lockout", "list"}).fields().at("lockouts").list_value().values_size(), 4);
  EXPECT_EQ(Mailctl({"lockout", "clear", "demo@example.test"}), 0) << err_;
  EXPECT_EQ(out_, "failures forgotten, 1 lockout ended\n");
  EXPECT_EQ(Mailctl({"lockout", "clear", "--network=192.0.2.1"}), 0) << err_;
  EXPECT_EQ(out_, "failures forgotten, 0 lockouts ended\n");
}

TEST_F(MailctlTest, Resolve) {
  AddDemo();
  EXPECT_EQ(Mailctl({"resolve", "demo@example.test"}), 0) << err_;
  EXPECT_EQ(out_, "demo@example.test leads to an account here: mailbox 1\nsmtpd answers 250 2.1.5\n");
  EXPECT_EQ(Json({"resolve", "demo@example.test"}).fields().at("outcome").string_value(), "OUTCOME_ACCOUNT");
  // The rule, where it is not the name itself.
  EXPECT_EQ(Mailctl({"resolve", "demo+x@example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("\n  demo+x@example.test, without its tag demo@example.test: account 1\n"));
  // What smtpd answers is the exit code.
  EXPECT_EQ(Mailctl({"resolve", "nobody@example.test"}), 3);
  EXPECT_THAT(out_, EndsWith("\nsmtpd answers 550 5.1.1\n"));
  EXPECT_EQ(err_, "mailctl: mail for nobody@example.test is not taken: 550 5.1.1\n");
  EXPECT_EQ(Mailctl({"resolve", "nobody@elsewhere.test"}), 1);
  EXPECT_THAT(out_, HasSubstr("another host: its domain is not one of this server\nsmtpd answers 550 5.7.1"));
  EXPECT_EQ(Mailctl({"alias", "add", "@example.test", "x@elsewhere.test"}), 0) << err_;
  EXPECT_EQ(Mailctl({"resolve", "any@example.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("an alias or catch-all here: other hosts only\n"
                              "  any@example.test, by the catch-all @example.test: alias\n"
                              "    x@elsewhere.test: at another host: waits in the queue\n"));
  store_.SetQuota("demo@example.test", 0, 1);
  store_.AddMessage("demo@example.test", "x\r\n");
  EXPECT_EQ(Mailctl({"resolve", "demo@example.test"}), 5);
  EXPECT_THAT(out_, EndsWith("smtpd answers 452 4.2.2\n"));
  store_.SetDisabled("demo@example.test", true);
  EXPECT_EQ(Mailctl({"resolve", "demo@example.test"}), 1);
  EXPECT_THAT(out_, EndsWith("smtpd answers 550 5.2.1\n"));
}

TEST_F(MailctlTest, Status) {
  const auto frontend = store_.NewWay(FakeStore::TokenOf(stored::kPop));
  store::BlockingStore pop(*frontend);
  ASSERT_TRUE(pop.Run(pop.api().RenewLease("abcdefghijklmnop", "host pop3d 42", absl::Seconds(30), {})).ok());
  time_.Advance(absl::Seconds(7));
  EXPECT_EQ(Mailctl({"status"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("health:          good\n"));
  EXPECT_THAT(out_, HasSubstr("up for:          7.0s\n"));
  EXPECT_THAT(out_, HasSubstr("host pop3d 42"));
  const auto fields = Json({"status"}).fields();
  EXPECT_EQ(fields.at("health").string_value(), "HEALTH_SERVING");
  EXPECT_EQ(fields.at("leases").list_value().values_size(), 1);
  store_.engine().SetHealth(absl::UnavailableError("the disk is full"));
  EXPECT_EQ(Mailctl({"status"}), 5);
  EXPECT_THAT(out_, HasSubstr("BAD: UNAVAILABLE: the disk is full"));
}

TEST_F(MailctlTest, Verify) {
  AddDemo();
  for (int i = 0; i < 10; ++i) store_.AddMessage("demo@example.test", absl::StrCat("message ", i, "\r\n"));
  EXPECT_EQ(Mailctl({"verify"}), 0) << err_;
  EXPECT_EQ(out_, "10 messages checked, 0 damaged\n");
  store_.DamageMessage("demo@example.test", store_.List("demo@example.test")[2].id);
  EXPECT_EQ(Mailctl({"verify"}), 1);
  EXPECT_THAT(out_, HasSubstr("message 3: the content differs from its SHA-256\n"));
  const auto fields = Json({"verify"}, 1).fields();
  EXPECT_EQ(fields.at("damaged_count").string_value(), "1");
  EXPECT_EQ(fields.at("damaged").list_value().values_size(), 1);
}

TEST_F(MailctlTest, StoreAway) {
  // A socket that nobody listens on.
  const std::string gone = "unix:" + folder_ + "/gone";
  EXPECT_EQ(Mailctl({"status", "--store=" + gone, "--timeout=10s"}), 5);
  EXPECT_EQ(err_, "mailctl: the store at " + gone + " cannot be reached\n");
  EXPECT_EQ(Mailctl({"domain", "list", "--json", "--store=" + gone, "--timeout=10s"}), 5);
  EXPECT_EQ(out_, "");
}

TEST_F(MailctlTest, WrongToken) {
  std::ofstream(folder_ + "/secrets/operator.token") << "another\n";
  EXPECT_EQ(Mailctl({"status"}), 1);
  EXPECT_THAT(err_, HasSubstr("does not know this caller"));
}

TEST_F(MailctlTest, HelpAndVersion) {
  EXPECT_EQ(Mailctl({"help"}), 0);
  EXPECT_THAT(out_, HasSubstr("Usage: mailctl"));
  const std::string general = out_;
  EXPECT_EQ(Mailctl({"--help"}), 0);
  EXPECT_EQ(out_, general);
  EXPECT_EQ(Mailctl({"help", "account", "import"}), 0);
  EXPECT_THAT(out_, HasSubstr("Usage: mailctl account import FILE"));
  const std::string import = out_;
  EXPECT_EQ(Mailctl({"account", "import", "--help"}), 0);
  EXPECT_EQ(out_, import);
  EXPECT_EQ(Mailctl({"account", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("mailctl account password ADDRESS"));
  EXPECT_EQ(Mailctl({"help", "deliver"}), 0);
  EXPECT_EQ(Mailctl({"help", "nonsense"}), 2);
  EXPECT_EQ(Mailctl({"help", "account", "nonsense"}), 2);
  EXPECT_EQ(Mailctl({"help", "deliver", "nonsense"}), 2);
  EXPECT_EQ(Mailctl({"version"}), 0);
  const std::string version = out_;
  EXPECT_THAT(version, HasSubstr("mailctl "));
  EXPECT_EQ(Mailctl({"--version"}), 0);
  EXPECT_EQ(out_, version);
  EXPECT_FALSE(Json({"version"}).fields().at("version").string_value().empty());
  EXPECT_EQ(Mailctl({}), 2);
  EXPECT_EQ(Mailctl({"completion", "tcsh"}), 2);
}

}  // namespace
}  // namespace mailstead::ctl
