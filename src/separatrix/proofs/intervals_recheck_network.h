#pragma once

#include <memory>
#include <string>
#include <vector>

#include "separatrix/model/weights.h"
#include "separatrix/proofs/intervals_recheck_number.h"
#include "separatrix/tasks/task.h"

namespace separatrix::intervals_recheck {

/// A set of inputs: the tokens that may stand at each position.
using Tokens = std::vector<std::vector<Token>>;

/// Rows of numbers, [T][D].
using Rows = std::vector<std::vector<Number>>;

/// A matrix of the file: y = x W.
struct Matrix {
  std::span<const float> values;
  Index cols = 0;
  Real at(Index i, Index j) const { return values[std::size_t(i * cols + j)]; }
};

/// One block of a model file (docs/format.md) on the numbers of a box. A new block needs its own
/// here (make_layer, intervals_recheck_blocks.cpp), or no certificate by intervals of models that
/// have it is accepted.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual bool mixes() const = 0;  ///< row t of the output depends on other rows
  /// x: the normed rows. Rows of the result before `first` are not asked for.
  virtual Rows run(const Calculus& calculus, const Rows& x, Index first) const = 0;
};
/// False: make_layer gives null, and the search does not begin.
bool is_known(const LayerSpec& spec);
/// Null if there is no such block here. `prefix` names its tensors ("layers.0.mlp.").
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const Weights& weights,
                                  const std::string& prefix);

/// bias_j + sum_i x_i W_ij; no bias where the span is empty.
Number affine(const Calculus& calculus, std::span<const Number> x, const Matrix& w, Index j,
              std::span<const float> bias = {});

/// A model over the reals on all inputs of a box.
class Network {
 public:
  explicit Network(const Weights& weights);
  const std::string& unknown_block() const { return unknown_; }  ///< empty: none
  struct Margin {
    Real lower = 0, upper = 0;  ///< of logit_y - best other at the last position
    Index split = -1;           ///< free position whose token matters most; -1: none is free
  };
  Margin margin(const Tokens& box, Token y) const;

 private:
  std::vector<Number> last_row(const Calculus& calculus, const Tokens& box,
                               const Layout& layout) const;
  const Weights& weights_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::string unknown_;
};

}  // namespace separatrix::intervals_recheck
