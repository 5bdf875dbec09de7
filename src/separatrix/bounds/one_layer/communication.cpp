#include "separatrix/bounds/one_layer/communication.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "separatrix/base/error.h"
#include "separatrix/tasks/instances.h"

namespace separatrix::one_layer {
namespace {

using Tokens = std::vector<Token>;

}  // namespace

void throw_if_stopped(const BoundRequest& request) {
  if (request.stop != nullptr && *request.stop) throw Error(ErrorKind::io, "stopped");
}

Index asked_position(const Task& task, Index length) {
  constexpr Index kSamples = 32;
  Index asked = -1;
  Tokens tokens(std::size_t(task.info(length).n_tokens)), targets(tokens.size());
  for (Index i = 0; i < kSamples; ++i) {
    Rng rng(0, RngUse::search, std::uint64_t(i));
    task.sample(rng, tokens);
    task.label(tokens, targets);
    for (Index t = Index(tokens.size()) - 1; t > asked; --t)
      if (targets[std::size_t(t)] != kIgnore) asked = t;
  }
  return asked;
}

std::vector<Index> bob_positions(const Division& division, Index n_tokens) {
  std::vector<Index> out;
  std::size_t next = 0;
  for (Index t = 0; t < n_tokens; ++t) {
    if (next < division.alice.size() && division.alice[next] == t)
      ++next;
    else if (t != division.asked)
      out.push_back(t);
  }
  return out;
}

AnswerMatrix label_matrix(const BoundRequest& request, Division division,
                          std::vector<std::vector<Token>> rows,
                          std::vector<std::vector<Token>> columns, bool check_legal) {
  const Index n_tokens = request.task.info(request.length).n_tokens;
  const std::vector<Index> bob = bob_positions(division, n_tokens);
  AnswerMatrix out{std::move(division), std::move(rows), std::move(columns), {}, true};
  out.answers.resize(out.rows.size() * out.columns.size());
  Tokens tokens(std::size_t(n_tokens), out.division.last), targets(tokens.size());
  std::size_t at = 0;
  for (const Tokens& row : out.rows) {
    throw_if_stopped(request);
    for (std::size_t i = 0; i < row.size(); ++i)
      tokens[std::size_t(out.division.alice[i])] = row[i];
    for (const Tokens& column : out.columns) {
      for (std::size_t i = 0; i < column.size(); ++i) tokens[std::size_t(bob[i])] = column[i];
      Token answer = kIgnore;
      if (!check_legal || begins_instance(request.task, request.length, tokens)) {
        request.task.label(tokens, targets);
        answer = targets[std::size_t(out.division.asked)];
      }
      out.total = out.total && answer != kIgnore;
      out.answers[at++] = answer;
    }
  }
  return out;
}

namespace {

bool differ(const AnswerMatrix& m, Index a, Index b) {
  for (Index c = 0; c < m.n_columns(); ++c) {
    const Token x = m.at(a, c), y = m.at(b, c);
    if (x != y && x != kIgnore && y != kIgnore) return true;
  }
  return false;
}

AnswerMatrix selected(const AnswerMatrix& m, const std::vector<Index>& rows,
                      const std::vector<Index>& columns) {
  AnswerMatrix out{m.division, {}, {}, {}, m.total};
  for (const Index c : columns) out.columns.push_back(m.columns[std::size_t(c)]);
  for (const Index r : rows) {
    out.rows.push_back(m.rows[std::size_t(r)]);
    for (const Index c : columns) out.answers.push_back(m.at(r, c));
  }
  return out;
}

}  // namespace

AnswerMatrix distinguishable(const AnswerMatrix& m) {
  std::map<Tokens, Index> met;
  std::vector<Index> rows, columns;
  for (Index r = 0; r < m.n_rows(); ++r) {
    const auto begin = m.answers.begin() + r * m.n_columns();
    if (met.try_emplace(Tokens(begin, begin + m.n_columns()), r).second) rows.push_back(r);
  }
  met.clear();
  for (Index c = 0; c < m.n_columns(); ++c) {
    Tokens column;
    for (const Index r : rows) column.push_back(m.at(r, c));
    if (met.try_emplace(std::move(column), c).second) columns.push_back(c);
  }
  if (m.total) return selected(m, rows, columns);
  const AnswerMatrix small = selected(m, rows, columns);
  std::vector<Index> kept, all(columns.size());
  std::iota(all.begin(), all.end(), 0);
  for (Index r = 0; r < small.n_rows(); ++r)
    if (std::all_of(kept.begin(), kept.end(), [&](Index k) { return differ(small, r, k); }))
      kept.push_back(r);
  return selected(small, kept, all);
}

std::vector<Index> telling_columns(const AnswerMatrix& m) {
  std::vector<Index> columns;
  if (m.total) {  // classes of rows that the columns so far leave together
    std::vector<std::vector<Index>> groups(1);
    for (Index r = 0; r < m.n_rows(); ++r) groups[0].push_back(r);
    for (Index c = 0; c < m.n_columns() && Index(groups.size()) < m.n_rows(); ++c) {
      std::vector<std::vector<Index>> finer;
      for (const auto& group : groups) {
        std::map<Token, std::vector<Index>> by_answer;
        for (const Index r : group) by_answer[m.at(r, c)].push_back(r);
        for (auto& [answer, part] : by_answer) finer.push_back(std::move(part));
      }
      if (finer.size() > groups.size()) columns.push_back(c);
      groups = std::move(finer);
    }
    return columns;
  }
  const auto apart = [&](Index a, Index b, Index c) {
    const Token x = m.at(a, c), y = m.at(b, c);
    return x != y && x != kIgnore && y != kIgnore;
  };
  for (Index a = 0; a < m.n_rows(); ++a)
    for (Index b = 0; b < a; ++b) {
      if (std::any_of(columns.begin(), columns.end(), [&](Index c) { return apart(a, b, c); }))
        continue;
      Index c = 0;
      while (!apart(a, b, c)) ++c;
      columns.push_back(c);
    }
  return columns;
}

std::string describe_partition(std::span<const Index> alice, std::span<const Index> free) {
  std::vector<Index> held;  // Alice's among the free ones
  std::set_intersection(alice.begin(), alice.end(), free.begin(), free.end(),
                        std::back_inserter(held));
  if (std::equal(held.begin(), held.end(), free.begin()) || held.empty()) {
    const Index n = held.empty() ? 0 : held.back() + 1;
    return "the first " + std::to_string(n) + (n == 1 ? " token" : " tokens") + " | the rest";
  }
  for (const Index parity : {0, 1}) {
    std::vector<Index> half;
    for (const Index t : free)
      if (t % 2 == parity) half.push_back(t);
    if (half == held)
      return parity == 0 ? "even positions | odd positions" : "odd positions | even positions";
  }
  std::string out = "positions";
  for (const Index t : held) out += (t == held.front() ? " " : ", ") + std::to_string(t);
  return out + " | the rest";
}

}  // namespace separatrix::one_layer
