// The published starting values of mamba, s4d and dss; the frequencies of dss against
// numpy.linalg.eigvalsh of i (H - H^T) / 2.

#include <algorithm>
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "separatrix/model/scalar.h"
#include "separatrix/nn/blocks/hippo.h"
#include "separatrix/nn/model.h"

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

Weights start(const std::string& block, Index layers) {
  Registry<Block> blocks("block");
  register_blocks(blocks);
  ModelSpec spec;
  spec.vocab_size = spec.n_classes = 3;
  spec.d_model = 40;
  spec.max_length = 5;
  for (Index i = 0; i < layers; ++i) spec.layers.push_back({block, Json::object(), true});
  return initialize(spec, blocks, 1);
}

/// Within [low, high], and spread over it: the smallest and the largest in its outer tenths.
void expect_spread(std::span<const float> values, double low, double high) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double tenth = (high - low) / 10, rounding = 1e-6 * std::max(std::fabs(low), high);
  EXPECT_GE(double(*least), low - rounding);
  EXPECT_LE(double(*least), low + tenth);
  EXPECT_LE(double(*most), high + rounding);
  EXPECT_GE(double(*most), high - tenth);
}

TEST(MambaStart, IsThePublishedOne) {
  const Weights w = start("mamba", 4);
  const Index e = 80, N = 16, R = 3;
  for (const std::string layer : {"layers.0.mamba.", "layers.3.mamba."}) {
    const auto A_log = w[layer + "A_log"];
    ASSERT_EQ(Index(A_log.size()), e * N);
    for (Index i = 0; i < e * N; ++i)
      ASSERT_EQ(A_log[std::size_t(i)], float(std::log(double(i % N + 1))));
    for (const float v : w[layer + "D"]) ASSERT_EQ(v, 1);
    std::vector<float> log_dt;
    for (const float b : w[layer + "dt_proj_bias"])
      log_dt.push_back(float(std::log(softplus(double(b)))));
    expect_spread(log_dt, std::log(1e-3), std::log(1e-1));
    expect_spread(w[layer + "dt_proj"], -1 / std::sqrt(double(R)), 1 / std::sqrt(double(R)));
    expect_spread(w[layer + "conv1d"], -0.5, 0.5);
    const double out = 1 / std::sqrt(double(e)) / 2;  // four layers
    expect_spread(w[layer + "out_proj"], -out, out);
  }
}

TEST(S4dStart, IsThePublishedOne) {
  const Weights w = start("s4d", 1);
  const Index M = 32;
  for (const float v : w["layers.0.s4d.log_A_real"]) ASSERT_EQ(v, float(std::log(0.5)));
  const auto A_imag = w["layers.0.s4d.A_imag"];
  for (Index i = 0; i < 40 * M; ++i)
    ASSERT_EQ(A_imag[std::size_t(i)], float(std::numbers::pi * double(i % M)));
  expect_spread(w["layers.0.s4d.log_dt"], std::log(1e-3), std::log(1e-1));
  double squares = 0;
  for (const float v : w["layers.0.s4d.C"]) squares += double(v) * double(v);
  EXPECT_NEAR(squares / double(2 * 40 * M), 0.5, 0.07);
}

TEST(DssStart, IsThePublishedOne) {
  const Weights w = start("dss", 1);
  for (const float v : w["layers.0.dss.Lambda_re"]) ASSERT_NEAR(-std::exp(double(v)), -0.5, 1e-7);
  const auto Lambda_im = w["layers.0.dss.Lambda_im"];
  EXPECT_EQ(Lambda_im.front(), float(kSomeOf64[0]));
  EXPECT_EQ(Lambda_im.back(), float(kSomeOf64[4]));
  expect_spread(w["layers.0.dss.log_dt"], std::log(1e-3), std::log(1e-1));
}

}  // namespace
}  // namespace separatrix
