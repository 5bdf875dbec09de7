#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "separatrix/base/index.h"

namespace separatrix {

/// Collisions of a function on 64-bit numbers in little memory [vanoorschot1999]: trails x, F(x),
/// F(F(x)), .. run until a point whose lowest `bits` bits are zero; two that end at one point have
/// merged, and are walked again to where they did. Finding one takes about
/// sqrt(pi/2 range) + 2^(bits+1) evaluations; what is kept is one point per trail.
class DistinguishedPoints {
 public:
  /// F may be called by several threads at a time, each with its own worker number.
  using Function = std::function<std::uint64_t(std::size_t worker, std::uint64_t x)>;
  DistinguishedPoints(Function f, int bits) : f_(std::move(f)), bits_(bits) {}

  /// Walks the trails from starts[i]; pairs x != y with F(x) = F(y), in an order that depends on
  /// the starts alone.
  /// Trails under way when give_up() becomes true are dropped.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> walk(
      const std::vector<std::uint64_t>& starts, int threads,
      const std::function<bool()>& give_up = [] { return false; });

  /// Evaluations so far.
  Index evaluations() const { return evaluations_; }

 private:
  struct Trail {
    std::uint64_t start = 0, end = 0;
    Index length = 0;  ///< 0: caught in a loop, or given up
  };
  Trail follow(std::size_t worker, std::uint64_t start, const std::function<bool()>& give_up) const;
  std::pair<std::uint64_t, std::uint64_t> merge(Trail a, Trail b);

  Function f_;
  int bits_;
  Index evaluations_ = 0;
  std::map<std::uint64_t, Trail> ends_;
};

}  // namespace separatrix
