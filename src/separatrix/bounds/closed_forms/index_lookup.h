#pragma once

#include <gmpxx.h>

#include "separatrix/base/index.h"

namespace separatrix {

/// Index lookup over q symbols: the number of states that a machine needs after `split` tokens.
struct IndexLookupCut {
  Index alphabet = 0, length = 0;
  bool query_first = false;
  Index split = 0;
};
/// Query last: q^t after t <= N symbols, then q. Query first: 1, then N, then N - t + q after t >=
/// 1 symbols. docs/theory.md, "Index lookup".
mpz_class index_lookup_classes(const IndexLookupCut& cut);

}  // namespace separatrix
