#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "separatrix/bounds/recurrent/diagram_bound.h"
#include "separatrix/bounds/recurrent/prefixes_and_suffixes.h"
#include "separatrix/bounds/recurrent/pulse.h"

namespace separatrix {
namespace {

constexpr Index kMaxStates = Index{1} << 22;  ///< after one number of tokens
/// In the states that steps (from a state by a token) lead to, each counted as one more than its
/// size: what takes time and memory. A few seconds.
constexpr Index kMaxNumbers = Index{1} << 26;

struct LayeredMergeConfig {};
template <class V>
void visit(V&, LayeredMergeConfig&) {}

/// The states that a streaming reference can be in, level by level, and what follows each.
class States {
 public:
  States(const BoundRequest& request, const StreamingReference& reference)
      : request_(request),
        reference_(reference),
        pulse_(request),
        n_tokens_(request.task.info(request.length).n_tokens) {}

  /// Levels whose classes are states, not merged yet: two may have equal futures.
  std::vector<ResidualLevel> run() {
    const StreamingReference::State start = reference_.start();
    TupleTable states;
    states.intern(start);
    arrivals_.push_back({{}});
    targets_ = {kIgnore};
    for (Index t = 0; t < n_tokens_; ++t) states = advance(states, t);
    levels_.emplace_back();
    for (const Token target : targets_)
      levels_.back().append(target, levels_.back().menu_of({}), {});
    return std::move(levels_);
  }

 private:
  struct Arrival {  ///< how a state was met first
    std::int32_t parent = -1;
    Token token = 0;
  };

  /// Goes one token further from every state; the level of the states left behind is complete.
  TupleTable advance(const TupleTable& states, Index t) {
    TupleTable next;
    ResidualLevel level;
    std::vector<Arrival> arrivals;
    std::vector<Token> targets;
    std::vector<std::int32_t> children;
    for (Index s = 0; s < states.size(); ++s) {
      const std::vector<Token> menu = request_.task.legal_next(prefix(t, s), request_.length);
      const StreamingReference::State state(states[s].begin(), states[s].end());
      children.clear();
      for (const Token token : menu) {
        const StreamingReference::State after = reference_.step(state, token, t);
        if ((numbers_ += Index(after.size()) + 1) > kMaxNumbers)
          refuse(t, states.size(), Index(menu.size()));
        children.push_back(next.intern(after));
        if (Index(arrivals.size()) == next.size()) continue;
        arrivals.push_back({std::int32_t(s), token});
        targets.push_back(reference_.output(after, t));
        if (next.size() > kMaxStates) refuse(t, states.size(), Index(menu.size()));
      }
      level.append(targets_[std::size_t(s)], level.menu_of(menu), children);
      if (s % 256 == 0) pulse_("following the states", double(t) / double(n_tokens_));
    }
    levels_.push_back(std::move(level));
    arrivals_.push_back(std::move(arrivals));
    targets_ = std::move(targets);
    return next;
  }

  /// The first prefix that led to a state of t tokens. Neighbours share most of it: only what
  /// differs from the last one asked for is walked back.
  const std::vector<Token>& prefix(Index t, Index state) {
    path_.resize(std::size_t(t + 1), -1);
    prefix_.resize(std::size_t(t));
    auto s = std::int32_t(state);
    for (Index i = t; path_[std::size_t(i)] != s; --i) {
      path_[std::size_t(i)] = s;
      if (i == 0) break;
      const Arrival& arrival = arrivals_[std::size_t(i)][std::size_t(s)];
      prefix_[std::size_t(i - 1)] = arrival.token;
      s = arrival.parent;
    }
    return prefix_;
  }

  [[noreturn]] void refuse(Index t, Index states, Index branching) const {
    throw Error(ErrorKind::spec,
                "layered merge meets up to " + std::to_string(states * branching) +
                    " states after " + std::to_string(t + 1) + " of " + std::to_string(n_tokens_) +
                    " tokens; its limits are 2^22 states there and 2^26 numbers in all of them",
                "layered-merge", "take a shorter length or smaller parameters");
  }

  const BoundRequest& request_;
  const StreamingReference& reference_;
  Pulse pulse_;
  Index n_tokens_, numbers_ = 0;
  std::vector<ResidualLevel> levels_;
  std::vector<std::vector<Arrival>> arrivals_;  ///< [level, state]
  std::vector<Token> targets_;                  ///< of the states of the last level
  std::vector<std::int32_t> path_;              ///< states on the way of prefix_
  std::vector<Token> prefix_;
};

/// States with equal futures become one class, from the last level up.
ResidualDiagram merge(std::vector<ResidualLevel> levels) {
  std::vector<std::int32_t> below;
  for (std::size_t t = levels.size(); t-- > 0;) {
    ResidualLevel merged;
    below = absorb(merged, levels[t], below);
    levels[t] = std::move(merged);
    levels[t].drop_index();
  }
  return finish(std::move(levels));
}

/// Tasks with a streaming reference, at lengths whose instances nobody could list.
class LayeredMerge final : public BoundMethod {
 public:
  using Config = LayeredMergeConfig;
  explicit LayeredMerge(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    const auto reference = request.task.streaming(request.length);
    if (!reference) return {};
    return {diagram_bound(request, "layered-merge", merge(States(request, *reference).run()))};
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_prefixes_and_suffixes(request, bound);
  }
};

}  // namespace

void register_layered_merge(Registry<BoundMethod>& bounds) {
  bounds.add<LayeredMerge>("layered-merge",
                           "exact number of recurrent states from a task's streaming reference");
}

}  // namespace separatrix
