#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// "The instances are all of S^n x Q, only the last token is asked, and its target is a function of
/// that token and of one symbol: target = answer[query][symbol at position[query]]."
struct LookupForm {
  std::vector<Token> symbols, queries;     ///< S and Q, ascending
  Index n = 0;                             ///< symbols before the query
  std::vector<Index> position;             ///< [|Q|]
  std::vector<std::vector<Token>> answer;  ///< [|Q|][|S|]
  bool exhaustive = false;                 ///< checked on every instance
  std::string inputs() const;              ///< |S|^n |Q| in decimal
};

/// Finds the form by asking Task::label, and checks it: on every instance when there are at most
/// 2^16, otherwise on random ones and on all changes that could fool the search (docs/
/// certificates.md says what is thereby trusted). nullopt with `why` when the task has not this
/// form.
std::optional<LookupForm> find_lookup_form(const Task& task, Index length, std::string& why);

/// How the form was established, for Certificate::trusted_base.
std::string trust_in(const LookupForm& form);

}  // namespace separatrix
