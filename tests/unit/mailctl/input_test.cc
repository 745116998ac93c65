#include "mailctl/input.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <vector>

namespace mailstead::ctl {
namespace {

class InputTest : public ::testing::Test {
 protected:
  void SetUp() override { path_ = ::testing::TempDir() + "/mailctl-input-" + std::to_string(getpid()); }
  void TearDown() override { unlink(path_.c_str()); }

  std::unique_ptr<Input> OpenWith(const std::string& content) {
    std::ofstream(path_, std::ios::binary) << content;
    auto input = Input::Open(path_, -1);
    EXPECT_TRUE(input.ok()) << input.status();
    return std::move(*input);
  }

  std::vector<std::string> Lines(const std::string& content) {
    const auto input = OpenWith(content);
    std::vector<std::string> lines;
    while (true) {
      const auto line = input->ReadLine();
      EXPECT_TRUE(line.ok()) << line.status();
      if (!line.ok() || !line->has_value()) return lines;
      lines.push_back(**line);
    }
  }

  std::string path_;
};

TEST_F(InputTest, Lines) {
  using L = std::vector<std::string>;
  EXPECT_EQ(Lines(""), L{});
  EXPECT_EQ(Lines("one"), L{"one"});
  EXPECT_EQ(Lines("one\n"), L{"one"});
  EXPECT_EQ(Lines("one\n\nthree\r\n"), (L{"one", "", "three\r"}));
  EXPECT_EQ(Lines("\n"), L{""});
}

TEST_F(InputTest, AByteOrderMarkIsDroppedAtTheFrontOnly) {
  using L = std::vector<std::string>;
  EXPECT_EQ(Lines("\xef\xbb\xbfone\n\xef\xbb\xbftwo\n"), (L{"one", "\xef\xbb\xbftwo"}));
  EXPECT_EQ(Lines("\xef\xbb\xbf"), L{""});
}

TEST_F(InputTest, LinesAcrossReads) {
  std::string content;
  std::vector<std::string> expected;
  for (int i = 0; i < 20'000; ++i) {
    expected.push_back("line " + std::to_string(i));
    content += expected.back() + "\n";
  }
  EXPECT_EQ(Lines(content), expected);
}

TEST_F(InputTest, LongLineIsCutAndTheNextIsWhole) {
  const std::string at_limit(Input::kMaxLineBytes, 'x');
  const auto lines = Lines(at_limit + "\n" + std::string(300'000, 'y') + "\nlast\n");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], at_limit);
  EXPECT_EQ(lines[1].size(), Input::kMaxLineBytes + 1);
  EXPECT_EQ(lines[2], "last");
}

TEST_F(InputTest, ReadGivesEverythingOnce) {
  const std::string content(100'000, 'z');
  const auto input = OpenWith(content);
  std::string all;
  std::string piece;
  do {
    ASSERT_TRUE(input->Read(1024, &piece).ok());
    EXPECT_LE(piece.size(), 1024u);
    all += piece;
  } while (!piece.empty());
  EXPECT_EQ(all, content);
}

TEST_F(InputTest, DashIsStandardInput) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  ASSERT_EQ(write(fds[1], "from a pipe\n", 12), 12);
  close(fds[1]);
  {
    const auto input = Input::Open("-", fds[0]);
    ASSERT_TRUE(input.ok());
    EXPECT_EQ((*input)->ReadLine().value(), "from a pipe");
  }
  // Not closed with the Input.
  EXPECT_EQ(close(fds[0]), 0);
}

TEST_F(InputTest, MissingFileIsNamed) {
  const auto input = Input::Open("/nonexistent/file", -1);
  EXPECT_TRUE(absl::IsNotFound(input.status()));
  EXPECT_EQ(input.status().message(), "/nonexistent/file: No such file or directory");
}

TEST_F(InputTest, FolderIsAnError) {
  const auto input = Input::Open("/tmp", -1);
  ASSERT_TRUE(input.ok());
  std::string piece;
  EXPECT_FALSE((*input)->Read(10, &piece).ok());
}

}  // namespace
}  // namespace mailstead::ctl
