#pragma once

#include <array>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

#include "separatrix/base/index.h"

namespace separatrix {

/// What a random stream is for. Streams of different use never overlap, so that an evaluation
/// input is not a training input drawn again.
enum class RngUse : std::uint64_t { init = 1, train, evaluate, sample, search, test, dropout };

/// xoshiro256++ (Blackman and Vigna 2019), seeded by hashing (seed, use, index). Every batch gets
/// its own stream from its step number, so resuming needs no generator state.
class Rng {
 public:
  explicit Rng(std::uint64_t seed, RngUse use = RngUse::test, std::uint64_t index = 0) {
    std::uint64_t mix = 0;
    for (std::uint64_t word : {seed, std::uint64_t(use), index}) mix = splitmix(mix ^ word);
    for (std::uint64_t& s : state_) s = mix = splitmix(mix);
  }

  /// 64 uniform bits.
  std::uint64_t bits() {
    const std::uint64_t result = rotate(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }
  /// Uniform on 0 .. n-1, n >= 1, without bias (Lemire 2019).
  Index below(Index n) {
    assert(n >= 1);
    __extension__ using Wide = unsigned __int128;
    const auto range = std::uint64_t(n);
    Wide product = Wide(bits()) * range;
    if (std::uint64_t(product) < range)
      for (const std::uint64_t floor = -range % range; std::uint64_t(product) < floor;)
        product = Wide(bits()) * range;
    return Index(product >> 64);
  }
  /// Uniform on [0, 1), a multiple of 2^-53.
  double uniform() { return double(bits() >> 11) * 0x1p-53; }
  bool coin() { return bits() >> 63; }
  /// Standard normal (Box-Muller, one of the pair).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  static std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  static std::uint64_t splitmix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace separatrix
