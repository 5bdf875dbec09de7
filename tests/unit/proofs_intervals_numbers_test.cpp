#include <array>
#include <cmath>
#include <memory>

#include <gtest/gtest.h>
#include <mpfr.h>

#include "separatrix/proofs/intervals_recheck_number.h"
#include "tests/support/random.h"

// The numbers of the recheck of intervals against 256 bits: whatever the tokens are, the exact
// value lies in the range and obeys the form.

namespace separatrix {
namespace {

namespace box = intervals_recheck;
using box::Function;
using box::Number;
using box::Real;

/// An MPFR number of 256 bits.
class Exact {
 public:
  explicit Exact(Real x = 0) {
    mpfr_init2(value_, 256);
    mpfr_set_ld(value_, x, MPFR_RNDN);
  }
  Exact(const Exact& other) : Exact() { mpfr_set(value_, other.value_, MPFR_RNDN); }
  Exact& operator=(const Exact& other) {
    if (this != &other) mpfr_set(value_, other.value_, MPFR_RNDN);
    return *this;
  }
  ~Exact() { mpfr_clear(value_); }
  mpfr_ptr get() { return value_; }
  mpfr_srcptr get() const { return value_; }
  bool between(Real lo, Real hi) const {
    return mpfr_cmp_ld(value_, lo) >= 0 && mpfr_cmp_ld(value_, hi) <= 0;
  }
  Real nearest() const { return mpfr_get_ld(value_, MPFR_RNDN); }

 private:
  mpfr_t value_;
};
Exact operator+(const Exact& x, const Exact& y) {
  Exact out;
  mpfr_add(out.get(), x.get(), y.get(), MPFR_RNDN);
  return out;
}
Exact operator*(const Exact& x, const Exact& y) {
  Exact out;
  mpfr_mul(out.get(), x.get(), y.get(), MPFR_RNDN);
  return out;
}

Exact exactly(Function f, const Exact& x) {
  Exact y;
  switch (f) {
    case Function::exp:
      mpfr_exp(y.get(), x.get(), MPFR_RNDN);
      break;
    case Function::reciprocal:
      mpfr_ui_div(y.get(), 1, x.get(), MPFR_RNDN);
      break;
    case Function::sqrt:
      mpfr_sqrt(y.get(), x.get(), MPFR_RNDN);
      break;
    case Function::tanh:
      mpfr_tanh(y.get(), x.get(), MPFR_RNDN);
      break;
    case Function::sigmoid:
      mpfr_neg(y.get(), x.get(), MPFR_RNDN);
      mpfr_exp(y.get(), y.get(), MPFR_RNDN);
      mpfr_add_ui(y.get(), y.get(), 1, MPFR_RNDN);
      mpfr_ui_div(y.get(), 1, y.get(), MPFR_RNDN);
      break;
    case Function::erf:
      mpfr_erf(y.get(), x.get(), MPFR_RNDN);
      break;
    case Function::relu:
      return mpfr_sgn(x.get()) > 0 ? x : Exact();
    case Function::to_bit:
      return Exact(mpfr_cmp_d(x.get(), 0.5) >= 0 ? 1 : 0);
  }
  return y;
}
constexpr std::array kFunctions = {Function::exp,  Function::reciprocal, Function::sqrt,
                                   Function::tanh, Function::sigmoid,    Function::erf,
                                   Function::relu, Function::to_bit};
bool needs_positive(Function f) { return f == Function::reciprocal || f == Function::sqrt; }

TEST(IntervalsRecheckNumbers, FunctionsContainTheExactValues) {
  Rng rng(1);
  const box::Layout layout;
  const box::Calculus calculus(layout);
  for (const Function f : kFunctions)
    for (int i = 0; i < 3000; ++i) {
      const double size = std::ldexp(1.0, int(rng.below(16)) - 8);
      double a = size * (2 * rng.uniform() - 1);
      double b = rng.below(8) == 0 ? a : a + std::ldexp(rng.uniform(), int(rng.below(60)) - 54);
      if (needs_positive(f)) a = std::fabs(a), b = std::max(a, std::fabs(b));
      const auto y = calculus.apply(f, Number::within(box::Range::of(a, b)));
      for (int k = 0; k < 5; ++k) {
        const double x = k == 0 ? a : k == 1 ? b : std::clamp(a + rng.uniform() * (b - a), a, b);
        if (x == 0 && f == Function::reciprocal) continue;
        ASSERT_TRUE(exactly(f, Exact(x)).between(y.range.lo, y.range.hi))
            << int(f) << " of " << x << " in [" << a << ", " << b << "]";
      }
      // Sharp at points.
      if (a == b && std::isfinite(y.range.hi)) {
        EXPECT_LE(y.range.hi - y.range.lo, 1e-16L * std::max(y.range.hi, 1.0L)) << int(f);
      }
    }
}

TEST(IntervalsRecheckNumbers, EndsThatAreKnownExactlyStayPoints) {
  const box::Layout layout;
  const box::Calculus calculus(layout);
  const auto is = [&](const Number& x, Real value) {
    return x.range.lo == value && x.range.hi == value;
  };
  EXPECT_TRUE(is(calculus.apply(Function::exp, Number::point(0)), 1));
  EXPECT_TRUE(is(calculus.apply(Function::tanh, Number::point(0)), 0));
  EXPECT_TRUE(is(calculus.apply(Function::sigmoid, Number::point(0)), 0.5L));
  EXPECT_TRUE(is(calculus.apply(Function::reciprocal, Number::point(4)), 0.25L));
  const Number x = Number::point(0x1.fffffep3), y = Number::point(-3);
  EXPECT_TRUE(is(calculus.product(x, y), -3 * 0x1.fffffep3L));
  const box::Term terms[] = {{0x1.fffffep-3, &x}, {5, &y}};
  EXPECT_TRUE(is(calculus.sum(terms, 0.5), 0x1.fffffep-3L * 0x1.fffffep3L - 14.5L));
  EXPECT_FALSE(calculus.apply(Function::reciprocal, Number::point(3)).range.is_point());
  // Sums that 64 bits do not hold.
  const Number one = Number::point(1);
  const box::Term far[] = {{0x1p-70, &one}};
  const auto wide = calculus.sum(far, 1);
  EXPECT_LE(wide.range.lo, 1);
  EXPECT_GT(wide.range.hi, 1);
}

TEST(IntervalsRecheckNumbers, TheUnboundedStaysUnbounded) {
  const box::Layout layout;
  const box::Calculus calculus(layout);
  const Number all = Number::within(box::Range::everything());
  EXPECT_EQ(calculus.apply(Function::sigmoid, all).range.lo, 0);
  EXPECT_EQ(calculus.apply(Function::tanh, all).range.hi, 1);
  EXPECT_TRUE(std::isinf(calculus.product(all, Number::within({-1, 1})).range.hi));
  EXPECT_TRUE(std::isinf(calculus.square(all).range.hi));
  EXPECT_TRUE(std::isinf(calculus.apply(Function::reciprocal, Number::within({-1, 1})).range.hi));
  const box::Term none[] = {{0, &all}};
  EXPECT_TRUE(calculus.sum(none, 2).range.is_point());
  const box::Term both[] = {{1, &all}, {-1, &all}};
  EXPECT_TRUE(std::isinf(calculus.sum(both).range.lo));
  const Number huge = calculus.apply(Function::exp, Number::within({0, 20000}));
  EXPECT_TRUE(std::isinf(huge.range.hi));
  const auto share = calculus.apply(Function::reciprocal, huge);
  EXPECT_EQ(share.range.lo, 0);
  EXPECT_EQ(share.range.hi, 1);
}

/// Numbers of three free positions and, beside each, its exact value for every choice of tokens.
class Expressions {
 public:
  struct Known {
    Number number;
    std::vector<Exact> values;  ///< of each choice
  };
  Expressions() {
    for (const std::size_t size : {2, 3, 2}) {
      layout_.free.push_back({layout_.free.size(), layout_.size, size});
      layout_.size += size;
    }
  }
  static constexpr std::size_t kChoices = 12;
  const box::Layout& layout() const { return layout_; }

