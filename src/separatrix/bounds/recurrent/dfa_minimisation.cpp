#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "separatrix/bounds/recurrent/machine.h"
#include "separatrix/bounds/recurrent/prefixes_and_suffixes.h"
#include "separatrix/bounds/recurrent/pulse.h"

namespace separatrix {
namespace {

constexpr const char* kName = "dfa-minimisation";
constexpr Index kMaxHits = Index{1} << 33;

struct DfaMinimisationConfig {};
template <class V>
void visit(V&, DfaMinimisationConfig&) {}

/// Whether the instances are all strings, answered after every symbol: looked at along one path.
bool asks_all_strings(const BoundRequest& request, const Dfa& dfa) {
  const TaskInfo info = request.task.info(request.length);
  if (info.n_tokens != request.length || info.vocab_size != dfa.alphabet) return false;
  std::vector<Token> symbols(std::size_t(dfa.alphabet)), prefix;
  std::iota(symbols.begin(), symbols.end(), 0);
  for (Index t = 0; t < std::min<Index>(request.length, 64); ++t) {
    if (request.task.legal_next(prefix, request.length) != symbols) return false;
    prefix.push_back(symbols[std::size_t(t) % symbols.size()]);
  }
  return std::find(dfa.output.begin(), dfa.output.end(), kIgnore) == dfa.output.end();
}

/// All, or an even choice of `kept` when there are more than fit.
std::vector<std::int32_t> select(const std::vector<std::int32_t>& all, Index fit, Index kept) {
  const auto n = Index(all.size());
  if (n <= fit) return all;
  std::vector<std::int32_t> some;
  for (Index i = 0; i < kept; ++i) some.push_back(all[std::size_t(i * n / kept)]);
  return some;
}

/// The first state of each block that one of `states` is in.
std::vector<std::int32_t> one_per_block(const Refinement& refinement,
                                        const std::vector<std::int32_t>& states) {
  std::vector<bool> met(std::size_t(refinement.n_blocks()), false);
  std::vector<std::int32_t> out;
  for (const std::int32_t state : states) {
    if (!met[std::size_t(refinement.block(state))]) out.push_back(state);
    met[std::size_t(refinement.block(state))] = true;
  }
  return out;
}

/// Machines that are told the length: the classes of every cut.
class ThisLength {
 public:
  ThisLength(const BoundRequest& request, const Machine& machine, const StatesAfter& after)
      : request_(request), machine_(machine), after_(after), length_(request.length) {}

  Bound bound() const {
    std::vector<CutCount> cuts = count_cuts();
    const CutCount worst =
        *std::max_element(cuts.begin(), cuts.end(),
                          [](const CutCount& a, const CutCount& b) { return a.count < b.count; });
    return {.method = kName,
            .theorem = "nerode1958 thm 2, per length (docs/theory.md, Recurrent state)",
            .resource = Resource::recurrent_state_bits,
            .length = length_,
            .split = worst.split,
            .count = worst.count,
            .exact = true,
            .cuts = std::move(cuts),
            .witness = witness(worst.split)};
  }

 private:
  /// Of the states after t symbols, those that the remaining length - t tell apart.
  std::vector<CutCount> count_cuts() const {
    std::vector<CutCount> cuts(std::size_t(length_ + 1));
    for (Index t = 0; t <= length_; ++t) cuts[std::size_t(t)] = {t, 1, true};
    Pulse pulse(request_);
    Refinement refinement(machine_.dfa);
    std::vector<Index> met(std::size_t(machine_.dfa.n_states), -1);
    std::vector<Index> known;  // of the lists, once nothing more is told apart
    Index hits = 0;
    for (Index t = length_; t >= 1; --t) {
      const auto list = std::size_t(after_.number(t));
      if (!known.empty() && known[list] >= 0) {
        cuts[std::size_t(t)].count = long(known[list]);
        continue;
      }
      Index count = 0;
      for (const std::int32_t state : after_.at(t))
        if (std::exchange(met[std::size_t(refinement.block(state))], t) != t) ++count;
      cuts[std::size_t(t)].count = long(count);
      if (!known.empty())
        known[list] = count;
      else if (!refinement.refine())
        known.assign(std::size_t(length_), -1);
      if ((hits += Index(after_.at(t).size())) > kMaxHits)
        throw Error(
            ErrorKind::spec,
            "counting the classes of an automaton of " + std::to_string(machine_.dfa.n_states) +
                " states at every cut takes up to " +
                std::to_string(machine_.dfa.n_states * length_) + " look-ups; its limit is 2^33",
            kName, "take a shorter length");
      pulse("counting the classes of every cut", double(length_ - t) / double(length_));
    }
    return cuts;
  }

  Json witness(Index split) const {
    Refinement refinement(machine_.dfa);
    while (refinement.round() < length_ - split && refinement.refine()) continue;
    if (split == 0)
      return {{"kind", kPrefixesKind},
              {"prefixes", Json::array({Json::array()})},
              {"suffixes", Json::array()}};
    const WitnessSize size = prefixes_size(length_);
    const auto chosen =
        select(one_per_block(refinement, after_.at(split)), size.complete, size.selected);
    Json prefixes = Json::array();
    for (const std::int32_t state : chosen) prefixes.push_back(word(refinement, state, split));
    return {{"kind", kPrefixesKind},
            {"prefixes", prefixes},
            {"suffixes", suffixes_apart(machine_.dfa, refinement, chosen)}};
  }
  /// A word of exactly t symbols that leads to the state.
  std::vector<Token> word(const Refinement& refinement, std::int32_t state, Index t) const {
    std::vector<Token> out(std::size_t(t), 0);
    const Index alphabet = machine_.dfa.alphabet;
    for (; t > 1; --t) {
      const auto& before = after_.at(t - 1);
      const auto into = refinement.into(state);
      const auto last = *std::find_if(into.begin(), into.end(), [&](Index transition) {
        return std::binary_search(before.begin(), before.end(), transition / alphabet);
      });
      out[std::size_t(t - 1)] = Token(last % alphabet);
      state = std::int32_t(last / alphabet);
    }
    const auto& first = machine_.after_start;
    out[0] = Token(std::find(first.begin(), first.end(), Index(state)) - first.begin());
    return out;
  }

