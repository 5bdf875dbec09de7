// Single codes: sums as published, the tables of docs/theory.md, and the corners at which a code
// stops being exact or full.

#include "separatrix/codes/comparison.h"
#include "separatrix/codes/finite_field.h"
#include "tests/support/measured_code.h"

namespace separatrix {
namespace {

using test::all_codes;
using test::check_against_enumeration;
using test::largest_product_with;
using test::Measured;

/// Every word of a code that is full: closed forms that are attained.
TEST(Codes, FullCodesAttainTheirCoherence) {
  const auto codes = all_codes();
  struct Case {
    const char* code;
    Json config;
    Index positions, width;
    double coherence;
  };
  const Case cases[] = {
      {"binary", Json::object(), 512, 9, 7.0 / 9},
      {"hadamard", Json::object(), 64, 64, 0},
      {"hadamard", {{"biorthogonal", true}}, 64, 32, 0},
      {"gold", Json::object(), 1 << 6, 8, 0.5},              // r = 3
      {"gold", Json::object(), 1 << 8, 16, 0.5},             // r = 4: 8 of 16
      {"gold", Json::object(), 1 << 10, 32, 0.25},           // r = 5: 8 of 32
      {"kerdock", Json::object(), 16, 4, 0.5},               // m = 1
      {"kerdock", Json::object(), 256, 16, 0.25},            // m = 3
      {"reed-solomon", {{"coherence", 0.5}}, 125, 20, 0.5},  // q = 5, k = 3
      {"reed-solomon", {{"coherence", 0.5}}, 81, 18, 0.5},   // q = 9, k = 2
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.code) + " " + std::to_string(c.positions));
    const auto code = codes.make(c.code, c.config);
    const CodeNumbers n = code->numbers(c.positions);
    EXPECT_EQ(n.width, c.width) << n.parameters;
    EXPECT_DOUBLE_EQ(*n.coherence, c.coherence) << n.parameters;
    const Measured m(*code, n);
    EXPECT_DOUBLE_EQ(m.coherence, *n.coherence);
  }
}

TEST(Codes, SumsOfGoldAndDualBchAsPublished) {
  const auto codes = all_codes();
  struct Case {
    const char* code;
    Json config;
    Index positions, r, t;
    double largest;  // the sum that is claimed, and measured among the first 2^16 words
  };
  const Case cases[] = {
      {"gold", Json::object(), Index(1) << 14, 7, 2, 16},
      {"gold", Json::object(), Index(1) << 12, 6, 2, 16},
      {"dual-bch", {{"coherence", 0.5}}, Index(1) << 18, 6, 3, 32},
  };
  for (const Case& c : cases) {
    const auto code = codes.make(c.code, c.config);
    const CodeNumbers n = code->numbers(c.positions);
    EXPECT_EQ(n.parameters, (Json{{"r", c.r}, {"t", c.t}}));
    const auto book = code->codebook(c.positions);
    EXPECT_EQ(n.peak - n.gap, c.largest);
    EXPECT_EQ(
        largest_product_with(*book, 0, std::min<Index>(c.positions, 1 << 16), std::size_t(n.width)),
        c.largest);
  }
}

TEST(Codes, KerdockIsBest) {
  const auto code = all_codes().make("kerdock");
  const Index positions = Index(1) << 12;  // m = 5, length 64
  const CodeNumbers n = code->numbers(positions);
  ASSERT_EQ(n.width, 64);
  EXPECT_EQ(*n.coherence, 0.125);
  const auto book = code->codebook(positions);
  for (Index a = 0; a < 32; a += 5)
    EXPECT_EQ(largest_product_with(*book, a << 6, positions, 64), 8) << a;
  EXPECT_EQ(code->numbers(Index(1) << 16).width, 256);  // m = 7, its words spot-checked
  const auto large = code->codebook(Index(1) << 16);
  EXPECT_EQ(largest_product_with(*large, Index(127) << 8, Index(1) << 13, 256), 16);
}

