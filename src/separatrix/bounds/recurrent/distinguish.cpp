#include "separatrix/bounds/recurrent/distinguish.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace separatrix {
namespace {

constexpr int kDeepest = 2000;  ///< calls of a search within one another
constexpr Index kSearchedPairs = Index{1} << 27, kSearchedPerLevel = Index{1} << 18;

/// The classes in the order in which they are tried: first the most that have one shape, as they
/// are distinguishable among themselves.
std::vector<std::int32_t> by_shape(const std::vector<std::int32_t>& shapes) {
  std::vector<Index> sizes(1 + std::size_t(*std::max_element(shapes.begin(), shapes.end())));
  for (const std::int32_t shape : shapes) ++sizes[std::size_t(shape)];
  const auto largest = std::max_element(sizes.begin(), sizes.end()) - sizes.begin();
  std::vector<std::int32_t> order(shapes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_partition(order.begin(), order.end(),
                        [&](std::int32_t c) { return shapes[std::size_t(c)] == largest; });
  return order;
}

}  // namespace

Token Distinguisher::first_step(Index level, Index a, Index b, int depth) {
  if (a == b) return kNever;
  if (a > b) std::swap(a, b);
  const ResidualLevel& classes = diagram_.levels[std::size_t(level)];
  const Token x = classes.target(a), y = classes.target(b);
  if (x != kIgnore && y != kIgnore && x != y) return kDiffersHere;
  const std::vector<Token>& tokens = classes.tokens(a);
  const auto below_a = classes.children(a);
  if (diagram_.same_shape(level, a, b)) {
    const auto below_b = classes.children(b);
    const auto at = std::mismatch(below_a.begin(), below_a.end(), below_b.begin()).first;
    return tokens[std::size_t(at - below_a.begin())];
  }
  const std::uint64_t pair = (std::uint64_t(a) << 32) | std::uint64_t(b);
  auto& known = known_[std::size_t(level)];
  if (const auto it = known.find(pair); it != known.end()) return it->second;
  if (budget_ <= 0 || depth > kDeepest) return kNever;
  --budget_;
  Token found = kNever;
  for (std::size_t i = 0; i < tokens.size() && found == kNever; ++i) {
    const std::int32_t below_b = classes.child(b, tokens[i]);
    if (below_b >= 0 && first_step(level + 1, below_a[i], below_b, depth + 1) != kNever)
      found = tokens[i];
  }
  known_[std::size_t(level)].emplace(pair, found);
  return found;
}

std::optional<std::vector<Token>> Distinguisher::suffix(Index level, Index a, Index b) {
  std::vector<Token> out;
  for (;; ++level) {
    const Token step = first_step(level, a, b, 0);
    if (step == kNever) return std::nullopt;
    if (step == kDiffersHere) return out;
    out.push_back(step);
    a = diagram_.levels[std::size_t(level)].child(a, step);
    b = diagram_.levels[std::size_t(level)].child(b, step);
  }
}

std::vector<std::int32_t> distinguishable_classes(const ResidualDiagram& diagram, Index level) {
  const ResidualLevel& classes = diagram.levels[std::size_t(level)];
  if (diagram.is_total(level)) {
    std::vector<std::int32_t> all(std::size_t(classes.n_classes()));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  const Index budget = std::max(kSearchedPerLevel, kSearchedPairs / Index(diagram.levels.size()));
  Distinguisher distinguisher(diagram, budget);
  Index compared = 0;
  // Those with another target are apart at once, if both are asked.
  std::map<Token, std::vector<std::int32_t>> chosen;
  const auto apart_from = [&](std::int32_t c, const std::vector<std::int32_t>& others) {
    compared += Index(others.size());
    return compared <= 4 * budget && std::all_of(others.begin(), others.end(), [&](std::int32_t d) {
             return distinguisher.apart(level, d, c);
           });
  };
  for (const std::int32_t c : by_shape(diagram.shapes[std::size_t(level)])) {
    const Token target = classes.target(c);
    bool apart = true;
    for (const auto& [other, members] : chosen)
      if (apart && (target == kIgnore || other == kIgnore || other == target))
        apart = apart_from(c, members);
    if (apart) chosen[target].push_back(c);
  }
  std::vector<std::int32_t> out;
  for (const auto& [target, members] : chosen)
    out.insert(out.end(), members.begin(), members.end());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace separatrix
