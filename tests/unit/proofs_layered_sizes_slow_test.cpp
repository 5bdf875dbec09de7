#include "tests/support/layered_case.h"

// Associative memories at the sizes that are asked for: as many cases as keys, not as pairs.

namespace separatrix {
namespace {

struct Size {
  const char* construction;
  Json config;
  Index length;
  Arithmetic arithmetic;
};

/// Every bit is a feature.
Json all_bits(Index n, const std::string& function) {
  std::string text = "{features: [";
  for (Index i = 0; i < n; ++i)
    text +=
        std::string(i == 0 ? "" : ", ") + "{positions: [" + std::to_string(i) + "], table: [0, 1]}";
  return {{"features", text + "], function: " + function + "}"}};
}

TEST(LayeredSizes, AreProvedAndRechecked) {
  const LayeredFixture f;
  const Json random_words = {{"vocab_size", 101}, {"pairs", 2}, {"random_non_queries", true}};
  const Json first = {{"alphabet", 1000}, {"query", "first"}};
  const std::vector<Size> sizes = {
      {"mqar-transformer", {{"vocab_size", 8192}}, 64, Arithmetic::float32},
      {"mqar-transformer", {{"vocab_size", 1000}}, 128, Arithmetic::bfloat16},
      {"mqar-transformer", random_words, 16, Arithmetic::float32},
      {"induction-transformer", {{"alphabet", 1000}}, 129, Arithmetic::bfloat16},
      {"induction-transformer", {{"alphabet", 65}}, 17, Arithmetic::float32},
      {"index-lookup-query-first-transformer", first, 1025, Arithmetic::float32},
      {"nearest-neighbor-transformer",
       {{"dimension", 6}, {"labels", 64}},
       33,
       Arithmetic::bfloat16},
      {"sparse-features-transformer", all_bits(999, "parity"), 999, Arithmetic::float32},
      {"sparse-features-transformer", all_bits(700, "majority"), 701, Arithmetic::float16}};
  for (const Size& size : sizes) {
    const auto c = build_case(f.r, size.construction, size.config, size.length, size.arithmetic);
    const Certificate found = f.certify_layered(*c);
    ASSERT_EQ(found.verdict, Verdict::proved) << size.construction << ": " << found.reason;
    EXPECT_EQ(f.recheck_of(found, *c), "") << size.construction;
    if (size.length > 33) continue;
    Certificate more = found;
    more.margin *= 1.05;
    EXPECT_NE(f.recheck_of(more, *c), "") << size.construction;
  }
}

}  // namespace
}  // namespace separatrix
