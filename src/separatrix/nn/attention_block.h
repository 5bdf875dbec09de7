#pragma once

#include <functional>

#include "separatrix/nn/block.h"

namespace separatrix {

/// A block whose outputs are made of weighted averages over positions, and that can tell the
/// weights.
class AttentionBlock : public Block {
 public:
  Mixing mixing() const override { return Mixing::attention; }
  virtual Index heads() const = 0;

  /// Of row t and head h: a[j] >= 0 is the weight of row j in the average, sum_j a[j] = 1. Rows
  /// from a.size() on are not seen.
  using VisitWeights = std::function<void(Index t, Index h, std::span<const double> a)>;
  /// Calls visit for every row from `first` on, ascending, and every head of it, with the weights
  /// that reference uses for the input x [T, D].
  virtual void averages(std::span<const double> w, View<const double, 2> x, Index first,
                        const VisitWeights& visit) const = 0;
};

}  // namespace separatrix
