#pragma once

#include <span>
#include <string>
#include <vector>

#include "separatrix/tasks/task.h"

namespace separatrix {

/// The inverse of Task::spell: one instance of length N from text, words between blanks ("s4 s2
/// p=1") or token numbers in brackets ("[4, 2, 65]"). What `sample` writes is read, too: "->s2"
/// behind a word is passed over. Throws Error(usage) naming the position and the nearest word, or
/// when there are not info(N).n_tokens tokens.
std::vector<Token> read_spelled(const Task& task, Index length, const std::string& text,
                                const std::string& where);

/// The first position whose token cannot follow those before it in an instance; -1 when all can.
Index find_illegal(const Task& task, Index length, std::span<const Token> tokens);

}  // namespace separatrix