  /// A random function of one token.
  Known leaf(Rng& rng) const {
    const auto& free = layout_.free[std::size_t(rng.below(3))];
    Known out{{{INFINITY, -INFINITY}, 0, 0, std::vector<Real>(layout_.size, 0)}, {}};
    for (std::size_t i = 0; i < free.size; ++i) {
      const float x = float(2 * rng.uniform() - 1);
      out.number.effect[free.begin + i] = x;
      out.number.range = {std::min<Real>(out.number.range.lo, x),
                          std::max<Real>(out.number.range.hi, x)};
    }
    for (std::size_t choice = 0; choice < kChoices; ++choice)
      out.values.emplace_back(out.number.effect[at(free, choice)]);
    return out;
  }

  void expect_holds(const Known& known, const std::string& what) const {
    const Number& x = known.number;
    for (std::size_t choice = 0; choice < kChoices; ++choice) {
      ASSERT_TRUE(known.values[choice].between(x.range.lo, x.range.hi)) << what;
      Exact form(x.centre);
      for (const auto& free : layout_.free)
        if (!x.effect.empty()) form = form + Exact(x.effect[at(free, choice)]);
      const Exact off = known.values[choice] + form * Exact(-1);
      ASSERT_TRUE(off.between(-x.spread, x.spread)) << what << ", the form";
    }
  }

