#include <algorithm>
#include <cassert>
#include <cmath>

#include "separatrix/proofs/exact_sum.h"
#include "separatrix/proofs/layered/reading.h"

// What the last attention can give on average in a case: docs/theory.md, "Layer by layer".

namespace separatrix::layered {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log(e^x + e^y), rounded up.
double log_add(double x, double y) {
  if (x < y) std::swap(x, y);
  if (y == -kInfinity) return x;
  constexpr double kFar = 42;  // e^-42 < 2^-60
  if (x - y > kFar) return x + std::abs(x) * 0x1p-51 + 0x1p-59;
  return x + std::log1p(std::exp(y - x)) * (1 + 0x1p-48) + std::abs(x) * 0x1p-51 + 0x1p-60;
}

}  // namespace

Reading::Masks Reading::masks_of(const Case& entry) const {
  const bool target = entry.shape == Case::Shape::target;
  return {&cover_.masks[entry.before], &cover_.masks[target ? entry.target : entry.before],
          &cover_.masks[target ? entry.after : entry.before]};
}

double Reading::largest_leak(const Case& entry, const Query& query, const Head& head,
                             const Gains& log_gain) const {
  const Masks masks = masks_of(entry);
  const std::size_t n = rows_.kind.size();
  std::vector<double> before(n, -kInfinity), after(n, -kInfinity), target(n, kInfinity);
  for (std::size_t c = 0; c < n; ++c) {
    const auto kind = std::size_t(rows_.kind[c]);
    for (std::size_t w = 0; w < head.view[c].size(); ++w) {
      const FastInterval& score = head.view[c][w];
      const double most = log_gain.empty() ? score.hi : next_above(score.hi + log_gain[c][w]);
      if ((*masks.before)[kind][w] != 0) before[c] = std::max(before[c], most);
      if ((*masks.after)[kind][w] != 0) after[c] = std::max(after[c], most);
      if ((*masks.target)[kind][w] != 0) target[c] = std::min(target[c], score.lo);
    }
  }
  const Index n_visible = visible(query), last = std::min(n_visible - 1, query.position);
  const auto is_place = [&](Index i) {
    return target[std::size_t(rows_.class_of[std::size_t(i)])] < kInfinity &&
           (!entry.at || *entry.at == i);
  };
  double worst = 0;
  const bool flat = head.position.size() == 1;
  if (flat && masks.before == masks.after && !entry.at) {  // all places of a class are alike
    for (std::size_t c = 0; c < n; ++c) {
      if (target[c] == kInfinity || !present(c, query)) continue;
      double leak = 0;
      for (std::size_t o = 0; o < n; ++o)
        if (const double count = double(size_[o] - (o == c ? 1 : 0)); count > 0)
          leak += count * exp_up(before[o] - target[c]);
      if (std::isnan(leak)) return kInfinity;
      worst = std::max(worst, leak * (1 + double(n + 4) * 0x1p-50));
    }
    return worst;
  }
  const auto score_at = [&](Index t) { return head.position[flat ? 0 : std::size_t(t)]; };
  std::vector<double> behind(std::size_t(n_visible) + 1, -kInfinity);  // log of what comes after i
  for (Index j = n_visible - 1; j > 0; --j) {
    const auto c = std::size_t(rows_.class_of[std::size_t(j)]);
    behind[std::size_t(j - 1)] = log_add(behind[std::size_t(j)], after[c] + score_at(j).hi);
  }
  double ahead = -kInfinity;
  for (Index i = 0; i <= last; ++i) {
    const auto c = std::size_t(rows_.class_of[std::size_t(i)]);
    if (is_place(i)) {
      const double all = log_add(ahead, behind[std::size_t(i)]);
      const double own = score_at(i).lo + target[c];
      if (std::isnan(all - own)) return kInfinity;  // a score is not bounded
      worst = std::max(worst, exp_up(all - own + (std::abs(all) + std::abs(own)) * 0x1p-50));
    }
    ahead = log_add(ahead, before[c] + score_at(i).hi);
  }
  return worst;
}

/// a target + (1 - a) rest with 1 / (1 + leak) <= a <= 1: an average between two ends.
FastInterval Reading::mix(FastInterval target, FastInterval rest, double leak) {
  const double share = next_below(1 / next_above(1 + leak));
  return hull(target,
              target * FastInterval(share) + rest * (FastInterval(1) - FastInterval(share)));
}

