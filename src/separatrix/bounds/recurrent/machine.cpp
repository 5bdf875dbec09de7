#include "separatrix/bounds/recurrent/machine.h"

#include <algorithm>
#include <map>
#include <utility>

#include "separatrix/bounds/recurrent/pulse.h"

namespace separatrix {

Machine::Machine(const Dfa& whole) {
  std::vector<std::int32_t> number(std::size_t(whole.n_states), -1);
  std::vector<Index> reached;
  const auto meet = [&](Index state, Arrival arrival) {
    std::int32_t& n = number[std::size_t(state)];
    if (n < 0) {
      n = std::int32_t(reached.size());
      reached.push_back(state);
      arrivals.push_back(arrival);
    }
    return Index(n);
  };
  dfa.alphabet = whole.alphabet;
  for (Index x = 0; x < whole.alphabet; ++x)
    after_start.push_back(meet(whole.step(0, x), {-1, Token(x)}));
  for (std::size_t i = 0; i < reached.size(); ++i) {
    for (Index x = 0; x < whole.alphabet; ++x)
      dfa.next.push_back(meet(whole.step(reached[i], x), {std::int32_t(i), Token(x)}));
    dfa.output.push_back(whole.output[std::size_t(reached[i])]);
  }
  dfa.n_states = Index(reached.size());
}

std::vector<Token> Machine::word(Index state) const {
  std::vector<Token> out;
  for (auto s = std::int32_t(state); s >= 0; s = arrivals[std::size_t(s)].from)
    out.push_back(arrivals[std::size_t(s)].symbol);
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::vector<Token>> suffixes_apart(const Dfa& dfa, const Refinement& refinement,
                                               std::vector<std::int32_t> states) {
  std::vector<std::vector<Token>> suffixes;
  std::vector<std::int32_t> group(states.size(), 0);  // those alone in theirs are dropped
  while (states.size() > 1) {
    const auto mate = std::find(group.begin() + 1, group.end(), group[0]) - group.begin();
    suffixes.push_back(refinement.suffix(states[0], states[std::size_t(mate)]));
    std::map<std::pair<std::int32_t, std::int32_t>, std::pair<std::int32_t, Index>> parts;
    for (std::size_t i = 0; i < states.size(); ++i) {
      Index at = states[i];
      for (const Token symbol : suffixes.back()) at = dfa.step(at, symbol);
      const std::pair key(group[i], dfa.output[std::size_t(at)]);
      auto& part = parts.try_emplace(key, std::int32_t(parts.size()), 0).first->second;
      group[i] = part.first;
      ++part.second;
    }
    std::vector<Index> sizes(parts.size());
    for (const auto& [key, part] : parts) sizes[std::size_t(part.first)] = part.second;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < states.size(); ++i)
      if (sizes[std::size_t(group[i])] > 1) {
        states[kept] = states[i];
        group[kept++] = group[i];
      }
    states.resize(kept);
    group.resize(kept);
  }
  return suffixes;
}

std::optional<StatesAfter> StatesAfter::find(const BoundRequest& request, const Machine& machine,
                                             Index length) {
  constexpr Index kMaxEntries = Index{1} << 27;
  Pulse pulse(request);
  StatesAfter out;
  std::vector<std::int32_t> now(machine.after_start.begin(), machine.after_start.end()), next;
  std::vector<Index> met(std::size_t(machine.dfa.n_states), -1);
  Index entries = 0, checkpoint = 0;  // Brent: compared with list 0, 1, 3, 7, ..
  for (Index t = 1; t <= length; ++t) {
    std::sort(now.begin(), now.end());
    now.erase(std::unique(now.begin(), now.end()), now.end());
    const Index i = t - 1;
    if (i > 0 && now == out.lists_[std::size_t(checkpoint)]) {
      out.from_ = checkpoint;
      out.period_ = i - checkpoint;
      return out;
    }
    if (i > 0 && (i & (i + 1)) == 0) checkpoint = i;
    if ((entries += Index(now.size()) + 8) > kMaxEntries) return std::nullopt;
    out.lists_.push_back(now);
    next.clear();
    for (const std::int32_t state : now)
      for (Index x = 0; x < machine.dfa.alphabet; ++x) {
        const Index to = machine.dfa.step(state, x);
        if (std::exchange(met[std::size_t(to)], t) != t) next.push_back(std::int32_t(to));
      }
    now.swap(next);
    pulse("following the automaton", double(t) / double(length));
  }
  return out;
}

}  // namespace separatrix