 private:
  static std::size_t token(std::size_t position, std::size_t choice) {
    return position == 0 ? choice % 2 : position == 1 ? choice / 2 % 3 : choice / 6;
  }
  static std::size_t at(const box::Layout::Free& free, std::size_t choice) {
    return free.begin + token(free.position, choice);
  }
  box::Layout layout_;
};

using Known = Expressions::Known;

TEST(IntervalsRecheckNumbers, ExpressionsHoldForEveryChoiceOfTokens) {
  Rng rng(2);
  const Expressions e;
  const box::Calculus calculus(e.layout());
  double narrower = 0, all = 0;
  for (int round = 0; round < 250; ++round) {
    std::vector<Known> pool;
    for (int i = 0; i < 4; ++i) pool.push_back(e.leaf(rng));
    for (int step = 0; step < 12; ++step) {
      const auto& a = pool[std::size_t(rng.below(Index(pool.size())))];
      const auto& b = pool[std::size_t(rng.below(Index(pool.size())))];
      Known out;
      std::string what;
      const auto each = [&](const auto& f) {
        for (std::size_t k = 0; k < Expressions::kChoices; ++k)
          out.values.push_back(f(a.values[k], b.values[k]));
      };
      const Index kind = rng.below(8);
      if (kind < 3) {
        const float v = float(2 * rng.uniform() - 1), w = float(2 * rng.uniform() - 1);
        const box::Term terms[] = {{v, &a.number}, {w, &b.number}};
        out.number = calculus.sum(terms, 0.25);
        each([&](const Exact& x, const Exact& y) {
          return Exact(v) * x + Exact(w) * y + Exact(0.25);
        });
        what = "sum";
      } else if (kind < 5) {
        out.number = calculus.product(a.number, b.number);
        each([](const Exact& x, const Exact& y) { return x * y; });
        what = "product";
      } else if (kind == 5) {
        out.number = calculus.square(a.number);
        each([](const Exact& x, const Exact&) { return x * x; });
        what = "square";
      } else {
        const Function f = kFunctions[std::size_t(rng.below(Index(kFunctions.size())))];
        if ((needs_positive(f) && !(a.number.range.lo > 0)) || a.number.range.hi > 20) continue;
        out.number = calculus.apply(f, a.number);
        each([&](const Exact& x, const Exact&) { return exactly(f, x); });
        what = "function " + std::to_string(int(f));
      }
      e.expect_holds(out, what);
      if (HasFatalFailure()) return;
      Real lo = INFINITY, hi = -INFINITY;
      for (const Exact& value : out.values) {
        lo = std::min(lo, value.nearest());
        hi = std::max(hi, value.nearest());
      }
      if (hi > lo && hi - lo < 1) {
        narrower += double(std::log((out.number.range.hi - out.number.range.lo) / (hi - lo)));
        ++all;
      }
      pool.push_back(std::move(out));
    }
  }
  EXPECT_GT(all, 500);
  EXPECT_LT(narrower / all, 1.5);  // ranges are, on average, not many times too wide
}

TEST(IntervalsRecheckNumbers, AveragesHoldForEveryChoiceOfTokensAndShares) {
  Rng rng(3);
  const Expressions e;
  const box::Calculus calculus(e.layout());
  for (int round = 0; round < 200; ++round) {
    // Shares as softmax makes them: of scores that depend on tokens.
    const std::size_t n = 1 + std::size_t(rng.below(5));
    std::vector<Known> scores, values;
    for (std::size_t j = 0; j < n; ++j) {
      scores.push_back(e.leaf(rng));
      values.push_back(e.leaf(rng));
    }
    std::vector<Number> shares, numbers;
    Known out;
    out.values.assign(Expressions::kChoices, Exact());
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<Number> parts;
      std::vector<Exact> sums(Expressions::kChoices, Exact());
      for (std::size_t k = 0; k < n; ++k) {
        const box::Term difference[] = {{3, &scores[k].number}, {-3, &scores[j].number}};
        parts.push_back(calculus.apply(Function::exp, calculus.sum(difference)));
        for (std::size_t c = 0; c < sums.size(); ++c)
          sums[c] = sums[c] + exactly(Function::exp, Exact(3) * scores[k].values[c] +
                                                         Exact(-3) * scores[j].values[c]);
      }
      std::vector<box::Term> terms;
      for (const Number& part : parts) terms.push_back({1, &part});
      shares.push_back(calculus.apply(Function::reciprocal, calculus.sum(terms)));
      numbers.push_back(values[j].number);
      Known share{shares.back(), {}};
      for (std::size_t c = 0; c < sums.size(); ++c) {
        share.values.push_back(exactly(Function::reciprocal, sums[c]));
        out.values[c] = out.values[c] + share.values[c] * values[j].values[c];
      }
      e.expect_holds(share, "share");
    }
    out.number = calculus.average(shares, numbers);
    e.expect_holds(out, "average");
    if (HasFatalFailure()) return;
    // Never beyond the values.
    EXPECT_LE(out.number.range.hi, 1 + 1e-15L);
    EXPECT_GE(out.number.range.lo, -1 - 1e-15L);
  }
}

}  // namespace
}  // namespace separatrix