  const BoundRequest& request_;
  const Machine& machine_;
  const StatesAfter& after_;
  Index length_;
};

/// Machines that work at every length: the states of the least one.
class EveryLength {
 public:
  EveryLength(const BoundRequest& request, const Machine& machine)
      : request_(request), machine_(machine), refinement_(machine.dfa) {
    const Pulse pulse(request);
    while (refinement_.refine()) pulse.check_stop();
    std::vector<std::int32_t> states(std::size_t(machine.dfa.n_states));
    std::iota(states.begin(), states.end(), 0);
    classes_ = one_per_block(refinement_, states);
    // Nothing is asked before the first symbol: the start needs a state of its own only when it
    // agrees with no class on what follows.
    start_alone_ = std::none_of(classes_.begin(), classes_.end(), [&](std::int32_t c) {
      return first_apart(c) == machine_.dfa.alphabet;
    });
  }

  Bound bound() const {
    const Index count = Index(classes_.size()) + (start_alone_ ? 1 : 0);
    return {.method = kName,
            .theorem = "nerode1958 thm 2 (docs/theory.md, Recurrent state)",
            .resource = Resource::recurrent_state_bits,
            .length = request_.length,
            .split = 0,
            .count = long(count),
            .exact = true,
            .scope = kEveryLength,
            .witness = witness(count)};
  }

 private:
  /// First symbol after which the start and the class have different futures; the alphabet's size
  /// when there is none.
  Index first_apart(std::int32_t c) const {
    Index x = 0;
    while (x < machine_.dfa.alphabet && refinement_.block(machine_.after_start[std::size_t(x)]) ==
                                            refinement_.block(machine_.dfa.step(c, x)))
      ++x;
    return x;
  }

  Json witness(Index count) const {
    constexpr Index kTokens = Index{1} << 22;
    const WitnessSize size = words_size();
    // Of many, so few that the longest word and the longest suffix fit for each.
    const Index length = Index(machine_.word(classes_.back()).size()) + refinement_.round();
    const Index fit = std::max<Index>(2, kTokens / length);
    const bool all = count <= size.complete;
    const auto chosen =
        select(classes_, all ? count : 0, std::min({size.selected, fit, Index(classes_.size())}));
    Json prefixes = Json::array();
    for (const std::int32_t c : chosen) prefixes.push_back(machine_.word(c));
    auto suffixes = suffixes_apart(machine_.dfa, refinement_, chosen);
    if (start_alone_ && all) {
      prefixes.push_back(Json::array());
      tell_start_apart(suffixes);
    }
    return {{"kind", kWordsKind}, {"prefixes", prefixes}, {"suffixes", suffixes}};
  }
  /// Adds suffixes, none empty, so that some differ between the start and every class.
  void tell_start_apart(std::vector<std::vector<Token>>& suffixes) const {
    const auto answer = [&](Index state, const std::vector<Token>& suffix, std::size_t from) {
      for (; from < suffix.size(); ++from) state = machine_.dfa.step(state, suffix[from]);
      return machine_.dfa.output[std::size_t(state)];
    };
    const auto differs = [&](std::int32_t c, const std::vector<Token>& suffix) {
      return !suffix.empty() && answer(machine_.after_start[std::size_t(suffix[0])], suffix, 1) !=
                                    answer(c, suffix, 0);
    };
    for (const std::int32_t c : classes_) {
      if (std::any_of(suffixes.begin(), suffixes.end(),
                      [&](const auto& suffix) { return differs(c, suffix); }))
        continue;
      const Index x = first_apart(c);
      std::vector<Token> suffix = {Token(x)};
      const auto rest =
          refinement_.suffix(machine_.after_start[std::size_t(x)], machine_.dfa.step(c, x));
      suffix.insert(suffix.end(), rest.begin(), rest.end());
      suffixes.push_back(std::move(suffix));
    }
  }

  const BoundRequest& request_;
  const Machine& machine_;
  Refinement refinement_;
  std::vector<std::int32_t> classes_;  ///< a state each, that with the first word
  bool start_alone_ = false;
};

/// Two bounds for a task that is an automaton asked after every symbol: for machines that are told
/// the length, and for machines that work at every length. The first is left out when the states
/// after every number of symbols do not fit.
class DfaMinimisation final : public BoundMethod {
 public:
  using Config = DfaMinimisationConfig;
  explicit DfaMinimisation(const Config&) {}

  std::vector<Bound> compute(const BoundRequest& request) const override {
    const auto dfa = request.task.automaton();
    if (!dfa || !asks_all_strings(request, *dfa)) return {};
    const Machine machine(*dfa);
    std::vector<Bound> out;
    if (const auto after = StatesAfter::find(request, machine, request.length))
      out.push_back(ThisLength(request, machine, *after).bound());
    out.push_back(EveryLength(request, machine).bound());
    return out;
  }
  WitnessCheck check(const BoundRequest& request, const Bound& bound) const override {
    return check_prefixes_and_suffixes(request, bound);
  }
};

}  // namespace

void register_dfa_minimisation(Registry<BoundMethod>& bounds) {
  bounds.add<DfaMinimisation>(
      kName, "states of the least automaton: at this length, and for every length");
}

}  // namespace separatrix
