// StateFormat::round, by vectors of every instruction set, is StateFormat::rounded to the last bit.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include "separatrix/nn/state_format.h"
#include "tests/support/kernel_memory.h"

namespace separatrix::test {
namespace {

/// Ordinary numbers, any bit pattern, and the neighbours of all ties of the formats.
std::vector<float> points() {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Rng rng(6);
  std::vector<float> list = {0.0F, -0.0F, 0.5F, 65504.0F, 65519.9F, 65520.0F, 1e30F, kInfinity};
  for (int i = 0; i < 3000; ++i) {
    list.push_back(float(rng.normal()));
    list.push_back(std::bit_cast<float>(std::uint32_t(rng.bits())));
    list.push_back(float(i) * 0x1p-25F);               // float16 below 2^-14
    list.push_back(float(2 * i + 1) / 254.0F * 2.5F);  // int8, range 2.5
    list.push_back(1 + float(i) * 0x1p-12F);           // float16 at 1
    list.push_back(std::bit_cast<float>(std::uint32_t(i) * 0x8000U + 0x3F800000U));  // bfloat16
    list.push_back(std::bit_cast<float>(std::uint32_t(i) * 0x8000U));                // at 0
  }
  const std::size_t n = list.size();
  for (std::size_t i = 0; i < n; ++i) {
    list.push_back(-list[i]);
    list.push_back(std::nextafter(list[i], kInfinity));
    list.push_back(std::nextafter(list[i], -kInfinity));
  }
  return list;
}

TEST(RoundKernels, EqualTheDefinitionToTheLastBit) {
  const std::vector<float> list = points();
  for_each_target([&] {
    for (const char* name : {"float32", "bfloat16", "float16", "int8", "int4", "int2", "bit"})
      for (const double range : {1.0, 2.5}) {
        const StateFormat format({name, range});
        std::vector<float> rounded = list;
        format.round(Index(list.size()), rounded.data());
        for (std::size_t i = 0; i < list.size(); ++i) {
          const auto expected = float(format.rounded(double(list[i])));
          if (std::isnan(expected))
            ASSERT_TRUE(std::isnan(rounded[i]));
          else
            ASSERT_EQ(std::bit_cast<std::uint32_t>(rounded[i]),
                      std::bit_cast<std::uint32_t>(expected))
                << name << " range " << range << ": " << list[i] << " -> " << rounded[i];
        }
      }
    Rng rng(7);
    for (const Index n : kSizes) {
      Floats x(n, 1, rng);
      for (const char* name : {"bfloat16", "float16", "int4", "bit"})
        StateFormat({name, 1}).round(n, x);  // nothing beyond the array is touched
    }
  });
}

}  // namespace
}  // namespace separatrix::test
