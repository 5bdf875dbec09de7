#include "separatrix/proofs/lookup_question.h"

#include <algorithm>

namespace separatrix {

std::string read_question(const Certificate& c, const Task& task, LookupQuestion& out) {
  std::vector<Index> position;
  try {
    c.evidence.at("position").get_to(position);
    c.evidence.at("query_first").get_to(out.query_first);
  } catch (const Json::exception&) {
    return "the evidence does not name the positions";
  }
  const Index length = c.claim.length;
  out.T = task.info(length).n_tokens;
  if (out.T < 2) return "an instance is a single token";
  std::vector<Token> prefix;
  for (Index t = 0; t < out.T; ++t) {
    const auto next = task.legal_next(prefix, length);
    auto& set = t == out.query_at() ? out.queries : out.symbols;
    if (set.empty()) set = next;
    if (next.empty() || set != next) return "the legal tokens depend on the position";
    prefix.push_back(next[std::size_t(t) % next.size()]);
  }
  if (position.size() != out.queries.size()) return "the evidence is for other queries";
  std::vector<Token> tokens(std::size_t(out.T)), targets(tokens.size());
  for (std::size_t p = 0; p < position.size(); ++p) {
    if (position[p] < 0 || position[p] >= out.T - 1) return "the evidence names no position";
    out.looks_at.push_back(position[p] + (out.query_first ? 1 : 0));
    out.answers.emplace_back();
    const auto ask = [&](Token rest, Token symbol) {
      std::fill(tokens.begin(), tokens.end(), rest);
      tokens[std::size_t(out.looks_at[p])] = symbol;
      tokens[std::size_t(out.query_at())] = out.queries[p];
      task.label(tokens, targets);
      return targets.back();
    };
    for (const Token symbol : out.symbols) {
      out.answers.back().push_back(ask(out.symbols.front(), symbol));
      if (out.answers.back().back() == kIgnore ||
          ask(out.symbols.back(), symbol) != out.answers.back().back())
        return "the answer does not depend on the named position alone";
    }
  }
  return {};
}

}  // namespace separatrix
