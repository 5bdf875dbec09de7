#include <gtest/gtest.h>

#include "tests/support/dyck.h"

namespace separatrix {
namespace {

using namespace dyck;

TEST(PrefixScanSlow, NoWrongWeightIsProved) {
  for (const Arithmetic arithmetic : kComputed) {
    mutate({"dyck-transformer", 2, 2, 4, arithmetic}, 1);
    mutate({"dyck-transformer", 3, 1, 4, arithmetic}, 1);
    mutate({"dyck-recogniser", 2, 1, 2, arithmetic}, 1);
    mutate({"dyck-recogniser", 1, 2, 4, arithmetic}, 1);
  }
}

TEST(PrefixScanSlow, TenThousandBrackets) {
  const Methods m;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
      const Dyck dyck{name, 2, 4, 10000, arithmetic};
      const auto c = make_case(m, dyck);
      ASSERT_TRUE(c) << text(dyck);
      const Certificate proof = m.certify(*c);
      ASSERT_EQ(proof.verdict, Verdict::proved) << text(dyck) << proof.reason;
      EXPECT_EQ(m.recheck(*c, proof), "") << text(dyck);
    }
}

TEST(PrefixScanSlow, ManyTypesAndDepths) {
  const Methods m;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const Arithmetic arithmetic : kArithmetics)
      for (const auto& [n, k, length] : {std::array<Index, 3>{64, 3, 40},
                                         {1, 12, 200},
                                         {7, 9, 130},
                                         {200, 2, 10},
                                         {2, 100, 16}}) {
        const Dyck dyck{name, n, k, length, arithmetic};
        const auto c = make_case(m, dyck);
        ASSERT_TRUE(c) << text(dyck);
        const Certificate proof = m.certify(*c);
        ASSERT_EQ(proof.verdict, Verdict::proved) << text(dyck) << proof.reason;
        EXPECT_EQ(m.recheck(*c, proof), "") << text(dyck);
      }
}

}  // namespace
}  // namespace separatrix
