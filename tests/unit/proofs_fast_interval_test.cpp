#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "separatrix/base/rng.h"
#include "separatrix/model/interval.h"
#include "separatrix/proofs/fast_interval.h"

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Interval slow(FastInterval x) { return {x.lo, x.hi}; }
/// Interval gives the closest doubles around the exact range (MPFR), so whatever contains the range
/// contains these.
bool encloses(FastInterval fast, Interval exact) { return slow(fast).contains(exact); }

/// Magnitudes from 2^-40 to 2^40, whole numbers, zeros, and rarely the ends of the range.
double draw(Rng& rng) {
  const Index kind = rng.below(24);
  if (kind == 0) return 0;
  if (kind < 4) return double(rng.below(9)) - 4;
  if (kind == 4) return rng.coin() ? 1e308 : -1e-310;
  if (kind == 5) return double(float(rng.uniform()));
  const double size = kind < 12 ? 4 * rng.uniform() : std::exp2(80 * rng.uniform() - 40);
  return rng.coin() ? size : -size;
}
FastInterval draw_box(Rng& rng) {
  const double a = draw(rng), b = rng.below(3) == 0 ? a : draw(rng);
  if (rng.below(40) == 0) return {-kInfinity, a};
  return {std::min(a, b), std::max(a, b)};
}

struct Operation {
  const char* name;
  std::function<FastInterval(FastInterval, FastInterval)> fast;
  std::function<Interval(Interval, Interval)> exact;
};
const Operation kOperations[] = {
    {"+", [](auto x, auto y) { return x + y; }, [](auto x, auto y) { return x + y; }},
    {"-", [](auto x, auto y) { return x - y; }, [](auto x, auto y) { return x - y; }},
    {"*", [](auto x, auto y) { return x * y; }, [](auto x, auto y) { return x * y; }},
    {"* point", [](auto x, auto y) { return x * y.lo; },
     [](auto x, auto y) { return x * y.lower(); }},
    {"/", [](auto x, auto y) { return x / y; }, [](auto x, auto y) { return x / y; }},
    {"min", [](auto x, auto y) { return min(x, y); }, [](auto x, auto y) { return min(x, y); }},
    {"max", [](auto x, auto y) { return max(x, y); }, [](auto x, auto y) { return max(x, y); }},
    {"hull", [](auto x, auto y) { return hull(x, y); }, [](auto x, auto y) { return hull(x, y); }},
    {"exp", [](auto x, auto) { return exp(x); }, [](auto x, auto) { return exp(x); }},
    {"relu", [](auto x, auto) { return relu(x); }, [](auto x, auto) { return relu(x); }},
};

TEST(FastInterval, ContainsWhatMpfrFinds) {
  Rng rng(1);
  for (const Operation& f : kOperations)
    for (int i = 0; i < 20000; ++i) {
      FastInterval x = draw_box(rng), y = draw_box(rng);
      if (std::string(f.name) == "* point") y = FastInterval(draw(rng));
      const FastInterval z = f.fast(x, y);
      // 0 times an unbounded operand is 0 here; MPFR's intervals do not know that it stands for
      // real numbers only.
      if (f.name[0] == '*' && (y.magnitude() == 0 || x.magnitude() == 0)) continue;
      if (z.lo == -kInfinity && z.hi == kInfinity) continue;
      ASSERT_TRUE(encloses(z, f.exact(slow(x), slow(y))))
          << "[" << x.lo << ", " << x.hi << "] " << f.name << " [" << y.lo << ", " << y.hi << "]";
    }
}

TEST(FastInterval, LogContainsWhatMpfrFinds) {
  Rng rng(2);
  for (int i = 0; i < 20000; ++i) {
    const FastInterval x = draw_box(rng);
    if (x.hi > 0) {
      ASSERT_TRUE(encloses(log(x), log(slow(x)))) << x.lo << " " << x.hi;
    }
  }
}

// Else the whole line would pass.
TEST(FastInterval, IsNotMuchWider) {
  Rng rng(3);
  for (const Operation& f : kOperations)
    for (int i = 0; i < 5000; ++i) {
      const auto point = [&] { return FastInterval(4 * rng.uniform() - 2 + 1e-6); };
      const FastInterval x = point(), y = point();
      const FastInterval z = f.fast(x, y);
      const Interval exact = f.exact(slow(x), slow(y));
      ASSERT_LE(z.hi - z.lo, exact.width() + 16 * 0x1p-52 * z.magnitude()) << f.name;
    }
}

TEST(FastInterval, ExactResultsStayExact) {
  Rng rng(4);
  for (int i = 0; i < 20000; ++i) {
    const double a = double(float(4 * rng.uniform() - 2)), b = double(float(rng.uniform()));
    EXPECT_TRUE((FastInterval(a) * b).is_point());
    EXPECT_EQ((FastInterval(a) * b).lo, a * b);
    const double m = double(rng.below(1 << 20)), n = double(rng.below(1 << 20));
    EXPECT_TRUE((FastInterval(m) - FastInterval(n)).is_point());
    const FastInterval inexact = FastInterval(0.1) + FastInterval(1e9 + double(i));
    EXPECT_LT(inexact.lo, inexact.hi);
  }
  EXPECT_FALSE((FastInterval(0.1) * 0.1).is_point());
}

TEST(FastInterval, UndefinedIsTheWholeLine) {
  const FastInterval unbounded(-kInfinity, 1), around_zero(-1, 1);
  EXPECT_FALSE((FastInterval(1) / around_zero).bounded());
  EXPECT_FALSE((unbounded * FastInterval(2, 3)).bounded());
  EXPECT_FALSE(FastInterval(std::nan(""), 1).bounded());
  EXPECT_FALSE((FastInterval(1e308) + FastInterval(1e308)).bounded());
  EXPECT_FALSE((FastInterval(1e300, 2e300) * 1e300).bounded());
  EXPECT_EQ((unbounded * 0).hi, 0);
  EXPECT_EQ(exp(FastInterval(-kInfinity, -2000)).lo, 0);
  EXPECT_GT(exp(FastInterval(-kInfinity, -2000)).hi, 0);
}

TEST(FastInterval, RoundingIsMonotone) {
  Rng rng(5);
  for (const Arithmetic arithmetic : kArithmetics)
    for (int i = 0; i < 5000; ++i) {
      const FastInterval x = draw_box(rng);
      if (!x.bounded() || x.magnitude() > 1e30) continue;
      const double inside = std::clamp(x.lo + rng.uniform() * (x.hi - x.lo), x.lo, x.hi);
      ASSERT_TRUE(round_to(arithmetic, x).contains(round_to(arithmetic, inside)));
    }
}

}  // namespace
}  // namespace separatrix
