#include "separatrix/bounds/ceiling.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

#include "separatrix/base/names.h"
#include "separatrix/model/interval.h"

namespace separatrix {
namespace {

constexpr double kSlack = 1e-9;  ///< far above the rounding of the sums it covers

double log_of(double x) { return std::log(x); }
Interval log_of(Interval x) { return log(x); }

/// c_m(a) in nats for a >= 1/m, 1 < m, given log m and log(m - 1).
template <class S>
S cost(double a, S log_m, S log_m_less_1) {
  const S wrong = S(1.0) - S(a);
  S out = log_m - wrong * log_m_less_1;
  if (a > 0) out = out + S(a) * log_of(S(a));
  if (a < 1) out = out + wrong * log_of(wrong);
  return out;
}
double nats(double a, Index m) {
  if (m <= 1 || a * double(m) <= 1) return 0;
  return std::max(0.0, cost(a, std::log(double(m)), std::log(double(m - 1))));
}

/// Where the ray from (1/m, 0) touches sqrt(c_m): the a with s'(a) (a - 1/m) = s(a). The root is
/// first concave, then convex (docs/theory.md), so the ray's slope has one minimum.
double touching_point(Index m) {
  if (m <= 2) return 1.0 / double(m);
  const auto slope = [&](double a) { return nats(a, m) / std::pow(a - 1.0 / double(m), 2); };
  double low = 0.5, high = 1;
  for (int step = 0; step < 100; ++step) {
    const double third = (high - low) / 3, x = low + third, y = high - third;
    (slope(x) < slope(y) ? high : low) = slope(x) < slope(y) ? y : x;
  }
  return (low + high) / 2;
}

/// Square of the convex hull of sqrt(c_m), in nats.
double hull_nats(double a, Index m, double touch) {
  const double chance = 1.0 / double(m);
  if (a <= chance) return 0;
  if (a >= touch) return nats(a, m);
  return nats(touch, m) * std::pow((a - chance) / (touch - chance), 2);
}

/// sum_{j=1}^{n} x^j, given 1 - x.
long double geometric(long double less, Index n) {
  if (less <= 0) return (long double)n;
  if (less >= 1) return 0;
  return (1 - less) * -std::expm1((long double)n * std::log1p(-less)) / less;
}

std::vector<long double> binomials(Index n) {
  std::vector<long double> row{1};
  for (Index i = 1; i <= n; ++i)
    row.push_back(row.back() * (long double)(n - i + 1) / (long double)i);
  return row;
}

}  // namespace

std::optional<RecallCeiling> RecallCeiling::of_task(const std::string& task, const Json& config,
                                                    Index length) {
  if (same_name(task, "index-lookup")) {
    if (!same_name(config.at("query").get<std::string>(), "last")) return std::nullopt;
    return of_symbols(double(length), config.at("alphabet"));
  }
  if (same_name(task, "mqar")) {
    const Index vocabulary = config.at("vocab_size"), values = vocabulary - vocabulary / 2;
    return RecallCeiling(1, values - config.at("pairs").get<Index>() + 1, values);
  }
  if (same_name(task, "nearest-neighbor")) {
    const bool all = same_name(config.at("positions").get<std::string>(), "all");
    const Index labels = config.at("labels");
    const double same = same_nearest_probability(config.at("dimension"), length, all);
    RecallCeiling ceiling(1 / same, labels, labels);
    ceiling.touch_ = touching_point(labels);
    return ceiling;
  }
  return std::nullopt;
}

double RecallCeiling::bits(double a) const {
  assert(a >= 0 && a <= 1);
  if (a <= 0) return 0;
  if (touch_ > 0) return symbols_ * hull_nats(a, largest_, touch_) / std::log(2.0);
  if (smallest_ == largest_) return symbols_ * nats(a, largest_) / std::log(2.0);
  // The sums of log m and log(m - 1) over the alphabets in which a is better than chance.
  const Index first = a * double(smallest_) > 1 ? smallest_ : Index(std::floor(1 / a)) + 1;
  if (first > largest_) return 0;
  const auto from = [&](Index m) { return std::lgamma(double(m)); };
  const double logs = from(largest_ + 1) - from(first),
               logs_less_1 = first > 1 ? from(largest_) - from(first - 1) : from(largest_);
  const double n = double(largest_ - first + 1);
  return symbols_ * std::max(0.0, n * cost(a, logs / n, logs_less_1 / n)) / std::log(2.0);
}

double RecallCeiling::bits_lower(double a) const {
  assert(a >= 0 && a <= 1);
  if (touch_ > 0) return bits(a) * (1 - kSlack);
  Interval sum(0.0), log_less_1(0.0);
  for (Index m = std::max<Index>(smallest_, 2); m <= largest_; ++m) {
    if (m == std::max<Index>(smallest_, 2)) log_less_1 = log(Interval(double(m - 1)));
    const Interval log_m = log(Interval(double(m)));
    if (a * double(m) > 1) {
      const Interval term = cost(a, log_m, log_less_1);
      sum += Interval(std::max(0.0, term.lower()), std::max(0.0, term.upper()));
    }
    log_less_1 = log_m;
  }
  const Interval out = sum * Interval(symbols_) / log(Interval(2.0));
  return std::max(0.0, out.lower());
}

double RecallCeiling::accuracy(double available) const {
  assert(available >= 0);
  if (available >= bits(1)) return 1;
  // bits(a) increases on [1/largest, 1], so bisection cannot miss.
  double low = 1 / double(largest_), high = 1;
  for (int step = 0; step < 200; ++step) {
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (bits(middle) <= available ? low : high) = middle;
  }
  return low;
}

std::optional<double> bits_needed(const std::string& task, const Json& config, Index length,
                                  double accuracy) {
  const auto ceiling = RecallCeiling::of_task(task, config, length);
  if (!ceiling) return std::nullopt;
  return ceiling->bits_lower(accuracy);
}

std::optional<double> accuracy_ceiling(const std::string& task, const Json& config, Index length,
                                       double bits) {
  const auto ceiling = RecallCeiling::of_task(task, config, length);
  if (!ceiling) return std::nullopt;
  return ceiling->accuracy(bits);
}

double same_nearest_probability(Index d, Index points, bool all) {
  assert(1 <= d && d <= 20 && points >= 1);
  const auto size = (long double)(Index{1} << d);
  const std::vector<long double> pairs = binomials(d);
  long double sum = 0;
  for (Index apart = 0; apart <= d; ++apart) {  // Hamming distance of the two queries
    // A point differs from the first query in u of those places and in v of the others: it lies at
    // u + v from the first and at apart - u + v from the second.
    const std::vector<long double> in = binomials(apart), out = binomials(d - apart);
    long double both = 0;
    for (Index u = 0; u <= apart; ++u)
      for (Index v = 0; v <= d - apart; ++v) {
        long double farther = 0, not_nearer = 0;  // from both queries; counts, hence exact
        for (Index x = 0; x <= apart; ++x)
          for (Index y = 0; y <= d - apart; ++y) {
            const Index first = x + y - u - v, second = y - x - v + u;
            const long double n = in[std::size_t(x)] * out[std::size_t(y)];
            if (first > 0 && second > 0) farther += n;
            if (first >= 0 && second >= 0) not_nearer += n;
          }
        // Point i is the earliest nearest of both: those before it farther, those after not nearer.
        // sum_i A^i B^(n-1-i) = (B^n - A^n) / (B - A).
        const long double here = in[std::size_t(u)] * out[std::size_t(v)] / size,
                          a = farther / size, b = not_nearer / size,
                          gap = (not_nearer - farther) / size;
        if (all)
          both += here *
                  (geometric((size - not_nearer) / size, points) -
                   geometric((size - farther) / size, points)) /
                  gap;
        else
          both += here * std::pow(b, (long double)(points - 1)) *
                  (a > 0 ? -std::expm1((long double)points * std::log1p(-gap / b)) / (gap / b) : 1);
      }
    sum += pairs[std::size_t(apart)] / size * both;
  }
  return double(all ? sum / (long double)points : sum);
}

}  // namespace separatrix