/// The table of widths in docs/theory.md.
TEST(Codes, WidthsOfTheTable) {
  const auto codes = all_codes();
  const Index positions[] = {100, 10'000, 1'000'000, 1'000'000'000};
  const auto widths = [&](const char* name, const Json& config, Arithmetic format) {
    std::vector<Index> found;
    for (const Index n : positions)
      found.push_back(codes.make(name, config)->numbers(n, format).width);
    return found;
  };
  using Row = std::vector<Index>;
  const Json none = Json::object();
  const auto f32 = Arithmetic::float32, bf16 = Arithmetic::bfloat16;
  EXPECT_EQ(widths("binary", none, f32), (Row{7, 14, 20, 30}));
  EXPECT_EQ(widths("random-signs", none, f32), (Row{63, 131, 200, 304}));
  EXPECT_EQ(widths("dual-bch", none, f32), (Row{16, 64, 128, 256}));
  EXPECT_EQ(widths("kerdock", none, f32), (Row{16, 256, 1024, 65536}));
  EXPECT_EQ(widths("reed-solomon", none, f32), (Row{20, 64, 110, 224}));
  EXPECT_EQ(widths("parabola", none, f32), (Row{2, 3, 3, 4}));
  EXPECT_EQ(widths("parabola", {{"base", 16}}, bf16), (Row{3, 5, 7, 10}));
  EXPECT_EQ(widths("parabola", none, bf16), (Row{3, 4, 5, 6}));  // a base of its own is better
  EXPECT_EQ(widths("circle", none, f32), (Row{2, 2, 2, 2}));
  EXPECT_EQ(widths("one-hot", none, f32), (Row{100, 10'000, 1'000'000, 1'000'000'000}));

  const auto hoeffding = [&](Index n) {
    return codes.make("random-signs")->numbers(n).parameters.at("hoeffding_width").get<Index>();
  };
  EXPECT_EQ(
      (Row{hoeffding(100), hoeffding(10'000), hoeffding(1'000'000), hoeffding(1'000'000'000)}),
      (Row{87, 161, 234, 345}));
  const auto parameters = [&](const char* name, Index n) {
    return codes.make(name)->numbers(n).parameters;
  };
  EXPECT_EQ(parameters("dual-bch", 1'000'000'000), (Json{{"r", 8}, {"t", 4}}));
  EXPECT_EQ(parameters("reed-solomon", 1'000'000), (Json{{"q", 11}, {"k", 6}, {"n", 10}}));
}

TEST(Codes, ScoreRangesOfTheTable) {
  const auto codes = all_codes();
  const auto range = [&](const char* name) {  // at N = 10^9, leak 1/4
    const auto code = codes.make(name);
    const CodeNumbers n = code->numbers(1'000'000'000);
    return n.score_range(code->temperature(n, 0.25));
  };
  EXPECT_NEAR(range("binary"), 147, 0.5);
  EXPECT_NEAR(range("dual-bch"), 49, 0.5);
  EXPECT_NEAR(range("kerdock"), 22, 0.5);
  EXPECT_NEAR(range("reed-solomon"), 44, 0.5);
  EXPECT_NEAR(range("one-hot"), 22, 0.5);
  EXPECT_NEAR(range("circle") / 5.5e17, 1, 0.01);
  const CodeNumbers binary = codes.make("binary")->numbers(1'000'000'000);
  EXPECT_EQ(binary.score_range(4), 240);
}

/// ln((1 + leak)^(1/L) - 1) / -2 and N^2 ln 9 / 8, which temperature() finds by bisection.
TEST(Codes, TemperaturesInClosedForm) {
  const auto codes = all_codes();
  const auto binary = codes.make("binary");
  for (const Index bits : {1, 7, 30})
    for (const double leak : {0.25, 0.01}) {
      const CodeNumbers n = binary->numbers(Index(1) << bits);
      const double closed = -std::log(std::pow(1 + leak, 1 / double(bits)) - 1) / 2;
      EXPECT_NEAR(binary->temperature(n, leak), closed, 1e-9);
    }
  EXPECT_NEAR(binary->leak(binary->numbers(100), 4), 0.0024, 5e-5);
  EXPECT_NEAR(binary->leak(binary->numbers(1'000'000'000), 4), 0.010, 2e-4);
  EXPECT_NEAR(binary->leak(binary->numbers(1'000'000'000), 3), 0.077, 5e-4);
  for (Index bits = 1; bits <= 40; ++bits)
    EXPECT_EQ(binary->power_of_two_temperature(binary->numbers(Index(1) << bits), kUsualLeak), 4);

  const auto circle = codes.make("circle");
  EXPECT_NEAR(circle->temperature(circle->numbers(100'000), 0.25) / 1e10, std::log(9.0) / 8, 1e-6);

  const auto parabola = codes.make("parabola", {{"base", 1000}});
  const double bounds[] = {0.037, 0.114};
  for (const Index digits : {1, 3}) {
    const CodeNumbers n = parabola->numbers(digits == 1 ? 1000 : 1'000'000'000);
    const double simple =
        std::pow(1 + 2 * std::exp(-4.0) / (1 - std::exp(-12.0)), double(digits)) - 1;
    EXPECT_LE(parabola->leak(n, 4), simple);
    EXPECT_NEAR(parabola->leak(n, 4), bounds[digits / 2], 5e-4);
  }
}

/// The dual BCH code of length 2^r has not 2^{tr} words when 2t - 1 = 2^{ceil(r/2)} + 1: over
/// GF(16) x^5 takes values in GF(4), so that Tr(a x^5) = 0 for some a != 0. A coherence below 1
/// excludes it.
TEST(Codes, DualBchIsNeverTakenWhereWordsCoincide) {
  const FiniteField field(2, 4);
  Index vanishing = 0;
  for (FiniteField::Element a = 1; a < 16; ++a) {
    bool zero = true;
    for (FiniteField::Element x = 0; x < 16; ++x) {
      const auto square = field.multiply(x, x), fourth = field.multiply(square, square);
      zero = zero && field.trace(field.multiply(a, field.multiply(fourth, x))) == 0;
    }
    vanishing += zero;
  }
  EXPECT_EQ(vanishing, 3);  // GF(4) without 0

  const auto code = all_codes().make("dual-bch", {{"coherence", 0.99}});
  for (Index bits = 1; bits <= 40; ++bits)
    for (const Index less : {0, 1}) {
      const CodeNumbers n = code->numbers((Index(1) << bits) - less);
      const auto r = n.parameters.at("r").get<Index>(), t = n.parameters.at("t").get<Index>();
      if (t > 1) {
        EXPECT_LT(2 * t - 1, (Index(1) << ((r + 1) / 2)) + 1) << r << " " << t;
      }
    }
  const CodeNumbers n = code->numbers(2000);  // r = 5, t = 3
  EXPECT_EQ(n.parameters, (Json{{"r", 5}, {"t", 3}}));
  check_against_enumeration(*code, n);
  const auto book = code->codebook(1 << 15);  // all words
  EXPECT_LE(largest_product_with(*book, 0, 1 << 15, 32), 22);
}

/// With base 8192 float32 holds every entry, but not the score of the ends: 2 p j - j^2 with
/// p = -4096, j = 4095 is odd and above 2^24. So a base stops at 3 h^2 <= 2^24, h = base / 2.
TEST(Codes, ParabolaOfBase8192IsNotExact) {
  const double score = 2.0 * -4096 * 4095 - 4095.0 * 4095;
  EXPECT_NE(double(float(score)), score);
  const auto codes = all_codes();
  EXPECT_EQ(codes.make("parabola", {{"base", 8192}})->numbers(8192).largest, 0);
  EXPECT_EQ(codes.make("parabola", {{"base", 4729}})->numbers(4729).largest, 4729);
  EXPECT_EQ(codes.make("parabola")->numbers(4729).width, 2);
  EXPECT_EQ(codes.make("parabola")->numbers(4730).width, 3);
}

/// The sum of squares in two coordinates, at sizes too large to enumerate: corners of the digits.
TEST(Codes, ParabolaEndsAreExactAtABillion) {
  const auto code = all_codes().make("parabola");
  for (const Arithmetic format : kWeightFormats) {
    const Index positions = 1'000'000'000;
    const CodeNumbers n = code->numbers(positions, format);
    const auto base = n.parameters.at("base").get<Index>();
    const auto digits = n.parameters.at("digits").get<Index>();
    std::vector<Index> corners;
    for (Index which = 0; which < Index(1) << digits; ++which) {
      Index j = 0;
      for (Index i = digits; i-- > 0;) j = j * base + ((which >> i & 1) != 0 ? base - 1 : 0);
      if (j < positions) corners.push_back(j);
    }
    ASSERT_GE(corners.size(), 4U);
    const auto book = code->codebook(positions, format);
    const auto vector = [&](bool key, Index j) {
      std::vector<float> v(static_cast<std::size_t>(n.width));
      key ? book->key(j, v) : book->query(j, v);
      for (const float x : v) EXPECT_TRUE(is_representable(format, double(x))) << x;
      return v;
    };
    for (const Index p : corners)
      for (const Index j : corners) {
        const auto q = vector(false, p), k = vector(true, j);
        double exact = 0, expected = 0;
        float sum = 0;
        for (std::size_t i = 0; i < q.size(); ++i) {
          exact += double(q[i]) * double(k[i]);
          sum += q[i] * k[i];
        }
        for (Index i = 0, a = p, b = j; i < digits; ++i, a /= base, b /= base) {
          const double x = double(a % base - base / 2), y = double(b % base - base / 2);
          expected += x * x - (x - y) * (x - y);
        }
        EXPECT_EQ(exact, expected);
        EXPECT_EQ(double(sum), expected);
      }
  }
}

TEST(Codes, ADrawOfRandomSignsDependsOnTheSeedOnly) {
  const auto codes = all_codes();
  const auto first = [&](Index seed) {
    std::vector<float> key(63);
    codes.make("random-signs", {{"seed", seed}})->codebook(100)->key(0, key);
    return key;
  };
  EXPECT_EQ(first(0), first(0));
  EXPECT_NE(first(0), first(1));
  // A draw that may fail half of the time is narrower, and still verified.
  const auto risky = codes.make("random-signs", {{"failure", 0.5}, {"coherence", 0.4}});
  const CodeNumbers n = risky->numbers(300);
  check_against_enumeration(*risky, n);
}

}  // namespace
}  // namespace separatrix
