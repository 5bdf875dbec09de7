#pragma once

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "separatrix/base/rng.h"

namespace separatrix::test {

/// Calls f once for each instruction set that was compiled and that this machine has, with the
/// kernels bound to it.
template <class F>
void for_each_target(F f) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

/// n floats at `shift` floats behind a 64-byte boundary, between canaries.
class Floats {
 public:
  explicit Floats(Index n, Index shift = 0) : n_(n), values_(std::size_t(n + 64), kCanary) {
    const auto address = reinterpret_cast<std::uintptr_t>(values_.data());
    const Index to_line = Index((64 - address % 64) % 64 / sizeof(float));
    begin_ = 16 + to_line + shift % 16;
    std::fill_n(data(), n, 0.0F);
  }
  /// Standard normals times `deviation`.
  Floats(Index n, Index shift, Rng& rng, double deviation = 1) : Floats(n, shift) {
    for (Index i = 0; i < n; ++i) data()[i] = float(deviation * rng.normal());
  }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  ~Floats() { EXPECT_TRUE(intact()) << "wrote beyond the array"; }

  float* data() { return values_.data() + begin_; }
  operator float*() { return data(); }  // NOLINT(google-explicit-constructor): stands for an array
  Index size() const { return n_; }
  std::vector<float> copy() { return {data(), data() + n_}; }

 private:
  static constexpr float kCanary = -1234.5F;
  bool intact() {
    for (Index i = 0; i < begin_; ++i)
      if (values_[std::size_t(i)] != kCanary) return false;
    for (std::size_t i = std::size_t(begin_ + n_); i < values_.size(); ++i)
      if (values_[i] != kCanary) return false;
    return true;
  }

  Index n_, begin_ = 0;
  std::vector<float> values_;
};

inline constexpr double kUnit = 0x1p-24;  ///< half the spacing of floats at 1

/// Around 0, the lane counts 4, 8 and 16, and the widths of real models.
inline const std::vector<Index> kSizes = {0, 1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 32, 33, 64, 101};

}  // namespace separatrix::test
