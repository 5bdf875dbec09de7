#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

bool visit_below(const Task& task, Index length, std::vector<Token>& prefix, std::size_t n_tokens,
                 const std::function<bool(std::span<const Token>)>& visit) {
  if (prefix.size() == n_tokens) return visit(prefix);
  for (const Token token : task.legal_next(prefix, length)) {
    prefix.push_back(token);
    const bool go_on = visit_below(task, length, prefix, n_tokens, visit);
    prefix.pop_back();
    if (!go_on) return false;
  }
  return true;
}

}  // namespace

bool for_each_instance(const Task& task, Index length,
                       const std::function<bool(std::span<const Token>)>& visit) {
  task.check_length(length);
  std::vector<Token> prefix;
  return visit_below(task, length, prefix, std::size_t(task.info(length).n_tokens), visit);
}

}  // namespace separatrix
