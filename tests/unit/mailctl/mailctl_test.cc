// Whole commands against a store in memory: what they ask, what they print, and how they end.
#include "mailctl/mailctl.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/base/reason.h"
#include "tests/unit/mailctl/fake_store.h"

namespace mailstead::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Words = std::vector<std::string>;

class MailctlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "/mailctl-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_ + "/secrets");
    std::ofstream(folder_ + "/secrets/operator.token") << FakeStore::kToken << "\n";
    std::ofstream(folder_ + "/store.address") << store_.address() << "\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // The exit code; what was printed is in out_ and err_.
  int Mailctl(const Words& words, const std::string& input = "") {
    int fds[2];
    EXPECT_EQ(pipe(fds), 0);
    EXPECT_EQ(write(fds[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
    close(fds[1]);
    Surroundings surroundings;
    surroundings.getenv = [this](const char* name) -> const char* {
      return std::string(name) == "MAILSTEAD_DATA" ? folder_.c_str() : nullptr;
    };
    std::ostringstream out;
    std::ostringstream err;
    const ExitCode code = ctl::Run(words, surroundings, Streams{fds[0], STDERR_FILENO, out, err});
    close(fds[0]);
    out_ = out.str();
    err_ = err.str();
    return static_cast<int>(code);
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

  FakeStore store_;
  std::string folder_;
  std::string out_;
  std::string err_;
};

TEST_F(MailctlTest, DomainLife) {
  EXPECT_EQ(Mailctl({"domain", "add", "example.test"}), 0) << err_;
  EXPECT_EQ(out_, "domain example.test added\n");
  EXPECT_TRUE(store_.state().domains.at("example.test")) << "plus addressing is on unless turned off";
  EXPECT_EQ(Mailctl({"domain", "add", "example.test"}), 4);
  EXPECT_EQ(err_, "mailctl: the domain is there\n");
  EXPECT_EQ(Mailctl({"domain", "set", "example.test", "--plus_addressing=no"}), 0) << err_;
  EXPECT_FALSE(store_.state().domains.at("example.test"));
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
  EXPECT_EQ(err_, "mailctl: domain.name: is empty\n");
  EXPECT_EQ(Mailctl({"domain", "add", "", "--json"}), 1);
  EXPECT_THAT(err_, HasSubstr("\"field\": \"domain.name\""));
}

TEST_F(MailctlTest, ListsGoOverAllPages) {
  for (const char* name : {"a.test", "b.test", "c.test", "d.test", "e.test"})
    store_.state().domains[name] = true;
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
  FakeStore::Account& demo = store_.state().accounts.at("demo@example.test");
  EXPECT_EQ(demo.plain, "secret");
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--quota_bytes=2G", "--disabled=yes"}), 0)
      << err_;
  EXPECT_EQ(demo.quota_bytes, 2ull << 30);
  EXPECT_TRUE(demo.disabled);
  EXPECT_EQ(demo.quota_messages, 0u);
  EXPECT_EQ(Mailctl({"account", "set", "demo@example.test", "--disabled=no", "--quota_messages=7"}), 0)
      << err_;
  EXPECT_EQ(demo.quota_bytes, 2ull << 30) << "what is not named stays";
  EXPECT_FALSE(demo.disabled);
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("quota of bytes:     2.0 GiB\n"));
  EXPECT_THAT(out_, HasSubstr("password:           SCRAM-SHA-256\n"));
  EXPECT_EQ(Mailctl({"account", "password", "demo@example.test", "--hash_stdin"}, "$6$salt$hash\n"), 0)
      << err_;
  EXPECT_EQ(demo.hash, "$6$salt$hash");
  EXPECT_EQ(demo.plain, "");
  EXPECT_EQ(Mailctl({"account", "remove", "demo@example.test"}), 0) << err_;
  EXPECT_EQ(Mailctl({"account", "show", "demo@example.test"}), 3);
}

TEST_F(MailctlTest, AccountJsonHasApiNamesAndZeroes) {
  AddDemo();
  const auto fields = Json({"account", "show", "demo@example.test"}).fields();
  EXPECT_EQ(fields.at("address").string_value(), "demo@example.test");
  EXPECT_EQ(fields.at("mailbox_id").string_value(), "1");
  EXPECT_EQ(fields.at("quota_bytes").string_value(), "0");
  EXPECT_EQ(fields.at("disabled").bool_value(), false);
  EXPECT_EQ(fields.at("password_kind").string_value(), "PASSWORD_KIND_SCRAM_SHA_256");
}

TEST_F(MailctlTest, AccountWithoutPassword) {
  store_.state().domains["example.test"] = true;
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--no_password"}), 0) << err_;
  EXPECT_EQ(Mailctl({"account", "show", "a@example.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("password:           none\n"));
}

TEST_F(MailctlTest, PasswordsComeFromStandardInputOnly) {
  store_.state().domains["example.test"] = true;
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test"}, "secret\n"), 2);
  EXPECT_THAT(err_, HasSubstr("--password_stdin"));
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin"}, ""), 1);
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin"}, "\xff\n"), 1);
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin", "--hash_stdin"}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"account", "add", "a@example.test", "--password_stdin", "--no_password"}, "x\n"), 2);
  EXPECT_TRUE(store_.state().accounts.empty());
}

TEST_F(MailctlTest, AccountsOfOneDomain) {
  for (const char* domain : {"a.test", "b.test"}) {
    store_.state().domains[domain] = true;
    ASSERT_EQ(Mailctl({"account", "add", absl::StrCat("x@", domain), "--no_password"}), 0);
  }
  EXPECT_EQ(Mailctl({"account", "list", "b.test"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("x@b.test"));
  EXPECT_THAT(out_, Not(HasSubstr("x@a.test")));
}

TEST_F(MailctlTest, ImportTellsOfEachBadLine) {
  store_.state().domains["example.test"] = true;
  const std::string file = WriteFile("accounts.txt",
                                     "# staff\n"
                                     "a@example.test one two\n"
                                     "nonsense\n"
                                     "\n"
                                     "b@example.test $6$salt$hash\n"
                                     "c@elsewhere.test secret\n"
                                     "a@example.test again\n"
                                     "d@example.test last");
  EXPECT_EQ(Mailctl({"account", "import", file}), 1);
  EXPECT_EQ(out_, "3 accounts added, 3 failed\n");
  EXPECT_EQ(err_,
            "mailctl: line 3: the line does not begin with an address (user@domain)\n"
            "mailctl: line 6: c@elsewhere.test: the domain is not there\n"
            "mailctl: line 7: a@example.test: the account is there\n"
            "mailctl: 3 lines of the import failed\n");
  EXPECT_EQ(store_.state().accounts.at("a@example.test").plain, "one two");
  EXPECT_EQ(store_.state().accounts.at("b@example.test").hash, "$6$salt$hash");
  EXPECT_EQ(store_.state().accounts.at("d@example.test").plain, "last");
}

TEST_F(MailctlTest, ImportJson) {
  store_.state().domains["example.test"] = true;
  const std::string file = WriteFile("accounts.txt", "a@example.test x\nbad\n");
  const auto fields = Json({"account", "import", file}, 1).fields();
  EXPECT_EQ(fields.at("added").number_value(), 1);
  EXPECT_EQ(fields.at("failed").number_value(), 1);
  EXPECT_EQ(fields.at("failures").list_value().values(0).struct_value().fields().at("line").number_value(),
            2);
}

TEST_F(MailctlTest, ImportExisting) {
  AddDemo();
  EXPECT_EQ(
      Mailctl({"account", "import", "-", "--existing=skip"}, "demo@example.test new\na@example.test x\n"), 0);
  EXPECT_EQ(out_, "1 account added, 1 skipped\n");
  EXPECT_EQ(store_.state().accounts.at("demo@example.test").plain, "secret");
  EXPECT_EQ(Mailctl({"account", "import", "-", "--existing=update"}, "demo@example.test new\n"), 0) << err_;
  EXPECT_EQ(out_, "0 accounts added, 1 updated\n");
  EXPECT_EQ(store_.state().accounts.at("demo@example.test").plain, "new");
}

TEST_F(MailctlTest, ImportGoesInBatches) {
  store_.state().domains["example.test"] = true;
  std::string lines;
  for (int i = 0; i < 2'750; ++i) absl::StrAppend(&lines, "user", i, "@example.test secret", i, "\n");
  const std::string file = WriteFile("many.txt", lines);
  EXPECT_EQ(Mailctl({"account", "import", file}), 0) << err_;
  EXPECT_EQ(out_, "2750 accounts added\n");
  EXPECT_EQ(store_.state().accounts.size(), 2'750u);
  EXPECT_EQ(store_.state().accounts.at("user2749@example.test").plain, "secret2749");
  EXPECT_THAT(store_.state().batch_sizes, ::testing::UnorderedElementsAre(500, 500, 500, 500, 500, 250));
}

TEST_F(MailctlTest, ImportEndsWhenTheStoreGoesAway) {
  store_.state().domains["example.test"] = true;
  store_.state().failure = absl::UnavailableError("the disk is full");
  EXPECT_EQ(Mailctl({"account", "import", "-"}, "a@example.test x\n"), 5);
  EXPECT_THAT(err_, HasSubstr("line 1: a@example.test: the disk is full"));
}

TEST_F(MailctlTest, ImportOfAMissingFile) {
  EXPECT_EQ(Mailctl({"account", "import", folder_ + "/nothing"}), 3);
  EXPECT_THAT(err_, HasSubstr("No such file"));
}

TEST_F(MailctlTest, AliasLife) {
  EXPECT_EQ(Mailctl({"alias", "add", "sales@example.test", "a@example.test", "b@example.test"}), 0) << err_;
  EXPECT_THAT(store_.state().aliases.at("sales@example.test"),
              ElementsAre("a@example.test", "b@example.test"));
  EXPECT_EQ(Mailctl({"alias", "set", "sales@example.test", "c@example.test"}), 0) << err_;
  EXPECT_THAT(store_.state().aliases.at("sales@example.test"), ElementsAre("c@example.test"));
  EXPECT_EQ(Mailctl({"alias", "list"}), 0);
  EXPECT_EQ(out_, "ADDRESS             TARGETS\nsales@example.test  c@example.test\n");
  EXPECT_EQ(Mailctl({"alias", "show", "sales@example.test"}), 0);
  EXPECT_THAT(out_, HasSubstr("target:   c@example.test\n"));
  EXPECT_EQ(Mailctl({"alias", "remove", "sales@example.test"}), 0);
  EXPECT_EQ(Mailctl({"alias", "show", "sales@example.test"}), 3);
}

TEST_F(MailctlTest, DeliverAndFetch) {
  AddDemo();
  const std::string file = WriteFile("hello.eml", "Subject: hello\n\nfirst\r\nsecond\n");
  EXPECT_EQ(Mailctl({"deliver", file, "--to=demo@example.test", "--from=ann@example.test"}), 0) << err_;
  const auto& messages = store_.state().accounts.at("demo@example.test").messages;
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].content, "Subject: hello\r\n\r\nfirst\r\nsecond\r\n");
  EXPECT_EQ(messages[0].reverse_path, "ann@example.test");
  const std::string& id = store_.state().delivery_ids.front();
  EXPECT_EQ(id.size(), 26u);
  EXPECT_EQ(out_, "delivered " + id + " to 1 recipient\n");

  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "1"}), 0) << err_;
  EXPECT_EQ(out_, messages[0].content);
  EXPECT_EQ(Mailctl({"fetch", "demo@example.test", "1", "-o", folder_ + "/out.eml"}), 0) << err_;
  std::ostringstream written;
  written << std::ifstream(folder_ + "/out.eml", std::ios::binary).rdbuf();
  EXPECT_EQ(written.str(), messages[0].content);
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
  EXPECT_EQ(store_.state().accounts.at("demo@example.test").messages.at(0).content, content);
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
  for (const auto& [address, account] : store_.state().accounts)
    EXPECT_EQ(account.messages.size(), 1u) << address;
  EXPECT_THAT(out_, HasSubstr("to 3 recipients"));
}

TEST_F(MailctlTest, DeliverIsIdempotentByDeliveryId) {
  AddDemo();
  const Words words = {"deliver", "-", "--to=demo@example.test", "--delivery_id=0123456789abcdef"};
  EXPECT_EQ(Mailctl(words, "x\n"), 0) << err_;
  EXPECT_EQ(out_, "delivered 0123456789abcdef to 1 recipient\n");
  EXPECT_EQ(Mailctl(words, "x\n"), 0) << err_;
  EXPECT_EQ(out_, "already delivered 0123456789abcdef to 1 recipient\n");
  EXPECT_EQ(store_.state().accounts.at("demo@example.test").messages.size(), 1u);
}

TEST_F(MailctlTest, DeliverErrors) {
  AddDemo();
  EXPECT_EQ(Mailctl({"deliver", "-"}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to="}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=a@b,,c@d"}, "x\n"), 2);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=nobody@example.test"}, "x\n"), 3);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test"}, "a\rb\n"), 1);
  EXPECT_EQ(err_, "mailctl: line 1 of the message has a CR without LF\n");
  store_.state().failure = WithReason(absl::ResourceExhaustedError("the disk is full"), kReasonDiskFull);
  EXPECT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test", "--delivery_id=0123456789abcdef"}, "x\n"), 5);
  EXPECT_THAT(err_, HasSubstr("--delivery_id=0123456789abcdef"));
  store_.state().failure = absl::OkStatus();
  EXPECT_TRUE(store_.state().accounts.at("demo@example.test").messages.empty());
}

