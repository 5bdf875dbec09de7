#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/model/arithmetic.h"
#include "separatrix/model/weights.h"
#include "separatrix/tasks/task.h"

// For the rechecking side of prefix-scan only: numbers as midpoint and radius in long double, dense
// layers read from the weights.

namespace separatrix::prefix_scan_recheck {

/// All reals within `rad` of `mid`.
struct Ball {
  long double mid = 0, rad = 0;
  long double low() const { return mid - rad; }
  long double high() const { return mid + rad; }
  long double size() const { return (mid < 0 ? -mid : mid) + rad; }
};
using Balls = std::vector<Ball>;

Ball between(long double low, long double high);  ///< rounded outward; NaN: everything
Ball hull(Ball x, Ball y);
Ball sum(Ball x, Ball y);
Ball product(Ball x, Ball y);
void widen(Balls& to, const Balls& x);  ///< hull by coordinates; empty = nothing yet

/// y_j = b_j + sum_i x_i w_ij.
struct Affine {
  Index rows = 0, cols = 0;
  std::vector<double> w, b;                  ///< [rows, cols], [cols]
  std::vector<std::vector<Index>> nonzeros;  ///< [cols]
  Index most_terms() const;
};

struct Layer {
  bool attention = false;
  Affine q, k, v, o;  ///< attention
  long double scale = 1;
  Affine in, out;  ///< mlp
};

/// The weights as the arithmetic has them, and what it makes of sums.
class Machine {
 public:
  /// nullopt when the model is not made of attention (causal; one head each but the first) and
  /// ReLU MLPs with residuals and without norms.
  static std::optional<Machine> read(const Weights& weights, Arithmetic arithmetic);

  std::vector<Layer> layers;
  Affine head;
  Index D = 0;
  Arithmetic arithmetic = Arithmetic::real;

  bool rounds() const { return arithmetic != Arithmetic::real; }
  Ball stored(Ball x) const;
  Balls embed(Index t, Token token) const;
  double position(Index t, Index d) const { return positions_[std::size_t(t * D + d)]; }
  /// As stored; no order of summation is assumed.
  Balls apply(const Affine& map, const Balls& x) const;
  long double absolute(const Affine& map, Index column, const Balls& x) const;
  void add(const Balls& y, Balls& x) const;      ///< the residual sum
  void mlp(const Layer& layer, Balls& x) const;  ///< with its residual sum
  /// Layers from `first` up to the next attention, on one row; returns its number.
  std::size_t run_mlps(std::size_t first, Balls& x) const;

 private:
  Ball affine(const Affine& map, Index column, const Balls& x) const;
  std::vector<double> tokens_, positions_;
};

}  // namespace separatrix::prefix_scan_recheck
