#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "separatrix/base/rng.h"
#include "separatrix/bounds/one_layer/evidence.h"

// Functions that are no registered task, for the tests of the one-layer searches and witnesses.

namespace separatrix::one_layer {

/// Any function of N symbols and an EOS token; inputs for which `legal` says no do not exist.
class AnyFunction final : public Task {
 public:
  using Answer = std::function<Token(std::span<const Token>)>;
  AnyFunction(Index symbols, Answer answer, std::function<bool(std::span<const Token>)> legal = {})
      : q_(symbols), answer_(std::move(answer)), legal_(std::move(legal)) {}
  void check_length(Index) const override {}
  TaskInfo info(Index n) const override { return {q_ + 1, 4, n + 1, "none"}; }
  void label(std::span<const Token> tokens, std::span<Token> targets) const override {
    std::fill(targets.begin(), targets.end(), kIgnore);
    targets.back() = answer_(tokens.first(tokens.size() - 1));
  }
  void sample(Rng& rng, std::span<Token> tokens) const override {
    do
      for (Token& token : tokens) token = Token(rng.below(q_));
    while (legal_ && !legal_(tokens.first(tokens.size() - 1)));
    tokens.back() = Token(q_);
  }
  std::vector<Token> legal_next(std::span<const Token> prefix, Index n) const override {
    std::vector<Token> out;
    if (Index(prefix.size()) == n) return {Token(q_)};
    for (Token s = 0; s < q_ && Index(prefix.size()) < n; ++s) {
      std::vector<Token> longer(prefix.begin(), prefix.end());
      longer.push_back(s);
      if (!legal_ || completes(longer, n)) out.push_back(s);
    }
    return out;
  }
  std::string spell(Token t, Index) const override { return std::to_string(t); }
  std::string spell_class(Token t, Index) const override { return std::to_string(t); }
  double chance(Index) const override { return 0; }
  std::string describe(Index) const override { return "any function"; }

 private:
  bool completes(std::vector<Token>& prefix, Index n) const {
    if (Index(prefix.size()) == n) return legal_(prefix);
    for (Token s = 0; s < q_; ++s) {
      prefix.push_back(s);
      const bool yes = completes(prefix, n);
      prefix.pop_back();
      if (yes) return true;
    }
    return false;
  }
  Index q_;
  Answer answer_;
  std::function<bool(std::span<const Token>)> legal_;
};

inline std::uint64_t code_of(std::span<const Token> tokens, Index q) {
  std::uint64_t code = 0;
  for (const Token t : tokens) code = code * std::uint64_t(q) + std::uint64_t(t);
  return code;
}

inline AnyFunction random_function(std::uint64_t seed, Index q, Index answers) {
  return AnyFunction(q, [=](std::span<const Token> tokens) {
    Rng rng(seed, RngUse::test, code_of(tokens, q));
    return Token(rng.below(answers));
  });
}

inline BoundRequest ask(const Task& task, Index n) {
  return {.task = task, .task_name = "any", .length = n};
}

inline Bound as_bound(const Evidence& e, Index n) {
  Bound bound;
  bound.length = n;
  bound.split = e.split;
  bound.count = e.count;
  bound.exact = e.exact;
  bound.witness = e.witness;
  return bound;
}

}  // namespace separatrix::one_layer