FastInterval Reading::value_hull(const Mask& mask, const Query& query, std::size_t at) const {
  bool any = false;
  FastInterval out;
  for (std::size_t c = 0; c < values_.size(); ++c) {
    if (!present(c, query)) continue;
    const auto& allowed = mask[std::size_t(rows_.kind[c])];
    for (std::size_t w = 0; w < allowed.size(); ++w)
      if (allowed[w] != 0) {
        out = any ? hull(out, values_[c][w][at]) : values_[c][w][at];
        any = true;
      }
  }
  return out;
}

FastInterval Reading::context_at(const Case& entry, const Query& query, Index head, std::size_t at,
                                 double leak) const {
  if (entry.shape == Case::Shape::counted)
    return counted_at(entry, query, query.heads[std::size_t(head)], at);
  const Masks masks = masks_of(entry);
  const FastInterval sides =
      hull(value_hull(*masks.before, query, at), value_hull(*masks.after, query, at));
  if (entry.shape == Case::Shape::none) return sides;
  const FastInterval average = mix(value_hull(*masks.target, query, at), sides, leak);
  constexpr double kLittle = 0.05;
  if (leak < kLittle) return average;
  const Head& of = query.heads[std::size_t(head)];
  const double low = sharpened(entry, query, of, at, +1),
               high = -sharpened(entry, query, of, at, -1);
  return {std::max(average.lo, low), std::min(average.hi, high)};
}

/// Certificate B: with side = +1 a lower bound theta on the average, with -1 one on minus it. The
/// average is at least theta if
///     e_i (v_i - theta)  >=  sum_{j != i} max over views of e_j (theta - v_j),
/// where views of at least that value take nothing away.
double Reading::sharpened(const Case& entry, const Query& query, const Head& head, std::size_t at,
                          int side) const {
  const auto least = [&](const FastInterval& v) { return side > 0 ? v.lo : -v.hi; };
  const Masks masks = masks_of(entry);
  const double top = least(value_hull(*masks.target, query, at));
  double high = top;
  double low = std::min({high, least(value_hull(*masks.before, query, at)),
                         least(value_hull(*masks.after, query, at))});
  const auto holds = [&](double theta) {
    Gains gains;
    for (const auto& views : values_) {
      auto& of_class = gains.emplace_back();
      for (const Box& view : views) {
        const double loss = next_above(theta - least(view[at]));
        of_class.push_back(loss > 0 ? std::log(loss) + 0x1p-40 : -kInfinity);
      }
    }
    return largest_leak(entry, query, head, gains) <= next_below(top - theta);
  };
  constexpr int kSteps = 24;
  for (int step = 0; step < kSteps; ++step) {
    const double middle = low / 2 + high / 2;
    (middle < top && holds(middle) ? low : high) = middle;
  }
  return low;
}

/// The places with the largest score of their position divide the weight among themselves evenly,
/// but for the width w of the other part of the scores: each of n gets between e^-w / n and e^w / n
/// of what is not lost to other places. So the average of values that are affine in the views'
/// counts is affine in the sum of the counts.
FastInterval Reading::counted_at(const Case& entry, const Query& query, const Head& head,
                                 std::size_t at) const {
  const bool flat = head.position.size() == 1;
  const Index n_visible = visible(query);
  assert(cover_.asked[entry.asked].size() == 1);
  double top = -kInfinity, n = 0, lost = 0;
  for (Index t = 0; t < n_visible; ++t) {
    const FastInterval& score = head.position[flat ? 0 : std::size_t(t)];
    if (!score.is_point()) return FastInterval::whole();
    top = std::max(top, score.lo);
  }
  std::vector<bool> hosts(values_.size(), false);
  double low = kInfinity, high = -kInfinity, base = 0, slope = 0, largest = 0, off = 0;
  for (const auto& views : head.view)
    for (const FastInterval& score : views) {
      low = std::min(low, score.lo);
      high = std::max(high, score.hi);
    }
  for (Index t = 0; t < n_visible; ++t) {
    const double score = head.position[flat ? 0 : std::size_t(t)].lo;
    const auto c = std::size_t(rows_.class_of[std::size_t(t)]);
    if (score == top) {
      hosts[c] = true;
      ++n;
    } else {
      lost += exp_up(score - top + high - low);
      for (const Index weight : cover_.weights[std::size_t(rows_.kind[c])])
        if (weight != 0) return FastInterval::whole();  // its count would be lost
    }
  }
  const auto weight_of = [&](std::size_t c, std::size_t w) {
    return double(cover_.weights[std::size_t(rows_.kind[c])][w]);
  };
  const auto for_hosts = [&](const auto& visit) {
    for (std::size_t c = 0; c < values_.size(); ++c)
      for (std::size_t w = 0; w < values_[c].size(); ++w) {
        largest = std::max(largest, values_[c][w][at].magnitude());
        if (hosts[c]) visit(values_[c][w][at], weight_of(c, w));
      }
  };
  for_hosts([&](FastInterval v, double weight) {
    if (weight == 0) base = v.lo / 2 + v.hi / 2;
  });
  for_hosts([&](FastInterval v, double weight) {
    if (weight != 0) slope = ((v.lo + v.hi) / 2 - base) / weight;
  });
  for_hosts([&](FastInterval v, double weight) {
    off = std::max(off, (v - (FastInterval(slope) * weight + FastInterval(base))).magnitude());
  });
  const double uneven = next_above(std::expm1(next_above(high - low)) * (1 + 0x1p-48));
  const double radius = next_above(off + (uneven + 2 * lost) * largest) * (1 + 0x1p-40);
  return FastInterval(slope) * (FastInterval(double(entry.count)) / FastInterval(n)) +
         FastInterval(base) + FastInterval(-radius, radius);
}

