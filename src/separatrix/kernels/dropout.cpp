#include "separatrix/kernels/dropout.h"

#include <cassert>

namespace separatrix {
namespace {

/// The finaliser of SplitMix64: a bijection of 64 bits that passes for random on a counter.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;

/// 32 bits for each of the numbers 2 pair and 2 pair + 1.
std::uint64_t bits_of(std::uint64_t key, std::uint64_t pair) {
  return mixed(key + (pair + 1) * kGolden);
}

}  // namespace

Dropout Dropout::stream(std::uint64_t index) const {
  return {rate, mixed(mixed(key) + (index + 1) * kGolden)};
}

void drop(const Dropout& dropout, std::uint64_t first, Index n, float* x) {
  assert(dropout.rate >= 0 && dropout.rate < 1);
  if (!dropout.on()) return;
  const auto below = std::uint32_t(dropout.rate * 0x1p32);
  const auto factor = float(1 / (1 - dropout.rate));
  const auto keep = [&](std::uint64_t bits) {
    return std::uint32_t(bits) >= below ? factor : 0.0F;
  };
  Index j = 0;
  if (n > 0 && first % 2 == 1) x[j++] *= keep(bits_of(dropout.key, first / 2) >> 32);
  for (; j + 2 <= n; j += 2) {
    const std::uint64_t bits = bits_of(dropout.key, (first + std::uint64_t(j)) / 2);
    x[j] *= keep(bits);
    x[j + 1] *= keep(bits >> 32);
  }
  if (j < n) x[j] *= keep(bits_of(dropout.key, (first + std::uint64_t(j)) / 2));
}

}  // namespace separatrix
