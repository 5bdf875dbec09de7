#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// "The instances are all of S^n x S^n x {end}, only the end is asked, and its target is `clashing`
/// if some pair (x_i, y_i) is one of a set of pairs, else `quiet`."
struct PairQuestion {
  std::vector<Token> symbols;       ///< S, ascending
  Token end = 0;                    ///< the last token
  Index n = 0;                      ///< symbols of a half
  std::vector<std::uint8_t> clash;  ///< [|S| |S|], x first: 1 = clash
  Token quiet = 0, clashing = 0;    ///< targets
  bool exhaustive = false;          ///< checked on every instance
  std::string inputs() const;       ///< |S|^2n in decimal
  Index views() const { return Index(clash.size()); }
  Index pair_at(Index t) const { return t < n ? t : t - n; }
};

/// Finds the form by asking Task::label, and checks it: on every instance when there are at most
/// 2^16, otherwise on drawn ones and with a single clash at every place. nullopt with `why` when
/// the task has another form.
std::optional<PairQuestion> find_pair_question(const Task& task, Index length, std::string& why);

/// How the form was established, for Certificate::trusted_base.
std::string trust_in(const PairQuestion& question);

}  // namespace separatrix
