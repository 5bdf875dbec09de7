#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// "The instances are all of S^n x Q (or Q x S^n), only the last token is asked, and its target is
/// a function of the query and of one symbol: target = answer[query][symbol at position[query]]."
struct LookupForm {
  std::vector<Token> symbols, queries;     ///< S and Q, ascending
  Index n = 0;                             ///< symbols
  bool query_first = false;                ///< Q x S^n
  std::vector<Index> position;             ///< [|Q|]
  std::vector<std::vector<Token>> answer;  ///< [|Q|][|S|]
  bool exhaustive = false;                 ///< checked on every instance
  std::string inputs() const;              ///< |S|^n |Q| in decimal
  /// Where the query and the j-th symbol stand among the tokens.
  Index query_at() const { return query_first ? 0 : n; }
  Index symbol_at(Index j) const { return query_first ? j + 1 : j; }
};

/// Finds the form by asking Task::label, and checks it: on every instance when there are at most
/// 2^16, otherwise on random ones and on all changes that could fool the search (docs/
/// certificates.md says what is thereby trusted). nullopt with `why` when the task has not this
/// form with the query on that side.
std::optional<LookupForm> find_lookup_form(const Task& task, Index length, std::string& why,
                                           bool query_first = false);

/// How the form was established, for Certificate::trusted_base.
std::string trust_in(const LookupForm& form);

}  // namespace separatrix
