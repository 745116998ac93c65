#include "common/rpc/server/method_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/executor.h"
#include "tests/unit/common/rpc/server/toy.h"

namespace mailstead::rpc {
namespace {

class NoExecutor final : public Executor {
 public:
  void Resume(absl::Span<const std::coroutine_handle<>>) override {}
};

TEST(MethodTable, FindsByName) {
  NoExecutor executor;
  Toy toy(executor);
  MethodTable methods;
  toy.AddTo(methods);
  ASSERT_NE(methods.Find("toy.Toy/Echo"), nullptr);
  EXPECT_EQ(methods.Find("toy.Toy/Echo")->name, "toy.Toy/Echo");
  for (const char* none : {"", "Echo", "/toy.Toy/Echo", "toy.Toy/", "toy.Toy/Echo2"}) {
    EXPECT_EQ(methods.Find(none), nullptr) << none;
  }
  EXPECT_EQ(methods.All().size(), 10u);
  EXPECT_EQ(methods.All().front()->name, "toy.Toy/Echo");
  EXPECT_THAT(methods.Services(), testing::ElementsAre("toy.Toy"));
}

TEST(MethodTable, TheShapeIsThatOfTheFunction) {
  NoExecutor executor;
  Toy toy(executor);
  MethodTable methods;
  toy.AddTo(methods);
  EXPECT_EQ(methods.Find("toy.Toy/Echo")->shape, Shape::kUnary);
  EXPECT_EQ(methods.Find("toy.Toy/Join")->shape, Shape::kClientStream);
  EXPECT_EQ(methods.Find("toy.Toy/Split")->shape, Shape::kServerStream);
  EXPECT_EQ(methods.Find("toy.Toy/Talk")->shape, Shape::kDialog);
}

}  // namespace
}  // namespace mailstead::rpc
