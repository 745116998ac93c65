#include "mailctl/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "mailctl/exit_code.h"

namespace mailstead::ctl {
namespace {

// A pipe as standard input, as scripts give it.
class PipeTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(fds_), 0); }
  void TearDown() override {
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }
  Terminal With(const std::string& input) {
    EXPECT_EQ(write(fds_[1], input.data(), input.size()), static_cast<ssize_t>(input.size()));
    close(fds_[1]);
    fds_[1] = -1;
    return Terminal(fds_[0], STDERR_FILENO);
  }
  int fds_[2];
};

TEST_F(PipeTest, SecretIsTheFirstLine) {
  EXPECT_EQ(With("top secret \nrest").SecretLine().value(), "top secret ");
}
TEST_F(PipeTest, SecretWithoutLineEnd) { EXPECT_EQ(With("secret").SecretLine().value(), "secret"); }
TEST_F(PipeTest, SecretWithCrLf) { EXPECT_EQ(With("secret\r\n").SecretLine().value(), "secret"); }
TEST_F(PipeTest, EmptySecret) { EXPECT_TRUE(absl::IsInvalidArgument(With("\n").SecretLine().status())); }
TEST_F(PipeTest, NoSecret) { EXPECT_TRUE(absl::IsInvalidArgument(With("").SecretLine().status())); }

TEST_F(PipeTest, SecretAtTheLimit) {
  EXPECT_EQ(With(std::string(kMaxSecretBytes, 'x') + "\n").SecretLine().value().size(), kMaxSecretBytes);
}
TEST_F(PipeTest, SecretOverTheLimit) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(With(std::string(kMaxSecretBytes + 1, 'x') + "\n").SecretLine().status()));
}

TEST_F(PipeTest, TakesNothingBehindTheLine) {
  Terminal terminal = With("secret\nnext\n");
  EXPECT_EQ(terminal.SecretLine().value(), "secret");
  EXPECT_EQ(terminal.SecretLine().value(), "next");
}

TEST_F(PipeTest, NobodyToAskMeansNo) {
  Terminal terminal = With("n\n");
  EXPECT_FALSE(terminal.interactive());
  EXPECT_TRUE(IsUsageError(terminal.Confirm("Remove?")));
}

// A pseudo-terminal with a person at its other end.
class PersonTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(openpty(&person_, &terminal_, nullptr, nullptr, nullptr), 0); }
  void TearDown() override {
    if (typing_.joinable()) typing_.join();
    close(person_);
    close(terminal_);
  }

  // Waits for each prompt, then types its answer. The prompts and the echo are in screen_ afterwards.
  void Type(std::vector<std::pair<std::string, std::string>> prompts_and_answers) {
    typing_ = std::thread([this, steps = std::move(prompts_and_answers)] {
      for (const auto& [prompt, answer] : steps) {
        while (screen_.find(prompt) == std::string::npos) {
          char buffer[256];
          const ssize_t got = read(person_, buffer, sizeof(buffer));
          if (got <= 0) return;
          screen_.append(buffer, static_cast<size_t>(got));
        }
        ASSERT_EQ(write(person_, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
      }
    });
  }

  bool Echoes() const {
    termios state;
    EXPECT_EQ(tcgetattr(terminal_, &state), 0);
    return (state.c_lflag & ECHO) != 0 && (state.c_lflag & ISIG) != 0;
  }

  int person_ = -1;
  int terminal_ = -1;
  std::string screen_;
  std::thread typing_;
};

TEST_F(PersonTest, PasswordIsAskedTwiceWithoutEcho) {
  Terminal terminal(terminal_, terminal_);
  ASSERT_TRUE(terminal.interactive());
  Type({{"Password: ", "s3cret word\n"}, {"Password (again): ", "s3cret word\n"}});
  EXPECT_EQ(terminal.NewPassword("Password").value(), "s3cret word");
  typing_.join();
  EXPECT_EQ(screen_.find("s3cret"), std::string::npos) << screen_;
  EXPECT_TRUE(Echoes());
}

TEST_F(PersonTest, DifferentAnswers) {
  Terminal terminal(terminal_, terminal_);
  Type({{"Password: ", "one\n"}, {"Password (again): ", "two\n"}});
  EXPECT_TRUE(absl::IsFailedPrecondition(terminal.NewPassword("Password").status()));
  EXPECT_TRUE(Echoes());
}

TEST_F(PersonTest, ControlCGivesTheEchoBack) {
  Terminal terminal(terminal_, terminal_);
  Type({{"Password: ", "half\x03"}});
  EXPECT_TRUE(absl::IsCancelled(terminal.NewPassword("Password").status()));
  EXPECT_TRUE(Echoes());
}

TEST_F(PersonTest, EmptyAnswerCancels) {
  Terminal terminal(terminal_, terminal_);
  Type({{"Password: ", "\n"}});
  EXPECT_TRUE(absl::IsCancelled(terminal.NewPassword("Password").status()));
}

TEST_F(PersonTest, OnlyYesIsYes) {
  for (const auto& [answer, yes] :
       {std::pair<const char*, bool>{"y\n", true}, {"YES\n", true}, {"n\n", false}, {"\n", false}}) {
    Terminal terminal(terminal_, terminal_);
    screen_.clear();
    Type({{"Remove? [y/N] ", answer}});
    EXPECT_EQ(terminal.Confirm("Remove?").code(), yes ? absl::StatusCode::kOk : absl::StatusCode::kCancelled)
        << answer;
    typing_.join();
  }
}

TEST_F(PersonTest, AnAnswerMayBeEmpty) {
  for (const auto& [typed, answer] :
       {std::pair<const char*, const char*>{" ann@example.test \n", "ann@example.test"}, {"\n", ""}}) {
    Terminal terminal(terminal_, terminal_);
    screen_.clear();
    Type({{"Who?: ", typed}});
    EXPECT_EQ(terminal.Answer("Who?").value(), answer);
    typing_.join();
  }
}

}  // namespace
}  // namespace mailstead::ctl
