#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <mpfr.h>

#include "separatrix/base/rng.h"
#include "separatrix/model/interval.h"
#include "separatrix/model/scalar.h"

namespace separatrix {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The exact real function, to 200 bits: an oracle that shares no rounding with the code.
class Exact {
 public:
  explicit Exact(double x) {
    mpfr_init2(value_, 200);
    mpfr_set_d(value_, x, MPFR_RNDN);
  }
  Exact(const Exact& other) : Exact(0) { mpfr_set(value_, other.value_, MPFR_RNDN); }
  Exact& operator=(const Exact&) = delete;
  ~Exact() { mpfr_clear(value_); }
  mpfr_ptr get() { return value_; }
  /// Compared exactly, not through a double.
  bool inside(Interval box) const {
    return mpfr_cmp_d(value_, box.lower()) >= 0 && mpfr_cmp_d(value_, box.upper()) <= 0;
  }
  double nearest() const { return mpfr_get_d(value_, MPFR_RNDN); }

 private:
  mpfr_t value_;
};

using MpfrUnary = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
using MpfrBinary = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_srcptr, mpfr_rnd_t);

int exact_sigmoid(mpfr_ptr y, mpfr_srcptr x, mpfr_rnd_t r) {
  mpfr_neg(y, x, r);
  mpfr_exp(y, y, r);
  mpfr_add_ui(y, y, 1, r);
  return mpfr_ui_div(y, 1, y, r);
}
/// At 53 bits more than a double has: e^x is lost beside 1, or 1 beside e^x, below them only.
int exact_softplus(mpfr_ptr y, mpfr_srcptr x, mpfr_rnd_t r) {
  if (mpfr_cmp_ui(x, 700) > 0) return mpfr_set(y, x, r);
  mpfr_exp(y, x, r);
  return mpfr_log1p(y, y, r);
}
int exact_relu(mpfr_ptr y, mpfr_srcptr x, mpfr_rnd_t r) {
  return mpfr_sgn(x) > 0 ? mpfr_set(y, x, r) : mpfr_set_ui(y, 0, r);
}

struct UnaryCase {
  const char* name;
  Interval (*on_interval)(Interval);
  double (*on_double)(double);
  MpfrUnary exact;
  double smallest;      ///< of the domain
  bool nearest = true;  ///< of a point: two neighbouring doubles; else a few units wide
};
const UnaryCase kUnary[] = {
    {"exp", exp, exp, mpfr_exp, -kInfinity},
    {"log", log, log, mpfr_log, 0},
    {"log1p", log1p, log1p, mpfr_log1p, -1},
    {"sqrt", sqrt, sqrt, mpfr_sqrt, 0},
    {"tanh", tanh, tanh, mpfr_tanh, -kInfinity},
    {"erf", erf, erf, mpfr_erf, -kInfinity},
    {"sigmoid", sigmoid, sigmoid, exact_sigmoid, -kInfinity, false},
    {"sin", sin, sin, mpfr_sin, -kInfinity, false},
    {"cos", cos, cos, mpfr_cos, -kInfinity, false},
    {"softplus", softplus, softplus, exact_softplus, -kInfinity, false},
    {"square", square, square, mpfr_sqr, -kInfinity},
    {"abs", abs, abs, mpfr_abs, -kInfinity},
    {"relu", relu, relu, exact_relu, -kInfinity},
};

struct BinaryCase {
  const char* name;
  std::function<Interval(Interval, Interval)> on_interval;
  MpfrBinary exact;
};
const BinaryCase kBinary[] = {
    {"+", [](Interval x, Interval y) { return x + y; }, mpfr_add},
    {"-", [](Interval x, Interval y) { return x - y; }, mpfr_sub},
    {"*", [](Interval x, Interval y) { return x * y; }, mpfr_mul},
    {"/", [](Interval x, Interval y) { return x / y; }, mpfr_div},
    {"max", [](Interval x, Interval y) { return max(x, y); }, mpfr_max},
    {"min", [](Interval x, Interval y) { return min(x, y); }, mpfr_min},
};

