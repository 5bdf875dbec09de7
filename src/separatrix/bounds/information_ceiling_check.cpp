#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include <mpfr.h>

#include "separatrix/base/names.h"
#include "separatrix/bounds/information_ceiling.h"

// Evaluates the inequality another way than ceiling.cpp: with 256 bits, as a divergence; and
// the probability that two queries share their nearest point by visiting every point of the cube.

namespace separatrix {
namespace {

constexpr mpfr_prec_t kBits = 256;

/// A number of 256 bits; every operation rounds to nearest.
class Wide {
 public:
  Wide() : Wide(0.0) {}
  explicit Wide(double x) { mpfr_init2(value_, kBits), mpfr_set_d(value_, x, MPFR_RNDN); }
  Wide(const Wide& other) : Wide() { mpfr_set(value_, other.value_, MPFR_RNDN); }
  Wide& operator=(const Wide& other) {
    mpfr_set(value_, other.value_, MPFR_RNDN);
    return *this;
  }
  ~Wide() { mpfr_clear(value_); }
  friend Wide operator+(Wide x, const Wide& y) {
    return mpfr_add(x.value_, x.value_, y.value_, MPFR_RNDN), x;
  }
  friend Wide operator-(Wide x, const Wide& y) {
    return mpfr_sub(x.value_, x.value_, y.value_, MPFR_RNDN), x;
  }
  friend Wide operator*(Wide x, const Wide& y) {
    return mpfr_mul(x.value_, x.value_, y.value_, MPFR_RNDN), x;
  }
  friend Wide operator/(Wide x, const Wide& y) {
    return mpfr_div(x.value_, x.value_, y.value_, MPFR_RNDN), x;
  }
  friend Wide log2(Wide x) { return mpfr_log2(x.value_, x.value_, MPFR_RNDN), x; }
  friend Wide raise(Wide x, Index n) {
    return mpfr_pow_ui(x.value_, x.value_, std::uint64_t(n), MPFR_RNDN), x;
  }
  double get() const { return mpfr_get_d(value_, MPFR_RNDN); }

