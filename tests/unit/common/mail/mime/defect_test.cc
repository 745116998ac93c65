#include "common/mail/mime/defect.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace mailstead::mime {
namespace {

TEST(Defect, HasANameOfItsOwnThatTheDocumentExplains) {
  std::stringstream document;
  document << std::ifstream("docs/parsed-mail.md").rdbuf();
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(Defect::kLast); ++i) {
    const std::string name(DefectName(static_cast<Defect>(i)));
    EXPECT_NE(name, "unknown") << i;
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_TRUE(absl::StrContains(document.str(), absl::StrCat("`", name, "`"))) << name;
  }
}

TEST(DefectSet, Holds) {
  DefectSet defects;
  EXPECT_TRUE(defects.empty());
  EXPECT_EQ(defects.ToString(), "");
  defects.Add(Defect::kLast);
  defects.Add(Defect::kBareLf);
  EXPECT_TRUE(defects.Has(Defect::kBareLf));
  EXPECT_FALSE(defects.Has(Defect::kBareCr));
  EXPECT_EQ(defects.List(), (std::vector<Defect>{Defect::kBareLf, Defect::kLast}));
  DefectSet more;
  more.Add(Defect::kNul);
  more.Add(defects);
  EXPECT_EQ(more.ToString(), "bare-lf nul encoded-word-in-parameter");
}

}  // namespace
}  // namespace mailstead::mime
