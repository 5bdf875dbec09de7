#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// "The instances are all of S^n x Q, |Q| = n, only the last token is asked, and its target is
/// answer[symbol at position p] for the p-th query." The form of index lookup; linear in n, where
/// a LookupForm asks about every query.
struct LookupPattern {
  std::vector<Token> symbols, queries;  ///< S and Q, ascending
  Index n = 0;                          ///< symbols
  std::vector<Token> answer;            ///< [|S|]
  std::string inputs() const;           ///< |S|^n n, as a power when it has over 1000 digits
  std::string trust() const;            ///< how it was established, for Certificate::trusted_base
};

/// Asks Task::label about drawn queries: where they look, by the binary digits of the position, and
/// what they answer to every symbol before drawn backgrounds. nullopt with `why` when the task has
/// not this form.
std::optional<LookupPattern> find_lookup_pattern(const Task& task, Index length, std::string& why);

}  // namespace separatrix
