// Blocks whose state is a matrix, over several chunks of the products that compute them: the same
// as the recurrence, which their reference is, and as the step function.

#include <gtest/gtest.h>

#include "tests/support/block_run.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

struct Case {
  const char* block;
  Json config;
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"retention", {{"n_heads", 2}, {"d_head", 3}, {"value_expansion", 2}}},
      {"linear_attention", {{"n_heads", 2}, {"d_head", 3}}},
      {"linear_attention", {{"feature_map", "elementwise_product"}, {"d_head", 4}}},
      {"linear_attention", {{"feature_map", "taylor"}, {"d_head", 2}}},
      {"delta_net", {{"n_heads", 2}, {"d_head", 4}, {"negative_eigenvalues", true}}},
      {"gated_delta_net", {{"n_heads", 2}, {"d_head", 4}}},
  };
  return all;
}

/// Around the length of a chunk, 32, and of three; rows asked in all of them, in the middle, last.
const std::vector<std::pair<Index, std::vector<Index>>> kAsked = {
    {31, {}}, {32, {}}, {33, {}}, {70, {}}, {96, {0, 33, 34, 64}}, {97, {40}}, {100, {99}}};

/// Of weights and inputs together, along a random direction.
void expect_gradient(const Block& block, const BlockInput& in, const BlockOutput& out, Rng& rng) {
  const std::vector<double> w = to_double(in.w), x = to_double(in.x);
  std::vector<double> along_w(w.size()), along_x(x.size());
  double expected = 0, scale = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    expected += (along_w[i] = rng.coin() ? 1 : -1) * double(out.dw[i]);
    scale = std::max(scale, std::fabs(double(out.dw[i])));
  }
  for (std::size_t i = 0; i < x.size(); ++i)
    if (out.needed[i / std::size_t(in.shape.D)])
      expected += (along_x[i] = rng.coin() ? 1 : -1) * double(out.dx[i]);
  const auto moved = [&](double step) {
    std::vector<double> w_moved = w, x_moved = x;
    for (std::size_t i = 0; i < w.size(); ++i) w_moved[i] += step * along_w[i];
    for (std::size_t i = 0; i < x.size(); ++i) x_moved[i] += step * along_x[i];
    const std::vector<double> result = run_reference(block, in.shape, w_moved, x_moved);
    double sum = 0;
    for (std::size_t i = 0; i < result.size(); ++i)
      if (is_live(in, Index(i) / in.shape.D)) sum += double(in.dy[i]) * result[i];
    return sum;
  };
  constexpr double kStep = 1e-6;
  EXPECT_NEAR(expected, (moved(kStep) - moved(-kStep)) / (2 * kStep),
              float_tolerance(4 * in.shape.rows() * in.shape.D * Index(w.size()), scale));
}

TEST(MatrixState, ChunksAreTheRecurrence) {
  for (const Case& c : cases())
    for (const auto& [T, rows] : kAsked) {
      SCOPED_TRACE(testing::Message() << c.block << " " << c.config << " T " << T);
      const auto block = all_blocks().make(c.block, c.config);
      Rng rng(9);
      BlockInput in;
      in.shape = {1, T, 5};
      in.w = random_parameters(block->params(5), rng);
      in.x = normals(rng, T * 5);
      in.dy = normals(rng, T * 5);
      in.rows = rows;
      const BlockOutput out = run_block(*block, in);
      const std::vector<double> w = to_double(in.w), x = to_double(in.x);
      const std::vector<double> y = run_reference(*block, in.shape, w, x);
      std::vector<float> state(
          std::size_t(dynamic_cast<const RecurrentBlock&>(*block).state_size(5)));
      std::vector<float> stepped(5);
      const double tolerance = float_tolerance(4 * 5 * T, 1);
      for (Index t = 0; t < T; ++t) {
        dynamic_cast<const RecurrentBlock&>(*block).step(5, in.w.data(), state.data(),
                                                         in.x.data() + t * 5, stepped.data());
        for (Index d = 0; d < 5; ++d) {
          const auto at = std::size_t(t * 5 + d);
          const double size = std::max(1.0, std::fabs(y[at]));
          if (is_live(in, t)) {
            ASSERT_NEAR(double(out.y[at]), y[at], tolerance * size);
          }
          ASSERT_NEAR(double(stepped[std::size_t(d)]), y[at], tolerance * size);
        }
      }
      expect_gradient(*block, in, out, rng);
    }
}

}  // namespace
}  // namespace separatrix::test
