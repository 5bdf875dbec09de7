#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "separatrix/base/registry.h"
#include "separatrix/base/rng.h"
#include "separatrix/tasks/dfa.h"

namespace separatrix {

using Token = std::int32_t;
inline constexpr Token kIgnore = -1;  ///< target at a position where nothing is asked

struct TaskInfo {
  Index vocab_size = 0;   ///< input tokens are 0 .. vocab_size-1
  Index n_classes = 0;    ///< targets are 0 .. n_classes-1, or kIgnore
  Index n_tokens = 0;     ///< tokens of one instance
  std::string reference;  ///< bibliography key in docs/references.md
};

/// The natural online algorithm of a task: reads tokens left to right and answers as it goes.
/// Two prefixes that reach equal states at equal times have equal futures: the same tokens may
/// follow, and the same targets.
class StreamingReference {
 public:
  using State = std::vector<std::int32_t>;
  virtual ~StreamingReference() = default;
  virtual State start() const = 0;
  /// The state after reading `token` at position t, given the state before it.
  virtual State step(const State& state, Token token, Index t) const = 0;
  /// The target at position t, given the state after the token at t (kIgnore: nothing asked).
  virtual Token output(const State& state, Index t) const = 0;
};

/// A sequence-labelling problem. `label` is the definition; trainer, bounds and certifier all read
/// that one function, so they cannot disagree about what the task is. Pure and thread-safe.
///
/// `length` is everywhere the task's own measure N; instances are token sequences of
/// info(N).n_tokens tokens. Callers call check_length first; the others only assert it.
class Task {
 public:
  virtual ~Task() = default;
  /// Throws Error(spec) with a hint when there are no instances of that length (N < 1, N odd for
  /// string equality, or so long that token numbers or memory would overflow).
  virtual void check_length(Index length) const = 0;
  virtual TaskInfo info(Index length) const = 0;
  /// Fills targets (same size as tokens): kIgnore where nothing is asked. Any sequence of legal
  /// tokens of an instance's size is accepted; the size gives N. Throws nothing, except Error(io)
  /// in a task that asks a user's program.
  virtual void label(std::span<const Token> tokens, std::span<Token> targets) const = 0;
  /// Draws one input of exactly tokens.size() tokens from the training distribution.
  virtual void sample(Rng& rng, std::span<Token> tokens) const = 0;
  /// The tokens that may follow `prefix` in an instance of length N, ascending; at the end: none.
  /// The set of instances is exactly what this tree spells.
  virtual std::vector<Token> legal_next(std::span<const Token> prefix, Index length) const = 0;
  /// Human-readable form of one token of an instance of length N ("(0", "p=17", "EOS").
  virtual std::string spell(Token token, Index length) const = 0;
  /// Human-readable form of a class ("s5", "accepted").
  virtual std::string spell_class(Token target, Index length) const = 0;
  /// Accuracy, over the asked positions of sampled inputs, of the best answer that ignores the
  /// input.
  virtual double chance(Index length) const = 0;
  /// One sentence with the parameters filled in: "20 symbols from an alphabet of 64, then ...".
  virtual std::string describe(Index length) const = 0;
  /// nullptr when no natural one exists.
  virtual std::unique_ptr<StreamingReference> streaming(Index /*length*/) const { return nullptr; }
  /// A DFA, when the task is regular with one DFA for every length.
  virtual std::optional<Dfa> automaton() const { return std::nullopt; }
  /// A DFA that reads the instances of every length: each token of an instance is `legal` in the
  /// state before it, and wherever something is asked the target is the output of the state after
  /// it. It may also spell words that are no instances, and have outputs where nothing is asked.
  virtual std::optional<Dfa> uniform() const { return automaton(); }
  /// SHA-256 of what the task has read beside its config (a file, a program), so that results of
  /// other contents under the same name are told apart; empty when the config says everything.
  virtual std::string fingerprint() const { return {}; }
};

void register_tasks(Registry<Task>& tasks);  // tasks/all.cpp: one line per task

/// Calls visit(tokens) for every instance of the length, in lexicographic order; stops and returns
/// false when visit does. Cost: the number of instances; guard it with small lengths.
bool for_each_instance(const Task& task, Index length,
                       const std::function<bool(std::span<const Token>)>& visit);

}  // namespace separatrix
