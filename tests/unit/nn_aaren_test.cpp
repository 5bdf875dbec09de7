// Aaren against what it is said to be: softmax attention with a constant query, and a parallel
// prefix scan of merges.

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/block_run.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

using Vector = std::vector<double>;

/// What a stretch of a sequence adds up to, for one head.
struct Stretch {
  double m = 0, u = 0;
  Vector w;
};

Stretch merge(const Stretch& left, const Stretch& right) {
  Stretch both;
  both.m = std::max(left.m, right.m);
  const double l = std::exp(left.m - both.m), r = std::exp(right.m - both.m);
  both.u = left.u * l + right.u * r;
  for (std::size_t i = 0; i < left.w.size(); ++i) both.w.push_back(left.w[i] * l + right.w[i] * r);
  return both;
}

constexpr Index kHeads = 2, kHead = 3, kD = 5, kV = kHeads * kHead;

/// Parameters of a block of these sizes, in the order of params().
struct Parameters {
  explicit Parameters(Rng& rng, double query_scale = 1) {
    const auto block = make();
    w = random_parameters(block->params(kD), rng);
    for (Index i = 0; i < kV; ++i) w[std::size_t(i)] *= float(query_scale);
  }
  static std::unique_ptr<Block> make() {
    return all_blocks().make("aaren", {{"n_heads", kHeads}, {"d_head", kHead}});
  }
  double q(Index h, Index i) const { return double(w[std::size_t(h * kHead + i)]); }
  double k(Index row, Index column) const { return at(kV, kV, row, column); }
  double v(Index row, Index column) const { return at(kV + kD * kV, kV, row, column); }
  double o(Index row, Index column) const { return at(kV + 2 * kD * kV, kD, row, column); }
  double at(Index start, Index width, Index row, Index column) const {
    return double(w[std::size_t(start + row * width + column)]);
  }
  std::vector<float> w;
};

/// Elements (s_t, 1, v_t) of head h.
std::vector<Stretch> elements(const Parameters& p, const std::vector<float>& x, Index h) {
  std::vector<Stretch> out;
  for (std::size_t t = 0; t < x.size() / std::size_t(kD); ++t) {
    Stretch one{0, 1, Vector(std::size_t(kHead), 0)};
    for (Index i = 0; i < kHead; ++i)
      for (Index row = 0; row < kD; ++row) {
        const auto in = double(x[t * std::size_t(kD) + std::size_t(row)]);
        one.m += in * p.k(row, h * kHead + i) * p.q(h, i) / std::sqrt(double(kHead));
        one.w[std::size_t(i)] += in * p.v(row, h * kHead + i);
      }
    out.push_back(std::move(one));
  }
  return out;
}

/// y of the averages [T][V].
Vector project(const Parameters& p, const std::vector<Vector>& averages) {
  Vector y;
  for (const Vector& z : averages)
    for (Index column = 0; column < kD; ++column) {
      double sum = 0;
      for (Index i = 0; i < kV; ++i) sum += z[std::size_t(i)] * p.o(i, column);
      y.push_back(sum);
    }
  return y;
}

/// Softmax attention of a constant query over each prefix.
Vector attention(const Parameters& p, const std::vector<float>& x) {
  const std::size_t T = x.size() / std::size_t(kD);
  std::vector<Vector> averages(T);
  for (Index h = 0; h < kHeads; ++h) {
    const std::vector<Stretch> all = elements(p, x, h);
    for (std::size_t t = 0; t < T; ++t) {
      double most = all[0].m, sum = 0;
      for (std::size_t j = 0; j <= t; ++j) most = std::max(most, all[j].m);
      for (std::size_t j = 0; j <= t; ++j) sum += std::exp(all[j].m - most);
      for (std::size_t i = 0; i < std::size_t(kHead); ++i) {
        double z = 0;
        for (std::size_t j = 0; j <= t; ++j) z += std::exp(all[j].m - most) / sum * all[j].w[i];
        averages[t].push_back(z);
      }
    }
  }
  return project(p, averages);
}

