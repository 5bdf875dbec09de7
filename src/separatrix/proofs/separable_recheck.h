#pragma once

#include <memory>
#include <vector>

#include "separatrix/model/arithmetic.h"
#include "separatrix/model/weights.h"
#include "separatrix/tasks/task.h"

// Shared by the files of the separable recheck only.

namespace separatrix {

/// The tokens that may stand at each position [T].
using Standing = std::vector<std::vector<Token>>;

/// The row of one last token, in one arithmetic.
class RecheckTerms {
 public:
  virtual ~RecheckTerms() = default;
  /// Least of weight (logit_y - logit_k - theta) for the i-th token of position t, as it may be
  /// computed.
  virtual long double term(Index t, std::size_t i, Token y, Token k, long double theta) const = 0;
  /// Least difference logit_y - logit_k of what goes round the attention.
  virtual long double around(Token y, Token k) const = 0;
};
class RecheckRows {
 public:
  virtual ~RecheckRows() = default;
  /// The last token is the i-th of its position.
  virtual std::unique_ptr<RecheckTerms> row(std::size_t last) const = 0;
  virtual Index classes() const = 0;
};
std::unique_ptr<RecheckRows> recheck_direct_rows(const Weights& weights, const Standing& tokens,
                                                 Arithmetic arithmetic);
std::unique_ptr<RecheckRows> recheck_rounded_rows(const Weights& weights, const Standing& tokens,
                                                  Arithmetic arithmetic);

}  // namespace separatrix
