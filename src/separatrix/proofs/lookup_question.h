#pragma once

#include <string>
#include <vector>

#include "separatrix/proofs/certificate.h"

namespace separatrix {

/// What a certificate about a task of lookup form says of it, for the rechecking sides only: which
/// positions are free, what they may hold, and where the query looks.
struct LookupQuestion {
  Index T = 0;
  bool query_first = false;
  std::vector<Token> symbols, queries;
  std::vector<Index> looks_at;              ///< [|Q|], among the tokens
  std::vector<std::vector<Token>> answers;  ///< [|Q|][|S|]
  Index query_at() const { return query_first ? 0 : T - 1; }
  const std::vector<Token>& tokens(Index t) const { return t == query_at() ? queries : symbols; }
};

/// Reads it from the certificate's evidence and the task, and asks Task::label about every query
/// and symbol before two backgrounds. Empty, or what is wrong.
std::string read_question(const Certificate& c, const Task& task, LookupQuestion& out);

}  // namespace separatrix
