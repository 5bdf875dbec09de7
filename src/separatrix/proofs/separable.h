#pragma once

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "separatrix/proofs/lookup_form.h"
#include "separatrix/proofs/one_layer.h"
#include "separatrix/proofs/run.h"

namespace separatrix {

/// The last row of a one-layer, one-head model when its own token is fixed. With choice i = "token
/// s stands at position j", one choice per position made, its logits are
///
///     constant + (sum_i weight_i value_i) / (sum_i weight_i),
///
/// a sum over positions above and below. What the arithmetic computes is the same with other
/// weights, within a factor e^{+-spread_i}, values within value_error_i and constants within
/// constant_error.
struct RowTerms {
  Index C = 0;
  std::vector<Index> begin;  ///< [T + 1]: position j has the choices begin[j] .. begin[j+1]-1
  std::vector<Token> token;  ///< [choices]
  std::vector<double> weight, spread;            ///< [choices]; e^(score - the row's greatest)
  std::vector<double> value, value_error;        ///< [choices, C], in logits
  std::vector<double> constant, constant_error;  ///< [C]
  Index positions() const { return Index(begin.size()) - 1; }
  /// The choice "token at position j". Precondition: it is one.
  Index choice(Index j, Token s) const;
};

/// Which tokens may stand at each position; one at the last, which is the row that is read.
using Choices = std::vector<std::vector<Token>>;

/// Rows of one model in one arithmetic. docs/certificates.md derives the errors.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual RowTerms row(const Choices& choices) const = 0;
  virtual Index classes() const = 0;
  /// Multiplications that row() takes for each choice.
  virtual double effort() const = 0;
  /// What it rests on, for Certificate::trusted_base; may be empty.
  virtual std::string trust() const = 0;
};
/// Real numbers or float32; nullptr with `why` when the numbers are too large.
std::unique_ptr<RowSource> make_row_source(const OneLayer& model, const Weights& weights,
                                           Arithmetic arithmetic, std::string& why);
/// bfloat16 or float16.
std::unique_ptr<RowSource> make_rounded_row_source(const OneLayer& model, const Weights& weights,
                                                   Arithmetic arithmetic, std::string& why);

/// One of the finite many questions about a row: some choices are pinned, the others free, and the
/// answer is y.
struct PinnedCase {
  Token y = 0;
  std::vector<Index> pins;  ///< choices, at different positions
};

/// The least margin of a row over the cases and all free choices, and where it is attained.
struct RowWorst {
  double margin = std::numeric_limits<double>::infinity();
  std::vector<Token> tokens;  ///< [T]
};
/// By Dinkelbach's method; `errors`: of the least that the arithmetic may compute.
RowWorst least_margin(const RowTerms& row, std::span<const PinnedCase> cases, bool errors);
/// True if every margin of the cases is certainly at least `margin`, errors and the rounding of
/// this computation included.
bool certainly_at_least(const RowTerms& row, std::span<const PinnedCase> cases, double margin);

/// Recheck of a proved certificate (separable_recheck.cpp), from the weights alone. Empty = valid.
std::string recheck_separable(const Certificate& certificate, const Subject& subject);

}  // namespace separatrix