 private:
  mpfr_t value_;
};

/// The divergence of a coin of bias a from one of bias 1/m, in bits: Fano's c_m(a).
Wide divergence(const Wide& a, Index m) {
  const Wide chance = Wide(1) / Wide(double(m)), wrong = Wide(1) - a;
  if (m < 2 || (a - chance).get() <= 0) return {};
  Wide out = a * log2(a / chance);
  if (wrong.get() > 0) out = out + wrong * log2(wrong / (Wide(1) - chance));
  return out;
}

/// Square of the convex hull of the root of the divergence: the least of it and of the square of
/// every ray from (1/m, 0) to a later point of the root, searched on finer and finer grids.
Wide hull(const Wide& a, Index m) {
  const double chance = 1.0 / double(m), at = a.get();
  if (at <= chance) return {};
  Wide least = divergence(a, m);
  const Wide origin = Wide(1) / Wide(double(m));
  double low = at, high = 1;
  for (int level = 0; level < 4 && m > 2; ++level) {
    constexpr int kGrid = 128;
    const double step = (high - low) / kGrid;
    double best = at;
    for (int i = 1; i <= kGrid; ++i) {
      const double later = low + step * i;
      if (later <= at || later > 1) continue;
      const Wide share = (a - origin) / (Wide(later) - origin);
      const Wide ray = divergence(Wide(later), m) * share * share;
      if ((ray - least).get() > 0) continue;
      least = ray;
      best = later;
    }
    low = std::max(at, best - step);
    high = std::min(1.0, best + step);
  }
  return least;
}

/// sum_i A^i B^(n-1-i) by doubling n; all: its mean over n = 1 .. points, one n after the other.
Wide both_nearest(const Wide& farther, const Wide& not_nearer, Index points, bool all) {
  if (!all) {
    // s(2n) = s(n) (A^n + B^n), s(n + 1) = A s(n) + B^n.
    Wide sum(0), a_n(1), b_n(1);
    for (int bit = 63 - std::countl_zero(std::uint64_t(points)); bit >= 0; --bit) {
      sum = sum * (a_n + b_n);
      a_n = a_n * a_n;
      b_n = b_n * b_n;
      if ((points >> bit & 1) == 0) continue;
      sum = farther * sum + b_n;
      a_n = a_n * farther;
      b_n = b_n * not_nearer;
    }
    return sum;
  }
  constexpr Index kOneByOne = 10'000;
  Wide total, sum, b_n(1);
  if (points > kOneByOne) {  // in closed form; 256 bits leave room for the cancellation
    const auto powers = [&](const Wide& x) {
      const Wide less = Wide(1) - x;
      return less.get() == 0 ? Wide(double(points)) : x * (Wide(1) - raise(x, points)) / less;
    };
    return (powers(not_nearer) - powers(farther)) / (not_nearer - farther) / Wide(double(points));
  }
  for (Index n = 1; n <= points; ++n) {
    sum = farther * sum + b_n;
    b_n = b_n * not_nearer;
    total = total + sum;
  }
  return total / Wide(double(points));
}

Wide same_nearest(Index d, Index points, bool all) {
  const Index size = Index{1} << d;
  Wide sum;
  double choose = 1;
  for (Index apart = 0; apart <= d; ++apart) {
    std::vector<Index> seen(std::size_t((d + 1) * (d + 1)), 0);
    const auto other = std::uint32_t((Index{1} << apart) - 1);
    for (std::uint32_t x = 0; x < std::uint32_t(size); ++x)
      ++seen[std::size_t(std::popcount(x) * (d + 1) + std::popcount(x ^ other))];
    Wide both;
    for (Index r = 0; r <= d; ++r)
      for (Index s = 0; s <= d; ++s) {
        const Index here = seen[std::size_t(r * (d + 1) + s)];
        if (here == 0) continue;
        Index farther = 0, not_nearer = 0;
        for (Index i = r; i <= d; ++i)
          for (Index j = s; j <= d; ++j) {
            const Index n = seen[std::size_t(i * (d + 1) + j)];
            not_nearer += n;
            if (i > r && j > s) farther += n;
          }
        const Wide total{double(size)};
        both = both + Wide(double(here)) / total *
                          both_nearest(Wide(double(farther)) / total,
                                       Wide(double(not_nearer)) / total, points, all);
      }
    sum = sum + Wide(choose) * both / Wide(double(size));
    choose = choose * double(d - apart) / double(apart + 1);
  }
  return sum;
}

/// Bits and the tokens before the queries; split < 0 when no ceiling is known for the task.
struct Claim {
  std::vector<double> bits;  ///< at growing accuracies, the last the one asked
  Index split = -1;
};
Claim evaluate(const BoundRequest& request, double accuracy) {
  const std::string& task = request.task_name;
  const Json& config = request.task_config;
  const Index n = request.length;
  Claim claim;
  Wide symbols{double(n)};
  bool hulled = false;
  Index low = 0, high = 0;
  if (same_name(task, "index-lookup") && same_name(config.at("query").get<std::string>(), "last")) {
    low = high = config.at("alphabet");
    claim.split = n;
  } else if (same_name(task, "mqar")) {
    const Index pairs = config.at("pairs"), vocabulary = config.at("vocab_size");
    high = vocabulary - vocabulary / 2;
    low = high - pairs + 1;
    symbols = Wide(1);
    claim.split = 2 * pairs;
  } else if (same_name(task, "nearest-neighbor")) {
    low = high = config.at("labels");
    const bool all = same_name(config.at("positions").get<std::string>(), "all");
    symbols = Wide(1) / same_nearest(config.at("dimension"), n, all);
    hulled = true;
    claim.split = 2 * n;
  } else {
    return claim;
  }
  for (const double share : {0.25, 0.5, 0.75, 0.9, 1.0}) {
    const Wide a(accuracy * share);
    Wide sum;
    for (Index m = low; m <= high; ++m) sum = sum + (hulled ? hull(a, m) : divergence(a, m));
    claim.bits.push_back((symbols * sum).get());
  }
  return claim;
}

}  // namespace

WitnessCheck check_ceiling(const BoundRequest& request, const Bound& bound) {
  constexpr double kTolerance = 1e-6;  // of the claimed bits, relative
  if (!bound.witness.is_object() || bound.witness.value("kind", Json()) != kCeilingKind)
    return {false, "not a witness of this method"};
  const Json accuracy = bound.witness.value("accuracy", Json()),
             bits = bound.witness.value("bits", Json());
  if (!accuracy.is_number() || !bits.is_number()) return {false, "the witness is not readable"};
  const double a = accuracy, claimed = bits;
  if (!(a >= 0 && a <= 1) || !(claimed > 0 && claimed < 0x1p52))
    return {false, "the witness is not readable"};
  if (bound.length != request.length || bound.exact ||
      bound.resource != Resource::recurrent_state_bits || bound.scope != ceiling_scope(a))
    return {false, "the bound says something else than its witness"};
  const Claim claim = evaluate(request, a);
  if (claim.split < 0) return {false, "no ceiling is known for this task"};
  if (bound.split != claim.split) return {false, "the cut is not before the queries"};
  for (std::size_t i = 1; i < claim.bits.size(); ++i)
    if (claim.bits[i] < claim.bits[i - 1]) return {false, "less accuracy needs more bits"};
  const double needed = claim.bits.back();
  if (claimed > needed + 1e-12 || claimed < needed * (1 - kTolerance) - kTolerance)
    return {false, "the inequality gives " + Json(needed).dump() + " bits"};
  mpz_class count = 1;
  mpz_mul_2exp(count.get_mpz_t(), count.get_mpz_t(), std::uint64_t(std::ceil(claimed) - 1));
  if (bound.count != count + 1) return {false, "the count is not what the bits give"};
  return {true, "inequality evaluated again with 256 bits, at 5 accuracies"};
}

}  // namespace separatrix
