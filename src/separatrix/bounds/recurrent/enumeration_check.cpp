#include <algorithm>
#include <set>

#include "separatrix/base/hash.h"
#include "separatrix/bounds/recurrent/enumeration_witness.h"

// Checks what enumeration.cpp claims, without its code: the pairs of the witness one by one through
// Task::label, and the whole count once more by writing out every row of the matrix (prefix,
// suffix) -> targets instead of folding a tree.

namespace separatrix {
namespace {

using Tokens = std::vector<Token>;

bool is_legal(const Task& task, Index length, const Tokens& tokens) {
  Tokens prefix;
  for (const Token token : tokens) {
    const Tokens next = task.legal_next(prefix, length);
    if (!std::binary_search(next.begin(), next.end(), token)) return false;
    prefix.push_back(token);
  }
  return true;
}

/// Targets from the last token of the prefix to the last of the suffix, for some completion of
/// prefix + suffix to an instance; empty when that is not legal. Sound for any completion: a
/// machine in one state gives one answer whatever comes later.
Tokens responses(const Task& task, Index length, const Tokens& prefix, const Tokens& suffix) {
  Tokens tokens(prefix);
  tokens.insert(tokens.end(), suffix.begin(), suffix.end());
  const std::size_t end = tokens.size(), total = std::size_t(task.info(length).n_tokens);
  if (end > total || !is_legal(task, length, tokens)) return {};
  while (tokens.size() < total) tokens.push_back(task.legal_next(tokens, length).front());
  Tokens targets(total);
  task.label(tokens, targets);
  if (prefix.empty()) return {targets.begin(), targets.begin() + std::ptrdiff_t(end)};
  return {targets.begin() + std::ptrdiff_t(prefix.size()) - 1,
          targets.begin() + std::ptrdiff_t(end)};
}

bool differ(const Tokens& a, const Tokens& b) {
  for (std::size_t t = 0; t < std::min(a.size(), b.size()); ++t)
    if (a[t] != kIgnore && b[t] != kIgnore && a[t] != b[t]) return true;
  return false;
}

bool all_pairs_differ(const Task& task, Index length, const std::vector<Tokens>& prefixes,
                      const std::vector<Tokens>& suffixes) {
  std::vector<std::vector<Tokens>> rows;
  for (const Tokens& prefix : prefixes) {
    std::vector<Tokens> row;
    row.reserve(suffixes.size());
    for (const Tokens& suffix : suffixes) row.push_back(responses(task, length, prefix, suffix));
    for (const std::vector<Tokens>& other : rows) {
      bool apart = false;
      for (std::size_t s = 0; s < row.size() && !apart; ++s) apart = differ(row[s], other[s]);
      if (!apart) return false;
    }
    rows.push_back(std::move(row));
  }
  return true;
}

/// Number of different rows of the matrix at the cut. Rows are compared by their SHA-256, so that
/// a collision could only make the count smaller.
Index recount(const Task& task, Index length, Index split) {
  std::set<std::string> rows;
  Tokens current, targets(std::size_t(task.info(length).n_tokens));
  std::string row;
  bool started = false;
  for_each_instance(task, length, [&](std::span<const Token> tokens) {
    const Tokens prefix(tokens.begin(), tokens.begin() + split);
    if (started && prefix != current) {
      rows.insert(sha256(row));
      row.clear();
    }
    started = true;
    current = prefix;
    task.label(tokens, targets);
    const auto append = [&](const Token& first, std::size_t n) {
      row.append(reinterpret_cast<const char*>(&first), n * sizeof(Token));
    };
    const std::size_t from = std::size_t(std::max<Index>(split - 1, 0));
    if (split < Index(tokens.size())) append(tokens[std::size_t(split)], tokens.size() - split);
    append(targets[from], targets.size() - from);
    return true;
  });
  rows.insert(sha256(row));
  return Index(rows.size());
}

}  // namespace

WitnessCheck check_enumeration(const Task& task, const Bound& bound) {
  std::vector<Tokens> prefixes, suffixes;
  try {
    if (bound.witness.at("kind") != kWitnessKind) return {false, "not a witness of this method"};
    bound.witness.at("prefixes").get_to(prefixes);
    bound.witness.at("suffixes").get_to(suffixes);
  } catch (const Json::exception&) {
    return {false, "the witness is not readable"};
  }
  const Index n = Index(prefixes.size());
  for (const Tokens& prefix : prefixes)
    if (Index(prefix.size()) != bound.split || !is_legal(task, bound.length, prefix))
      return {false, "a prefix is not one of an instance at the cut"};
  if (n < 1 || bound.count < long(n) || (n < kWitnessPrefixes && bound.count != long(n)))
    return {false, "the number of prefixes is not the count"};
  if (!all_pairs_differ(task, bound.length, prefixes, suffixes))
    return {false, "two prefixes are not told apart"};
  const std::string pairs = std::to_string(n * (n - 1) / 2) + " pairs";
  if (bound.count == long(n) && !bound.exact) return {true, "all " + pairs};
  const Index rows = recount(task, bound.length, bound.split);
  if (bound.exact ? bound.count != long(rows) : bound.count > long(rows))
    return {false, "another count of the rows gives " + std::to_string(rows)};
  const std::string what = n == rows ? "all " + pairs
                                     : pairs + " among " + std::to_string(n) + " of " +
                                           bound.count.get_str() + " classes";
  return {true, what + ", and a recount of all rows"};
}

}  // namespace separatrix