TEST_F(MailctlTest, Messages) {
  AddDemo();
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(Mailctl({"deliver", "-", "--to=demo@example.test", "--from=\"\x1b[2J\"@x"},
                      "Subject: \x1b[2J\n\tfolded\n\nbody\n"),
              0);
  }
  EXPECT_EQ(Mailctl({"message", "list", "demo@example.test"}), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("\x1b")));
  EXPECT_EQ(Json({"message", "list", "demo@example.test"}).fields().at("messages").list_value().values_size(),
            5);

  EXPECT_EQ(Mailctl({"message", "show", "demo@example.test", "5"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("SHA-256:      0102\n"));
  EXPECT_THAT(out_, HasSubstr("\nSubject: \\x1b[2J\n    folded\n"));
  EXPECT_THAT(out_, Not(HasSubstr("body")));
  EXPECT_EQ(Mailctl({"message", "show", "demo@example.test", "6"}), 3);

  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "2", "4", "77"}), 0) << err_;
  EXPECT_EQ(out_, "2 messages removed\n");
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "2"}), 3);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "1", "--all"}), 2);
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--all"}), 0) << err_;
  EXPECT_EQ(out_, "3 messages removed\n");
  EXPECT_TRUE(store_.state().accounts.at("demo@example.test").messages.empty());
  EXPECT_EQ(Mailctl({"message", "remove", "demo@example.test", "--all"}), 0) << err_;
  EXPECT_EQ(Mailctl({"message", "list", "nobody@example.test"}), 3);
}

