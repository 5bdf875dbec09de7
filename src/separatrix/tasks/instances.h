#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// Whether the sequence begins an instance of length N: Task::legal_next along the way, the first
/// `known` tokens being known to do so.
inline bool begins_instance(const Task& task, Index length, std::span<const Token> tokens,
                            std::size_t known = 0) {
  for (std::size_t t = known; t < tokens.size(); ++t) {
    const std::vector<Token> legal = task.legal_next(tokens.first(t), length);
    if (!std::binary_search(legal.begin(), legal.end(), tokens[t])) return false;
  }
  return true;
}

/// Whether it is one.
inline bool is_instance(const Task& task, Index length, std::span<const Token> tokens,
                        std::size_t known = 0) {
  return Index(tokens.size()) == task.info(length).n_tokens &&
         begins_instance(task, length, tokens, known);
}

}  // namespace separatrix
