#include "separatrix/bounds/one_layer/partition_search.h"

#include <algorithm>
#include <numeric>

#include "separatrix/base/parallel.h"
#include "separatrix/bounds/one_layer/communication.h"

namespace separatrix::one_layer {
namespace {

using Tokens = std::vector<Token>;
constexpr double kMaxWork = 0x1p31;     ///< table entries read in one search
constexpr Index kMaxEdits = 1 << 14;    ///< first changes tried for compensations
constexpr double kEditTokens = 0x1p28;  ///< tokens labelled for them
constexpr std::size_t kFewSymbols = 8;  ///< of a position: all are tried, otherwise the likely ones

std::vector<Index> chosen(const Choice& choice, const std::vector<Index>& free) {
  std::vector<Index> out;
  for (std::size_t i = 0; i < free.size(); ++i)
    if (choice[i]) out.push_back(free[i]);
  return out;
}

/// Symbols that may stand at t instead: all when few, else those of two positions of the input.
Tokens replacements(const Task& task, Index length, const Tokens& tokens, Index t, Index other) {
  const Tokens legal = task.legal_next(std::span(tokens).first(std::size_t(t)), length);
  Tokens out;
  for (const Token token : legal) {
    const bool likely = legal.size() <= kFewSymbols || token == tokens[std::size_t(other)];
    if (likely && token != tokens[std::size_t(t)]) out.push_back(token);
  }
  return out;
}

/// Rows that need different messages; for a promise among the first parts only, a guide.
Index count_rows(const AnswerTable& table, std::uint64_t alice) {
  constexpr Index kGuideRows = 64;
  return table.total ? row_classes(table, alice, false).count
                     : pairwise_different_rows(table, alice, kGuideRows);
}

/// score[mask] for every choice, in parallel; what is written does not depend on the threads.
std::vector<Index> all_scores(const BoundRequest& request, const AnswerTable& table,
                              const std::vector<Index>& free) {
  const Index n = Index{1} << free.size();
  std::vector<Index> scores(std::size_t(n), 0);
  parallel_for(request.threads, n, [&](std::size_t, Index choice) {
    throw_if_stopped(request);
    std::uint64_t alice = 0;
    for (std::size_t i = 0; i < free.size(); ++i)
      if ((choice >> i & 1) != 0) alice |= table.masks[std::size_t(free[i])];
    scores[std::size_t(choice)] = count_rows(table, alice);
  });
  return scores;
}

BestPartition best_of_all(const BoundRequest& request, const AnswerTable& table, Measure measure) {
  const std::vector<Index> free = table.free_positions();
  std::vector<Index> scores = all_scores(request, table, free);
  if (measure == Measure::leaves)  // Bob's rows are the columns
    for (std::size_t i = 0, last = scores.size() - 1; i <= last / 2; ++i)
      scores[i] = scores[last - i] = std::min(scores[i], scores[last - i]);
  const auto earlier = [&](Index a, Index b) {
    const Index first = (a ^ b) & -(a ^ b);
    return (a & first) != 0;
  };
  Index best = 0;
  for (Index i = 1; i < Index(scores.size()); ++i) {
    const Index gain = scores[std::size_t(i)] - scores[std::size_t(best)];
    if (gain > 0 || (gain == 0 && earlier(i, best))) best = i;
  }
  Choice choice;
  for (std::size_t i = 0; i < free.size(); ++i) choice.push_back((best >> i & 1) != 0);
  return {chosen(choice, free), scores[std::size_t(best)], true};
}

BestPartition best_prefix(const AnswerTable& table) {
  BestPartition best{{}, 0, true};
  std::vector<Index> prefix;
  for (Index t = 0; t <= table.asked; ++t) {
    const Index score = count_rows(table, table.mask(prefix));
    if (score > best.score) best = {prefix, score, true};
    prefix.push_back(t);
  }
  return best;
}

}  // namespace

Choice hill_climb(const Objective& objective, Choice start, Index evaluations, double noise) {
  Choice best = std::move(start);
  Index score = objective(best);
  const auto better = [&](const Choice& candidate) {
    if (--evaluations < 0) return false;
    const Index found = objective(candidate);
    if (double(found) <= double(score) * (1 + noise)) return false;
    score = found;
    best = candidate;
    return true;
  };
  for (bool improved = true; improved && evaluations > 0;) {
    improved = false;
    for (std::size_t i = 0; i < best.size(); ++i) {
      Choice moved(best);
      moved[i] = !moved[i];
      improved = better(moved) || improved;
    }
    for (std::size_t i = 0; i < best.size() && !improved; ++i)
      for (std::size_t j = 0; j < i && !improved; ++j) {
        if (best[i] == best[j]) continue;
        Choice swapped(best);
        swapped[i] = !swapped[i];
        swapped[j] = !swapped[j];
        improved = better(swapped);
      }
  }
  return best;
}

Compensations find_compensations(const BoundRequest& request, Index asked, Token last,
                                 const std::vector<Index>& free) {
  const Task& task = request.task;
  Compensations out{std::vector<std::map<Index, double>>(free.size())};
  Tokens tokens(std::size_t(task.info(request.length).n_tokens)), targets(tokens.size());
  const auto answer = [&] {
    task.label(tokens, targets);
    return targets[std::size_t(asked)];
  };
  // Only a guide to partitions: whether every edited input is an instance does not matter here.
  const double per_edit = double(free.size()) * 3 * double(tokens.size());
  const Index edits = std::clamp<Index>(Index(kEditTokens / std::max(1.0, per_edit)), 8, kMaxEdits);
  for (Index e = 0; e < edits && !free.empty(); ++e) {
    if (e % 64 == 0) throw_if_stopped(request);
    Rng rng(1, RngUse::search, std::uint64_t(e));
    task.sample(rng, tokens);
    tokens[std::size_t(asked)] = last;
    const Token right = answer();
    const std::size_t i = std::size_t(rng.below(Index(free.size())));
    Token& changed = tokens[std::size_t(free[i])];
    const Token old = changed;
    const Tokens others =
        task.legal_next(std::span<const Token>(tokens).first(std::size_t(free[i])), request.length);
    if (others.empty()) continue;
    changed = others[std::size_t(rng.below(Index(others.size())))];
    if (right == kIgnore || changed == old || answer() == right) continue;
    std::vector<std::size_t> made_up;
    for (std::size_t j = 0; j < free.size(); ++j) {
      if (j == i) continue;
      Token& second = tokens[std::size_t(free[j])];
      const Token kept = second;
      for (const Token token : replacements(task, request.length, tokens, free[j], free[i])) {
        second = token;
        if (answer() != right) continue;
        made_up.push_back(j);
        break;
      }
      second = kept;
    }
    // Where any change will do, none says much.
    for (const std::size_t j : made_up) {
      out.weight[i][Index(j)] += 1 / double(made_up.size());
      out.weight[j][Index(i)] += 1 / double(made_up.size());
    }
  }
  return out;
}

Choice split_compensations(const Compensations& c) {
  constexpr double kFaint = 0.1;  // of the heaviest edge at either end: chance
  const std::size_t n = c.weight.size();
  std::vector<double> heaviest(n, 0);
  for (std::size_t i = 0; i < n; ++i)
    for (const auto& [j, w] : c.weight[i]) heaviest[i] = std::max(heaviest[i], w);
  struct Edge {
    double weight;
    std::size_t i, j;
  };
  std::vector<Edge> edges;
  for (std::size_t i = 0; i < n; ++i)
    for (const auto& [j, w] : c.weight[i])
      if (std::size_t(j) < i && w >= kFaint * std::min(heaviest[i], heaviest[std::size_t(j)]))
        edges.push_back({w, i, std::size_t(j)});
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge& a, const Edge& b) { return a.weight > b.weight; });
  // Trees grow together, heaviest edge first; joining two turns one over where that is needed.
  std::vector<std::size_t> tree(n);
  std::iota(tree.begin(), tree.end(), 0);
  Choice side(n, true);
  for (const Edge& edge : edges) {
    const std::size_t from = std::max(tree[edge.i], tree[edge.j]),
                      into = std::min(tree[edge.i], tree[edge.j]);
    if (from == into) continue;
    const bool turn = side[edge.i] == side[edge.j];
    for (std::size_t t = 0; t < n; ++t)
      if (tree[t] == from) {
        tree[t] = into;
        if (turn) side[t] = !side[t];
      }
  }
  const auto gain = [&](std::size_t i) {  // of moving i to the other side
    double sum = 0;
    for (const auto& [j, w] : c.weight[i]) sum += side[i] == side[std::size_t(j)] ? w : -w;
    return sum;
  };
  const double least = 1e-9 * std::accumulate(heaviest.begin(), heaviest.end(), 0.0);
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t i = 0; i < n; ++i)
      if (gain(i) > least + kFaint * heaviest[i]) {
        side[i] = !side[i];
        moved = true;
      }
  }
  return side;
}

