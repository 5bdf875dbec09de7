#pragma once

#include <memory>
#include <string>
#include <vector>

#include "separatrix/model/interval.h"
#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// A set of inputs: the tokens that may stand at each position.
using InputBox = std::vector<std::vector<Token>>;

/// The model over the reals on a box of inputs, by Block::reference on intervals: the last row of
/// the residual stream, before the head. Slow: MPFR at every operation.
class BoxModel {
 public:
  BoxModel(const Weights& weights, const Registry<Block>& blocks);
  /// Lower end of logit_y - best other over the box, and upper end of the same.
  struct Margin {
    double lower = 0, upper = 0;
  };
  Margin margin(const InputBox& box, Token y) const;

 private:
  std::vector<Interval> last_row(const InputBox& box) const;
  std::vector<double> slice(const std::string& prefix) const;
  const Weights& weights_;
  std::vector<std::unique_ptr<Block>> layers_;
  std::vector<std::vector<double>> norms_, params_;  ///< of each layer; norms_: and the last norm
};

/// Recheck of a proved certificate (intervals_recheck.cpp). Empty = valid.
std::string recheck_intervals(const Certificate& certificate, const Subject& subject);

}  // namespace separatrix