/// Known where a power of two of positions have one and the same exact score and all others weigh
/// e^-120 or less, which is 0; so every weight is 2^-k, whatever the order of the sums, and the
/// values are multiples of one power of two that 24 bits reach, also before the value projection.
std::optional<Reading::ExactAverage> Reading::exact_average(const Query& query, const Head& head,
                                                            std::size_t at) const {
  const Column& column = net_.last.v[at];
  if (!head.exact || column.size() != 1) return std::nullopt;
  const FastInterval score = head.view.front().front();
  for (const auto& views : head.view)
    for (const FastInterval& other : views)
      if (!other.is_point() || other.lo != score.lo) return std::nullopt;
  const auto place = [&](Index t) {
    return head.position[head.position.size() == 1 ? 0 : std::size_t(t)];
  };
  double top = -kInfinity;
  for (Index t = 0; t < visible(query); ++t) top = std::max(top, place(t).hi);
  ExactAverage out;
  std::vector<std::uint8_t> hosts(values_.size(), 0);
  constexpr double kNothing = 120;
  for (Index t = 0; t < visible(query); ++t) {
    const auto c = std::size_t(rows_.class_of[std::size_t(t)]);
    if (place(t).is_point() && place(t).lo == top) {
      hosts[c] = 1;
      ++out.n;
    } else if (!(place(t).hi <= top - kNothing)) {
      return std::nullopt;
    } else {
      const auto& weights = cover_.weights[std::size_t(rows_.kind[c])];
      for (std::size_t w = 0; w < weights.size(); ++w)
        if (weights[w] != 0 || !values_[c][w][at].bounded()) return std::nullopt;
    }
  }
  double grid = kInfinity, size = 0;
  std::vector<std::pair<double, double>> points;  // (weight, value) of the hosts' views
  for (std::size_t c = 0; c < hosts.size(); ++c)
    for (std::size_t w = 0; w < values_[c].size() && hosts[c] != 0; ++w) {
      const FastInterval& v = values_[c][w][at];
      if (!v.is_point()) return std::nullopt;
      grid = std::min(grid, lowest_bit(v.lo));
      size = std::max(size, std::abs(v.lo));
      points.emplace_back(double(cover_.weights[std::size_t(rows_.kind[c])][w]), v.lo);
      if (points.back().first == 0) out.base = v.lo;
    }
  for (const auto& [weight, v] : points)
    if (weight != 0) out.slope = (v - out.base) / weight;
  for (const auto& [weight, v] : points)
    if (v != out.base + out.slope * weight) return std::nullopt;
  const double share = 1 / out.n, factor = std::abs(column.front().weight);
  if (!is_power_of_two(out.n) || out.n > 0x1p24 || !is_power_of_two(factor) || size == 0 ||
      round_to(numbers_.arithmetic(), share) != share)
    return std::nullopt;
  out.unit = std::min(grid, 1.0);
  out.most = out.n * std::max(size, 1.0);
  const double smallest = share / std::max(factor, 1.0);  // of the value, and of what it is made of
  if (!sums_exactly(out.unit * share, out.most * share) ||
      !sums_exactly(out.unit * smallest, out.most * smallest))
    return std::nullopt;
  return out;
}

std::optional<double> Reading::ExactAverage::of(Index count) const {
  const double sum = slope * double(count) + base * n;
  if (!(std::abs(sum) <= most) || sum != std::rint(sum / unit) * unit) return std::nullopt;
  return sum / n;
}

}  // namespace separatrix::layered
