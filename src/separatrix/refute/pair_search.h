#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "separatrix/refute/attempt.h"

namespace separatrix {

/// Options of the attacks that are such searches.
struct PairSearchConfig {
  Index samples = 2048;
  Index pairs = 16;
};
template <class V>
void visit(V& v, PairSearchConfig& c) {
  v("samples", c.samples, "prefixes per round, all compared with one another");
  v("pairs", c.pairs, "nearest pairs that are brought nearer by edits");
}

/// One search for prefixes of different classes with near states.
struct PairSearch {
  const Prefixes& prefixes;
  const Suffixes& suffixes;
  std::vector<PrefixState*> states;  ///< one per thread
  std::uint64_t first_sample = 0;    ///< prefixes come from the samples first_sample, + 1, ...
  Index samples = 2048;
  Index pairs = 16;  ///< the nearest that are improved
  Index edits = 48;  ///< of each of the two prefixes, looked at per step
  Index steps = 8;   ///< between two runs of the model
  Index rounds = 4;  ///< of steps
};

/// The nearest pairs among the samples' prefixes that have a distinguishing suffix; run through the
/// model; then brought nearer by replacing one symbol in either prefix or in both, as long as a
/// distinguishing suffix remains, and run again. The same for any number of threads.
std::optional<Refutation> search_pairs(Attempt& attempt, const PairSearch& search);

}  // namespace separatrix
