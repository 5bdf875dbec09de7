// Every code of the registry against enumeration: what its closed forms say is measured on the
// entries it writes, for every format and many N.

#include "separatrix/codes/comparison.h"
#include "tests/support/measured_code.h"

namespace separatrix {
namespace {

using test::all_codes;
using test::check_against_enumeration;

TEST(Codes, ClosedFormsHoldByEnumeration) {
  const auto codes = all_codes();
  for (const auto& entry : codes.entries()) {
    const auto code = entry.make(Json::object(), entry.name);
    int built = 0;
    for (const Index positions : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 27, 31, 32, 33, 64, 100, 256}) {
      for (const Arithmetic format : kWeightFormats) {
        SCOPED_TRACE(entry.name + ", N = " + std::to_string(positions) + ", " + to_string(format));
        const CodeNumbers n = code->numbers(positions, format);
        ASSERT_EQ(n.positions, positions);
        ASSERT_EQ(n.format, format);
        if (n.fits()) {
          ++built;
          check_against_enumeration(*code, n);
        } else {
          EXPECT_THROW(code->codebook(positions, format), Error);
        }
        if (testing::Test::HasFatalFailure()) return;
      }
    }
    EXPECT_GE(built, 30) << entry.name;
  }
}

TEST(Codes, ClosedFormsHoldForAThousand) {
  const auto codes = all_codes();
  for (const auto& entry : codes.entries()) {
    SCOPED_TRACE(entry.name);
    const auto code = entry.make(Json::object(), entry.name);
    const CodeNumbers n = code->numbers(1000);
    ASSERT_TRUE(n.fits());
    check_against_enumeration(*code, n);
  }
}

TEST(Codes, EveryParameterOfEveryCodeIsReadAndChecked) {
  const auto codes = all_codes();
  for (const char* name : {"random-signs", "dual-bch", "reed-solomon"})
    for (const double coherence : {0.0, 1.0, 0.05, -1.0})
      EXPECT_THROW(codes.make(name, {{"coherence", coherence}}), Error) << name;
  EXPECT_THROW(codes.make("parabola", {{"base", 1}}), Error);
  EXPECT_THROW(codes.make("random-signs", {{"failure", 0.0}}), Error);
  for (const auto& entry : codes.entries()) {
    const auto code = entry.make(Json::object(), entry.name);
    for (const Index positions : {Index(0), Index(-1), kMostPositions + 1}) {
      EXPECT_THROW(code->numbers(positions), Error) << entry.name;
      EXPECT_THROW(code->codebook(positions), Error) << entry.name;
    }
    EXPECT_NO_THROW(code->numbers(kMostPositions)) << entry.name;
    for (const double leak : {0.0, 1.0, -1.0, std::nan("")})
      EXPECT_THROW(code->temperature(code->numbers(5), leak), Error);
  }
}

TEST(Codes, TheBestIsChosenByItsRule) {
  const auto codes = all_codes();
  for (const Index positions : {1, 2, 3, 7, 8, 9, 100, 1'000'000'000}) {
    const CodeComparison c = compare_codes(codes, positions, kUsualLeak, 0.5);
    ASSERT_EQ(c.codes.size(), codes.entries().size());
    ASSERT_EQ(c.choices.size(), 3U) << positions;
    EXPECT_EQ(c.choices[0].code, "binary") << positions;
    for (const ComparedCode& code : c.codes)
      for (const CodeInFormat& row : code.formats) {
        EXPECT_LE(row.leak, kUsualLeak);
        EXPECT_TRUE(std::isfinite(row.score_range));
        if (row.numbers.fits() && code.name != "circle") {
          EXPECT_TRUE(row.numbers.exact);
        }
      }
  }
}

}  // namespace
}  // namespace separatrix