TEST_F(MailctlTest, Resolve) {
  AddDemo();
  EXPECT_EQ(Mailctl({"resolve", "demo@example.test"}), 0) << err_;
  EXPECT_EQ(out_, "demo@example.test leads to an account here: mailbox 1\n");
  EXPECT_EQ(Mailctl({"resolve", "nobody@example.test"}), 3);
  EXPECT_EQ(Json({"resolve", "demo@example.test"}).fields().at("outcome").string_value(), "OUTCOME_LOCAL");
}

TEST_F(MailctlTest, Status) {
  EXPECT_EQ(Mailctl({"status"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("health:          good\n"));
  EXPECT_THAT(out_, HasSubstr("host pop3d 42"));
  const auto fields = Json({"status"}).fields();
  EXPECT_TRUE(fields.at("healthy").bool_value());
  EXPECT_EQ(fields.at("leases").list_value().values_size(), 1);
  store_.state().healthy = false;
  EXPECT_EQ(Mailctl({"status"}), 5);
  EXPECT_THAT(out_, HasSubstr("BAD: the disk is full"));
}

TEST_F(MailctlTest, Verify) {
  EXPECT_EQ(Mailctl({"verify"}), 0) << err_;
  EXPECT_EQ(out_, "10 messages checked, 0 damaged\n");
  store_.state().damaged = true;
  EXPECT_EQ(Mailctl({"verify"}), 1);
  EXPECT_THAT(out_, HasSubstr("message 3: SHA-256 differs\n"));
  const auto fields = Json({"verify"}, 1).fields();
  EXPECT_EQ(fields.at("damaged_count").string_value(), "1");
  EXPECT_EQ(fields.at("damaged").list_value().values_size(), 1);
}

TEST_F(MailctlTest, StoreAway) {
  // A port that nobody listens on: it was the fake's, of another run.
  const auto gone = std::make_unique<FakeStore>()->address();
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
