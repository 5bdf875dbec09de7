#include "separatrix/bounds/recurrent/refinement.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <numeric>
#include <tuple>

#include "separatrix/bounds/recurrent/tuple_table.h"

namespace separatrix {

Refinement::Refinement(const Dfa& dfa)
    : dfa_(dfa),
      into_first_(std::size_t(dfa.n_states + 1), 0),
      into_(dfa.next.size()),
      block_(std::size_t(dfa.n_states)),
      place_(block_.size()),
      members_(block_.size()),
      nodes_(1) {
  for (const Index to : dfa.next) ++into_first_[std::size_t(to + 1)];
  std::partial_sum(into_first_.begin(), into_first_.end(), into_first_.begin());
  std::vector<Index> end(into_first_.begin(), into_first_.end() - 1);
  for (std::size_t e = 0; e < dfa.next.size(); ++e)
    into_[std::size_t(end[std::size_t(dfa.next[e])]++)] = std::int32_t(e);

  std::map<std::int32_t, std::int32_t> of_output;
  for (std::size_t s = 0; s < block_.size(); ++s) {
    const auto [at, fresh] = of_output.try_emplace(dfa.output[s], std::int32_t(blocks_.size()));
    if (fresh) blocks_.push_back({0, 0, add_node(0)});
    block_[s] = at->second;
    ++blocks_[std::size_t(at->second)].size;
  }
  Index first = 0;
  std::size_t largest = 0;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    blocks_[b].first = first;
    first += blocks_[b].size;
    if (blocks_[b].size > blocks_[largest].size) largest = b;
  }
  std::vector<Index> filled(blocks_.size(), 0);
  for (std::size_t s = 0; s < block_.size(); ++s) {
    const auto b = std::size_t(block_[s]);
    place_[s] = std::int32_t(blocks_[b].first + filled[b]++);
    members_[std::size_t(place_[s])] = std::int32_t(s);
    if (b != largest) changed_.push_back(std::int32_t(s));
  }
}

std::int32_t Refinement::add_node(std::int32_t parent) {
  const Node p = nodes_[std::size_t(parent)], j = nodes_[std::size_t(p.jump)];
  const bool equal = p.depth - j.depth == j.depth - nodes_[std::size_t(j.jump)].depth;
  nodes_.push_back({parent, equal ? j.jump : parent, p.depth + 1, std::int32_t(round_)});
  return std::int32_t(nodes_.size() - 1);
}

/// By state, then symbol: the transitions that now lead to another block than in the last round.
std::vector<Refinement::Move> Refinement::moves_into_changed() const {
  std::vector<Move> moves;
  for (const std::int32_t to : changed_)
    for (Index i = into_first_[std::size_t(to)]; i < into_first_[std::size_t(to + 1)]; ++i) {
      const Index transition = into_[std::size_t(i)];
      moves.push_back({std::int32_t(transition / dfa_.alphabet),
                       std::int32_t(transition % dfa_.alphabet), block_[std::size_t(to)]});
    }
  std::sort(moves.begin(), moves.end(), [](const Move& a, const Move& b) {
    return std::tie(a.state, a.symbol) < std::tie(b.state, b.symbol);
  });
  return moves;
}

bool Refinement::refine() {
  // States of one block agreed on the block of every successor. So those of them without a move
  // still agree, and the others agree when they have the same moves, as new numbers are new.
  const std::vector<Move> moves = moves_into_changed();
  TupleTable signatures;
  std::vector<std::tuple<std::int32_t, std::int32_t, std::int32_t>> touched;
  std::vector<std::int32_t> key;
  for (auto move = moves.begin(); move != moves.end();) {
    const std::int32_t state = move->state;
    key.clear();
    for (; move != moves.end() && move->state == state; ++move) {
      key.push_back(move->symbol);
      key.push_back(move->block);
    }
    touched.emplace_back(block(state), signatures.intern(key), state);
  }
  std::sort(touched.begin(), touched.end());
  ++round_;
  const Index before = n_blocks();
  std::vector<std::int32_t> changed;
  std::vector<Part> parts;
  for (auto it = touched.begin(); it != touched.end();) {
    const std::int32_t b = std::get<0>(*it);
    parts.clear();
    for (; it != touched.end() && std::get<0>(*it) == b; ++it)
      parts.emplace_back(std::get<1>(*it), std::get<2>(*it));
    split(b, parts, changed);
  }
  changed_ = std::move(changed);
  return n_blocks() > before;
}

