#include "separatrix/refute/distinguished_points.h"

#include "separatrix/base/parallel.h"

namespace separatrix {
namespace {

/// A trail this many times longer than expected goes round in a loop (probability e^-20).
constexpr Index kLongest = 20;

}  // namespace

std::vector<std::pair<std::uint64_t, std::uint64_t>> DistinguishedPoints::walk(
    const std::vector<std::uint64_t>& starts, int threads, const std::function<bool()>& give_up) {
  std::vector<Trail> trails(starts.size());
  parallel_for(threads, Index(starts.size()), [&](std::size_t worker, Index i) {
    trails[std::size_t(i)] = follow(worker, starts[std::size_t(i)], give_up);
  });
  std::vector<std::pair<std::uint64_t, std::uint64_t>> collisions;
  for (const Trail& trail : trails) {
    evaluations_ += trail.length;
    if (trail.length == 0) continue;
    const auto [known, is_new] = ends_.emplace(trail.end, trail);
    if (is_new) continue;
    const auto pair = merge(known->second, trail);
    if (pair.first != pair.second) collisions.push_back(pair);
  }
  return collisions;
}

DistinguishedPoints::Trail DistinguishedPoints::follow(std::size_t worker, std::uint64_t start,
                                                       const std::function<bool()>& give_up) const {
  const std::uint64_t mask = (std::uint64_t(1) << bits_) - 1;
  Trail trail{start, start, 0};
  for (Index step = 1; step <= (kLongest << bits_) && !give_up(); ++step) {
    trail.end = f_(worker, trail.end);
    trail.length = step;
    if ((trail.end & mask) == 0) return trail;
  }
  trail.length = 0;
  return trail;
}

/// The last points before two trails with one end become equal; equal ones if one trail starts on
/// the other.
std::pair<std::uint64_t, std::uint64_t> DistinguishedPoints::merge(Trail a, Trail b) {
  if (a.length < b.length) std::swap(a, b);
  std::uint64_t x = a.start, y = b.start;
  for (Index i = b.length; i < a.length; ++i) x = f_(0, x);
  evaluations_ += a.length + b.length;
  for (Index i = 0; i < b.length && x != y; ++i) {
    const std::uint64_t next_x = f_(0, x), next_y = f_(0, y);
    if (next_x == next_y) return {x, y};
    x = next_x;
    y = next_y;
  }
  return {x, x};
}

}  // namespace separatrix