/// Magnitudes from 2^-40 to 2^40, both signs, sometimes 0 or a whole number.
double draw(Rng& rng) {
  const Index kind = rng.below(10);
  if (kind == 0) return 0;
  if (kind == 1) return double(rng.below(7)) - 3;
  const double size = kind < 6 ? 4 * rng.uniform() : std::exp2(80 * rng.uniform() - 40);
  return rng.coin() ? size : -size;
}
Interval draw_box(Rng& rng) {
  const double a = draw(rng);
  const Index kind = rng.below(4);
  if (kind == 0) return Interval(a);
  const double b = kind == 1 ? draw(rng) : a + std::fabs(a) * rng.uniform();
  return {std::min(a, b), std::max(a, b)};
}
double point_in(Interval box, Rng& rng) {
  const Index kind = rng.below(4);
  if (kind == 0) return box.lower();
  if (kind == 1) return box.upper();
  return std::clamp(box.lower() + rng.uniform() * (box.upper() - box.lower()), box.lower(),
                    box.upper());
}
Interval part_of(Interval box, Rng& rng) {
  const double a = point_in(box, rng), b = point_in(box, rng);
  return {std::min(a, b), std::max(a, b)};
}

TEST(Interval, EveryFunctionContainsTheExactValue) {
  Rng rng(1);
  for (const UnaryCase& f : kUnary)
    for (int i = 0; i < 4000; ++i) {
      const Interval box = draw_box(rng);
      const double x = point_in(box, rng);
      if (x < f.smallest) continue;
      Exact y(x);
      f.exact(y.get(), Exact(x).get(), MPFR_RNDN);
      EXPECT_TRUE(y.inside(f.on_interval(box)))
          << f.name << " at " << x << " in [" << box.lower() << ", " << box.upper() << "]";
    }
}

TEST(Interval, EveryOperationContainsTheExactValue) {
  Rng rng(2);
  for (const BinaryCase& f : kBinary)
    for (int i = 0; i < 10000; ++i) {
      const Interval a = draw_box(rng), b = draw_box(rng);
      const double x = point_in(a, rng), y = point_in(b, rng);
      if (f.name[0] == '/' && y == 0) continue;
      Exact z(0);
      f.exact(z.get(), Exact(x).get(), Exact(y).get(), MPFR_RNDN);
      EXPECT_TRUE(z.inside(f.on_interval(a, b))) << x << " " << f.name << " " << y;
    }
}

TEST(Interval, ASmallerBoxGivesASmallerResult) {
  Rng rng(3);
  for (int i = 0; i < 3000; ++i) {
    const Interval a = draw_box(rng), b = draw_box(rng);
    const Interval a_part = part_of(a, rng), b_part = part_of(b, rng);
    for (const UnaryCase& f : kUnary) {
      if (a_part.lower() < f.smallest || a_part.upper() <= f.smallest) continue;
      if (f.exact == mpfr_sin || f.exact == mpfr_cos) continue;  // the middle's, widened
      EXPECT_TRUE(f.on_interval(a).contains(f.on_interval(a_part))) << f.name;
    }
    for (const BinaryCase& f : kBinary)
      EXPECT_TRUE(f.on_interval(a, b).contains(f.on_interval(a_part, b_part))) << f.name;
  }
}

// Else "contains" would be satisfied by the whole line.
TEST(Interval, APointGivesNeighbouringDoubles) {
  Rng rng(4);
  for (int i = 0; i < 3000; ++i) {
    const double x = draw(rng), y = draw(rng);
    for (const UnaryCase& f : kUnary) {
      if (x <= f.smallest) continue;
      const Interval z = f.on_interval(Interval(x));
      if (!f.nearest) {
        EXPECT_LE(z.width(), 1e-15 * abs(z).upper() + 1e-300) << f.name << " " << x;
        EXPECT_NEAR(f.on_double(x), z.lower(), 2e-15 * abs(z).upper() + 1e-300) << f.name << x;
        continue;
      }
      EXPECT_LE(z.upper(), std::nextafter(z.lower(), kInfinity)) << f.name << " " << x;
      if (z.bounded()) {  // the C library errs by up to two units in the last place
        EXPECT_LE(std::fabs(f.on_double(x) - z.lower()), 1e-15 * std::fabs(z.lower())) << f.name;
      }
    }
    for (const BinaryCase& f : kBinary) {
      if (f.name[0] == '/' && y == 0) continue;
      const Interval z = f.on_interval(Interval(x), Interval(y));
      EXPECT_LE(z.upper(), std::nextafter(z.lower(), kInfinity)) << x << f.name << y;
    }
    const Interval s = sigmoid(Interval(x));
    EXPECT_LE(s.width(), 1e-15 * s.upper() + 1e-300);
    EXPECT_TRUE(s.contains(Interval(sigmoid(x)))) << x;
  }
}

TEST(Interval, DoublesRoundedToNearestStayInside) {
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {
    double sum = 0;
    Interval box;
    for (int k = 0; k < 20; ++k) {
      const double a = draw(rng), b = draw(rng);
      sum = (sum + a * b) / (1 + sqrt(abs(a)));
      box = (box + Interval(a) * b) / (1.0 + sqrt(abs(Interval(a))));
    }
    ASSERT_TRUE(box.contains(sum));
  }
}