BestPartition best_partition(const BoundRequest& request, const AnswerTable& table,
                             Measure measure) {
  const std::vector<Index> free = table.free_positions();
  if (measure == Measure::prefix_rows) return best_prefix(table);
  const double entries = double(table.entries.size()) + 1;
  if (Index(free.size()) <= kMaxExhaustive && entries * double(Index{1} << free.size()) <= kMaxWork)
    return best_of_all(request, table, measure);
  const Objective score = [&](const Choice& choice) {
    throw_if_stopped(request);
    const std::uint64_t alice = table.mask(chosen(choice, free));
    const Index rows = count_rows(table, alice);
    if (measure != Measure::leaves) return rows;
    return std::min(rows, count_rows(table, ~alice));
  };
  const Index evaluations = std::clamp<Index>(Index(kMaxWork / 8 / entries), 16, 4096);
  Choice start = split_compensations(find_compensations(request, table.asked, table.last, free));
  BestPartition best;
  for (std::uint64_t attempt = 0; attempt < 4; ++attempt) {
    if (request.progress) request.progress("searching partitions", double(attempt) / 4);
    const Choice found = hill_climb(score, start, evaluations);
    if (const Index rows = score(found); rows > best.score)
      best = {chosen(found, free), rows, false};
    Rng rng(2, RngUse::search, attempt);
    for (std::size_t i = 0; i < start.size(); ++i) start[i] = rng.coin();
  }
  return best;
}

}  // namespace separatrix::one_layer