void Refinement::split(std::int32_t block, const std::vector<Part>& touched,
                       std::vector<std::int32_t>& changed) {
  const Block whole = blocks_[std::size_t(block)];
  // Those touched move to the end, signature by signature; the rest stays in front.
  const Index rest = whole.size - Index(touched.size());
  std::vector<Block> ranges;
  if (rest > 0) ranges.push_back({whole.first, rest, 0});
  for (std::size_t i = touched.size(); i-- > 0;)
    swap_to(touched[i].second, whole.first + rest + Index(i));
  for (std::size_t i = 0; i < touched.size(); ++i) {
    if (i == 0 || touched[i].first != touched[i - 1].first)
      ranges.push_back({whole.first + rest + Index(i), 0, 0});
    ++ranges.back().size;
  }
  if (ranges.size() == 1) return;
  const auto largest =
      std::max_element(ranges.begin(), ranges.end(),
                       [](const Block& a, const Block& b) { return a.size < b.size; }) -
      ranges.begin();
  for (std::size_t r = 0; r < ranges.size(); ++r) {
    ranges[r].node = add_node(whole.node);
    if (std::ptrdiff_t(r) == largest) {
      blocks_[std::size_t(block)] = ranges[r];
      continue;
    }
    for (Index i = ranges[r].first; i < ranges[r].first + ranges[r].size; ++i) {
      const std::int32_t state = members_[std::size_t(i)];
      block_[std::size_t(state)] = std::int32_t(blocks_.size());
      changed.push_back(state);
    }
    blocks_.push_back(ranges[r]);
  }
}

void Refinement::swap_to(std::int32_t state, Index place) {
  const std::int32_t other = members_[std::size_t(place)];
  const std::int32_t from = place_[std::size_t(state)];
  std::swap(members_[std::size_t(place)], members_[std::size_t(from)]);
  place_[std::size_t(other)] = from;
  place_[std::size_t(state)] = std::int32_t(place);
}

Index Refinement::apart_since(Index a, Index b) const {
  if (block(a) == block(b)) return -1;
  const auto node = [&](std::int32_t n) -> const Node& { return nodes_[std::size_t(n)]; };
  std::int32_t u = blocks_[std::size_t(block(a))].node, v = blocks_[std::size_t(block(b))].node;
  if (node(u).depth < node(v).depth) std::swap(u, v);
  while (node(u).depth > node(v).depth)
    u = node(node(u).jump).depth >= node(v).depth ? node(u).jump : node(u).parent;
  while (node(u).parent != node(v).parent) {
    const bool far = node(u).jump != node(v).jump;
    u = far ? node(u).jump : node(u).parent;
    v = far ? node(v).jump : node(v).parent;
  }
  return node(u).round;
}

std::vector<Token> Refinement::suffix(Index a, Index b) const {
  std::vector<Token> out;
  for (Index since = apart_since(a, b); since > 0;) {
    assert(block(a) != block(b));
    Index x = 0, then = -1;
    for (; x < dfa_.alphabet; ++x) {
      then = apart_since(dfa_.step(a, x), dfa_.step(b, x));
      if (then >= 0 && then < since) break;
    }
    assert(x < dfa_.alphabet);
    out.push_back(Token(x));
    a = dfa_.step(a, x);
    b = dfa_.step(b, x);
    since = then;
  }
  return out;
}

}  // namespace separatrix