TEST(Interval, OverflowAndUnderflowRoundOutward) {
  const Interval big = Interval(1e200) * 1e200;
  EXPECT_EQ(big.lower(), std::numeric_limits<double>::max());
  EXPECT_EQ(big.upper(), kInfinity);
  const Interval tiny = Interval(1e-200) * 1e-200;
  EXPECT_EQ(tiny.lower(), 0);
  EXPECT_EQ(tiny.upper(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(exp(Interval(-2000.0)).upper(), std::numeric_limits<double>::denorm_min());
  EXPECT_FALSE(exp(Interval(2000.0)).bounded());
  EXPECT_GE(sigmoid(Interval(-2000.0)).lower(), 0);
  EXPECT_LT(sigmoid(Interval(-2000.0)).upper(), 1e-300);
}

TEST(Interval, UndefinedIsTheWholeLineNeverNaN) {
  const Interval whole = Interval::whole();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Interval x :
       {Interval(nan), Interval(2, 1), Interval(1.0) / Interval(0.0),
        Interval(1.0) / Interval(-1, 1), Interval(1.0) / Interval(0, 1),
        Interval(kInfinity) - Interval(kInfinity), Interval(0.0) * whole, whole * Interval(-1, 1),
        log(Interval(-2, -1)), sqrt(Interval(-2, -1)), log(Interval(-1, 0)),
        Interval(0.0) / Interval(0.0), Interval(kInfinity) / Interval(kInfinity)}) {
    EXPECT_TRUE(x.contains(whole)) << x.lower() << " " << x.upper();
  }
  for (const UnaryCase& f : kUnary)
    for (const double end : {-kInfinity, kInfinity, nan, 0.0, -0.0}) {
      const Interval y = f.on_interval(Interval(end));
      EXPECT_LE(y.lower(), y.upper()) << f.name << " " << end;
    }
}

// A masked score is -infinity: its weight must be exactly 0, not unknown.
TEST(Interval, AMaskedScoreHasNoWeight) {
  const Interval weight = exp(Interval(-kInfinity) - Interval(3.0));
  EXPECT_EQ(weight.lower(), 0);
  EXPECT_EQ(weight.upper(), 0);
  EXPECT_TRUE((weight * Interval(-5, 7)).bounded());
  EXPECT_EQ(max(Interval(-kInfinity), Interval(1, 2)).lower(), 1);
}

TEST(Interval, PartsOutsideTheDomainAreLeftOut) {
  EXPECT_EQ(sqrt(Interval(-1e-17, 4)).lower(), 0);
  EXPECT_EQ(sqrt(Interval(-1e-17, 4)).upper(), 2);
  EXPECT_EQ(log(Interval(-1, 1)).lower(), -kInfinity);
  EXPECT_EQ(log(Interval(-1, 1)).upper(), 0);
}

TEST(Interval, HullAndOrder) {
  const Interval h = hull(Interval(1, 2), Interval(4.0));
  EXPECT_EQ(h.lower(), 1);
  EXPECT_EQ(h.upper(), 4);
  EXPECT_TRUE(certainly_less(Interval(1, 2), Interval(2.5, 3)));
  EXPECT_FALSE(certainly_less(Interval(1, 2), Interval(2, 3)));
  EXPECT_FALSE(certainly_less(Interval::whole(), Interval::whole()));
}

/// As Block::reference writes it.
template <class S>
S templated(std::span<const double> w, S x) {
  S h(0);
  for (double a : w) h = S(a) * tanh(h) + max(x, S(0)) * 0.5 - relu(-x) / S(2);
  h += sigmoid(h);
  return h * sqrt(abs(h) + 1.0) + log(1.0 + exp(h)) + erf(h) + min(h, S(1));
}

TEST(Interval, OneTemplateServesDoubleAndInterval) {
  const std::vector<double> w = {0.3, -1.7, 2.5};
  Rng rng(6);
  for (int i = 0; i < 500; ++i) {
    const double x = std::clamp(draw(rng), -30.0, 30.0);
    const double y = templated(w, x);
    const Interval box = templated(w, Interval(x));
    EXPECT_LE(box.lower(), y + 1e-14 * std::fabs(y));
    EXPECT_GE(box.upper(), y - 1e-14 * std::fabs(y));
    EXPECT_TRUE(templated(w, hull(Interval(x), Interval(x + 1))).contains(box));
  }
}

}  // namespace
}  // namespace separatrix