/// The same by a parallel prefix scan: log2(T) rounds, each of which merges all positions at once.
Vector prefix_scan(const Parameters& p, const std::vector<float>& x) {
  const std::size_t T = x.size() / std::size_t(kD);
  std::vector<Vector> averages(T);
  for (Index h = 0; h < kHeads; ++h) {
    std::vector<Stretch> all = elements(p, x, h);
    for (std::size_t distance = 1; distance < T; distance *= 2) {
      const std::vector<Stretch> before = all;
      for (std::size_t t = distance; t < T; ++t) all[t] = merge(before[t - distance], before[t]);
    }
    for (std::size_t t = 0; t < T; ++t)
      for (const double w : all[t].w) averages[t].push_back(w / all[t].u);
  }
  return project(p, averages);
}

Vector recurrence(const Parameters& p, const std::vector<float>& x) {
  const Index T = Index(x.size()) / kD;
  return run_reference(*Parameters::make(), {1, T, kD}, to_double(p.w), to_double(x));
}

void expect_near(const Vector& actual, const Vector& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], tolerance) << i;
}

TEST(Aaren, IsAttentionWithAConstantQueryAndAPrefixScan) {
  Rng rng(5);
  for (const Index T : {1, 2, 3, 8, 33})
    for (const double scale : {1.0, 80.0, 1000.0}) {
      const Parameters p(rng, scale);
      const std::vector<float> x = normals(rng, T * kD);
      const Vector expected = attention(p, x);
      expect_near(recurrence(p, x), expected, 1e-10);
      expect_near(prefix_scan(p, x), expected, 1e-10);
    }
}

TEST(Aaren, MergingIsAssociative) {
  Rng rng(6);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<Stretch> s;
    for (int i = 0; i < 3; ++i)
      s.push_back({300 * rng.normal(), 1 + rng.uniform(), {rng.normal(), rng.normal()}});
    const Stretch left = merge(merge(s[0], s[1]), s[2]), right = merge(s[0], merge(s[1], s[2]));
    EXPECT_EQ(left.m, right.m);
    EXPECT_NEAR(left.u, right.u, 1e-12);
    expect_near(left.w, right.w, 1e-12);
  }
}

TEST(Aaren, ScoresOfAnySizeAreSafeInFloat32) {
  Rng rng(7);
  for (const double scale : {80.0, 1000.0}) {
    const Parameters p(rng, scale);
    BlockInput in;
    in.shape = {1, 33, kD};
    in.w = p.w;
    in.x = normals(rng, 33 * kD);
    in.dy = normals(rng, 33 * kD);
    const BlockOutput out = run_block(*Parameters::make(), in);
    // The scores themselves are rounded in proportion to their size.
    expect_near(to_double(out.y), attention(p, in.x), float_tolerance(33, scale / 10));
    for (const float g : out.dx) EXPECT_TRUE(std::isfinite(g));
    for (const float g : out.dw) EXPECT_TRUE(std::isfinite(g));
  }
}

TEST(Aaren, TheAverageOfALongConstantInputIsTheConstant) {
  Rng rng(8);
  const Parameters p(rng);
  BlockInput in;
  in.shape = {1, 3000, kD};
  in.w = p.w;
  const std::vector<float> one = normals(rng, kD);
  for (Index t = 0; t < in.shape.T; ++t) in.x.insert(in.x.end(), one.begin(), one.end());
  in.dy.assign(in.x.size(), 1);
  const BlockOutput out = run_block(*Parameters::make(), in);
  // 3000 equal terms: the sums of weights and of weighted values err alike, but not equally.
  for (std::size_t i = 0; i < out.y.size(); ++i)
    ASSERT_NEAR(double(out.y[i]), double(out.y[i % std::size_t(kD)]), float_tolerance(3000, 1));
}

TEST(Aaren, WithoutWeightThereIsNoPrefixWhateverTheOthersHold) {
  const auto made = Parameters::make();
  const auto& block = dynamic_cast<const RecurrentBlock&>(*made);
  Rng rng(9);
  const Parameters p(rng);
  const std::vector<float> x = normals(rng, kD);
  std::vector<float> start(std::size_t(block.state_size(kD)), 0), disguised(start.size(), 40);
  std::fill_n(disguised.begin() + kHeads, kHeads, 0.0F);  // u
  std::vector<float> y(std::size_t(kD), 0), z = y;
  block.step(kD, p.w.data(), start.data(), x.data(), y.data());
  block.step(kD, p.w.data(), disguised.data(), x.data(), z.data());
  EXPECT_EQ(y, z);
  EXPECT_EQ(start, disguised);
}

}  // namespace
}  // namespace separatrix::test
