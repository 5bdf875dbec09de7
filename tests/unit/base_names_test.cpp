#include <gtest/gtest.h>

#include "separatrix/base/names.h"

namespace separatrix {
namespace {

TEST(Names, HyphenAndUnderscoreAreAlike) {
  EXPECT_TRUE(same_name("index-lookup", "index_lookup"));
  EXPECT_FALSE(same_name("index-lookup", "index-lookups"));
  EXPECT_TRUE(contains_name({"a", "d_model"}, "d-model"));
}

TEST(Names, NearMissIsNamedAndAFarOneListsAll) {
  EXPECT_EQ(did_you_mean("partiy", {"parity", "mqar"}), "did you mean 'parity'?");
  EXPECT_EQ(did_you_mean("xyzzyfoo", {"parity", "mqar"}), "one of: parity, mqar");
}

}  // namespace
}  // namespace separatrix
