#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "separatrix/nn/block.h"

namespace separatrix::test {

/// A buffer with guards on both sides: the block must not write beyond what it asked for.
class Guarded {
 public:
  explicit Guarded(Index n, float fill) : values_(std::size_t(n + 2 * kGuard), kCanary) {
    std::fill_n(data(), n, fill);
  }
  float* data() { return values_.data() + kGuard; }
  bool intact() const {
    for (std::size_t i = 0; i < kGuard; ++i)
      if (values_[i] != kCanary || values_[values_.size() - 1 - i] != kCanary) return false;
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 16;
  static constexpr float kCanary = -1234.5F;
  std::vector<float> values_;
};

inline constexpr float kUntouched = 77.25F;
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct BlockInput {
  Shape shape;
  std::vector<float> w, x, dy;
  std::vector<Index> rows;  ///< live; empty = all
  Live live() const { return {rows}; }
};
struct BlockOutput {
  std::vector<float> y, dx, dw;
  std::vector<char> needed;  ///< per row
};

inline bool is_live(const BlockInput& in, Index row) {
  return in.rows.empty() || std::find(in.rows.begin(), in.rows.end(), row) != in.rows.end();
}

/// Forward and backward, with NaN wherever the contract says that nothing is read, and the value
/// kUntouched wherever it says that nothing is written. Gradients start at 1 to see that they are
/// added to; that 1 is taken off again.
inline BlockOutput run_block(const Block& block, const BlockInput& in) {
  const Shape s = in.shape;
  std::vector<Index> storage;
  storage.reserve(std::size_t(s.rows()));
  const Live needed = block.needs(s, in.live(), storage);
  BlockOutput out;
  out.needed.assign(std::size_t(s.rows()), 0);
  for (Index i = 0; i < needed.count(s); ++i) out.needed[std::size_t(needed.row(i))] = 1;

  std::vector<float> x = in.x, dy = in.dy;
  out.dx.assign(x.size(), 1);
  for (Index row = 0; row < s.rows(); ++row) {
    if (!out.needed[std::size_t(row)]) {
      std::fill_n(x.data() + row * s.D, s.D, kNan);
      std::fill_n(out.dx.data() + row * s.D, s.D, kUntouched);
    }
    if (!is_live(in, row)) std::fill_n(dy.data() + row * s.D, s.D, kNan);
  }
  out.y.assign(x.size(), kUntouched);
  out.dw.assign(in.w.size(), 1);
  Guarded cache(block.cache_size(s), kNan), scratch(block.scratch_size(s), kNan);
  block.forward(s, in.live(), x.data(), out.y.data(),
                {in.w.data(), nullptr, cache.data(), scratch.data()});
  std::fill_n(scratch.data(), block.scratch_size(s), kNan);
  block.backward(s, in.live(), x.data(), dy.data(), out.dx.data(),
                 {in.w.data(), out.dw.data(), cache.data(), scratch.data()});
  EXPECT_TRUE(cache.intact()) << "wrote beyond cache_size";
  EXPECT_TRUE(scratch.intact()) << "wrote beyond scratch_size";
  // Where nothing is kept: the same outputs from less memory.
  std::vector<float> y(x.size(), kUntouched);
  const Index smaller = block.forward_cache_size(s, in.live());
  EXPECT_LE(smaller, block.cache_size(s));
  Guarded brief(smaller, kNan);
  std::fill_n(scratch.data(), block.scratch_size(s), kNan);
  block.forward(s, in.live(), x.data(), y.data(),
                {in.w.data(), nullptr, brief.data(), scratch.data(), /*kept=*/false});
  EXPECT_EQ(std::memcmp(y.data(), out.y.data(), y.size() * sizeof(float)), 0) << "kept or not";
  EXPECT_TRUE(brief.intact()) << "wrote beyond forward_cache_size";
  for (float& v : out.dw) v -= 1;
  for (std::size_t i = 0; i < out.dx.size(); ++i)
    if (out.needed[i / std::size_t(s.D)]) out.dx[i] -= 1;
  return out;
}

/// reference<double> on every sequence: [B, T, D].
inline std::vector<double> run_reference(const Block& block, Shape s, const std::vector<double>& w,
                                         const std::vector<double>& x) {
  std::vector<double> y(x.size());
  for (Index b = 0; b < s.B; ++b) {
    const Index at = b * s.T * s.D;
    block.reference(w, View<const double, 2>{x.data() + at, {s.T, s.D}},
                    View<double, 2>{y.data() + at, {s.T, s.D}}, 0);
  }
  return y;
}

}  // namespace separatrix::test
