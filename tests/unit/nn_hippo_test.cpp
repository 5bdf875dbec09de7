// Against numpy.linalg.eigvalsh of i (H - H^T) / 2.

#include <gtest/gtest.h>

#include "separatrix/nn/blocks/hippo.h"

namespace separatrix {
namespace {

const std::vector<double> kFirst1 = {0.866025403784439};
const std::vector<double> kFirst2 = {0.556501115083743, 4.60329300706685};
const std::vector<double> kFirst5 = {0.399387423407255, 1.70908016101927, 4.09760254366457,
                                     9.12987763730069, 31.313328191224};
const std::vector<double> kSomeOf64 = {0.235241800806252, 0.782690606153846, 50.7398426912536,
                                       1736.82621060813, 5214.6656134612};

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 1e-11 * expected[i]) << i;
}

TEST(SkewHippo, FrequenciesAreThoseOfTheMatrix) {
  expect_near(skew_hippo_frequencies(1), kFirst1);
  expect_near(skew_hippo_frequencies(2), kFirst2);
  expect_near(skew_hippo_frequencies(5), kFirst5);
  const std::vector<double> f = skew_hippo_frequencies(64);
  ASSERT_EQ(f.size(), 64U);
  expect_near({f[0], f[1], f[31], f[62], f[63]}, kSomeOf64);
}

}  // namespace
}  // namespace separatrix
