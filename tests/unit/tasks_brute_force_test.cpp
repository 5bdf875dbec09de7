// Every task against a second definition, written another way from the words of docs/tasks.md. All
// token sequences of the right size are tried: those that the definition calls instances must be
// exactly the ones that legal_next spells, and label must answer what the definition answers.
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/tasks/task.h"

namespace separatrix {
namespace {

using Tokens = std::vector<Token>;
/// Targets of an instance; nullopt for a sequence that is none.
using Definition = std::function<std::optional<Tokens>(const Tokens&)>;

void expect_same(const std::string& name, const Json& config, Index length,
                 const Definition& definition) {
  SCOPED_TRACE(name + " " + config.dump() + " length " + std::to_string(length));
  Registry<Task> registry("task");
  register_tasks(registry);
  const auto task = registry.make(name, config);
  const TaskInfo info = task->info(length);
  std::set<Tokens> spelt;
  for_each_instance(*task, length, [&](std::span<const Token> tokens) {
    return spelt.emplace(tokens.begin(), tokens.end()).second;
  });
  ASSERT_FALSE(spelt.empty());

  Tokens tokens(std::size_t(info.n_tokens), 0), targets(tokens.size());
  std::size_t instances = 0;
  for (bool more = true; more;) {
    task->label(tokens, targets);  // must also be safe on what is no instance
    if (const auto expected = definition(tokens)) {
      ++instances;
      ASSERT_TRUE(spelt.count(tokens)) << testing::PrintToString(tokens);
      ASSERT_EQ(targets, *expected) << testing::PrintToString(tokens);
    }
    more = false;
    for (std::size_t t = tokens.size(); t-- > 0 && !more; more = tokens[t] != 0)
      tokens[t] = tokens[t] + 1 == info.vocab_size ? 0 : tokens[t] + 1;
  }
  EXPECT_EQ(instances, spelt.size());
}

/// All ignored but the last.
Tokens only_last(std::size_t size, Token target) {
  Tokens targets(size, kIgnore);
  targets.back() = target;
  return targets;
}

TEST(BruteForce, IndexLookup) {
  for (const Index q : {2, 3})
    for (const Index N : {1, 2, 4})
      for (const bool first : {false, true})
        expect_same("index-lookup", {{"alphabet", q}, {"query", first ? "first" : "last"}}, N,
                    [=](const Tokens& tokens) -> std::optional<Tokens> {
                      Tokens rotated = tokens;  // query last in either case
                      if (first) std::rotate(rotated.begin(), rotated.begin() + 1, rotated.end());
                      if (rotated.back() < q) return std::nullopt;
                      const Token query = rotated.back();
                      rotated.pop_back();
                      for (const Token s : rotated)
                        if (s >= q) return std::nullopt;
                      // Drop what stands before the position: the answer comes to the front.
                      rotated.erase(rotated.begin(), rotated.begin() + (query - q));
                      return only_last(tokens.size(), rotated.front());
                    });
}

/// What is left of a string of brackets when "()" pairs of one type are removed until there is
/// none.
Tokens reduce(Tokens word, Index types) {
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = 0; i + 1 < word.size() && !again; ++i)
      if (word[i] < types && word[i + 1] == word[i] + types) {
        word.erase(word.begin() + std::ptrdiff_t(i), word.begin() + std::ptrdiff_t(i) + 2);
        again = true;
      }
  }
  return word;
}

/// Most opening brackets minus closing ones in any prefix.
Index nesting(const Tokens& word, Index types) {
  std::vector<Index> steps, heights;
  for (const Token bracket : word) steps.push_back(bracket < types ? 1 : -1);
  std::partial_sum(steps.begin(), steps.end(), std::back_inserter(heights));
  return heights.empty() ? 0 : *std::max_element(heights.begin(), heights.end());
}

/// The brackets between BOS and EOS; nullopt when the frame or a bracket is wrong.
std::optional<Tokens> brackets_of(const Tokens& tokens, Index types) {
  if (tokens.front() != 2 * types || tokens.back() != 2 * types + 1) return std::nullopt;
  const Tokens word(tokens.begin() + 1, tokens.end() - 1);
  for (const Token bracket : word)
    if (bracket >= 2 * types) return std::nullopt;
  return word;
}

TEST(BruteForce, BoundedDyckRecognition) {
  for (const auto& [n, k, N] : std::vector<std::tuple<Index, Index, Index>>{
           {1, 1, 4}, {1, 2, 6}, {1, 4, 8}, {2, 1, 4}, {2, 2, 4}, {2, 2, 6}, {3, 2, 4}})
    expect_same("bounded-dyck", {{"types", n}, {"depth", k}}, N,
                [n = n, k = k](const Tokens& tokens) -> std::optional<Tokens> {
                  const auto word = brackets_of(tokens, n);
                  if (!word) return std::nullopt;
                  const bool in = reduce(*word, n).empty() && nesting(*word, n) <= k;
                  return only_last(tokens.size(), in);
                });
}

TEST(BruteForce, BoundedDyckNextToken) {
  for (const auto& [n, k, N] : std::vector<std::tuple<Index, Index, Index>>{
           {1, 1, 4}, {1, 2, 8}, {1, 4, 8}, {2, 1, 4}, {2, 2, 4}, {2, 2, 6}, {3, 2, 4}})
    expect_same("bounded-dyck", {{"types", n}, {"depth", k}, {"mode", "next-token"}}, N,
                [n = n, k = k](const Tokens& tokens) -> std::optional<Tokens> {
                  const auto word = brackets_of(tokens, n);
                  if (!word || !reduce(*word, n).empty() || nesting(*word, n) > k)
                    return std::nullopt;
                  Tokens targets;
                  for (std::size_t t = 0; t <= word->size(); ++t) {
                    const Tokens open =
                        reduce(Tokens(word->begin(), word->begin() + std::ptrdiff_t(t)), n);
                    if (open.empty())
                      targets.push_back(0);
                    else if (Index(open.size()) < k)
                      targets.push_back(1 + 2 * open.back());
                    else
                      targets.push_back(2 + 2 * open.back());
                  }
                  targets.push_back(kIgnore);  // nothing follows EOS
                  return targets;
                });
}

/// The two strings of a paired layout as text; nullopt when the last token is not `eos` or another
/// is.
std::optional<std::pair<std::string, std::string>> two_strings(const Tokens& tokens, Token eos,
                                                               bool interleaved) {
  std::string text;
  for (const Token token : tokens) text += char('a' + token);
  if (text.find(char('a' + eos)) != text.size() - 1) return std::nullopt;
  text.pop_back();
  if (!interleaved) return std::pair(text.substr(0, text.size() / 2), text.substr(text.size() / 2));
  std::string x, y;
  while (!text.empty()) {
    y += text.back();
    x += text[text.size() - 2];
    text.resize(text.size() - 2);
  }
  return std::pair(x, y);
}

TEST(BruteForce, StringEquality) {
  for (const Index q : {2, 3})
    for (const Index N : {2, 4, 6})
      for (const bool interleaved : {false, true})
        expect_same("string-equality",
                    {{"alphabet", q}, {"layout", interleaved ? "interleaved" : "halves"}}, N,
                    [=](const Tokens& tokens) -> std::optional<Tokens> {
                      const auto xy = two_strings(tokens, Token(q), interleaved);
                      if (!xy) return std::nullopt;
                      return only_last(tokens.size(), xy->first == xy->second);
                    });
}

TEST(BruteForce, SetDisjointness) {
  for (const Index N : {2, 4, 6, 8})
    for (const bool interleaved : {false, true})
      expect_same("set-disjointness", {{"layout", interleaved ? "interleaved" : "halves"}}, N,
                  [=](const Tokens& tokens) -> std::optional<Tokens> {
                    const auto xy = two_strings(tokens, 2, interleaved);
                    if (!xy) return std::nullopt;
                    std::set<std::size_t> x, y, common;
                    for (std::size_t i = 0; i < xy->first.size(); ++i) {
                      if (xy->first[i] == 'b') x.insert(i);
                      if (xy->second[i] == 'b') y.insert(i);
                    }
                    std::set_intersection(x.begin(), x.end(), y.begin(), y.end(),
                                          std::inserter(common, common.end()));
                    return only_last(tokens.size(), common.empty());
                  });
}

TEST(BruteForce, NearestNeighbor) {
  for (const auto& [d, C, N] :
       std::vector<std::tuple<Index, Index, Index>>{{1, 2, 1}, {1, 2, 3}, {2, 2, 2}, {2, 3, 2}})
    for (const bool all : {false, true})
      expect_same(
          "nearest-neighbor",
          {{"dimension", d}, {"labels", C}, {"positions", all ? "all" : "last"}}, N,
          [d = d, all](const Tokens& tokens) -> std::optional<Tokens> {
            const Token first_label = Token(1) << d;
            std::vector<std::vector<double>> points;
            Tokens labels;
            for (std::size_t t = 0; t < tokens.size(); ++t) {
              if ((tokens[t] < first_label) != (t % 2 == 0)) return std::nullopt;
              if (t % 2 == 1) {
                labels.push_back(tokens[t] - first_label);
                continue;
              }
              points.emplace_back();
              for (Index i = 0; i < d; ++i)
                points.back().push_back(tokens[t] / (1 << i) % 2 == 1 ? 1 : -1);
            }
            Tokens targets(tokens.size(), kIgnore);
            for (std::size_t query = all ? 1 : labels.size(); query <= labels.size(); ++query) {
              std::vector<std::pair<double, std::size_t>> by_distance;
              for (std::size_t j = 0; j < query; ++j) {
                double squared = 0;
                for (std::size_t i = 0; i < points[j].size(); ++i)
                  squared += (points[j][i] - points[query][i]) * (points[j][i] - points[query][i]);
                by_distance.emplace_back(squared, j);
              }
              std::sort(by_distance.begin(), by_distance.end());
              targets[2 * query] = labels[by_distance.front().second];
            }
            return targets;
          });
}

TEST(BruteForce, Mqar) {
  for (const auto& [V, k, N] : std::vector<std::tuple<Index, Index, Index>>{
           {4, 1, 4}, {6, 1, 4}, {7, 1, 6}, {5, 1, 8}, {6, 2, 8}})
    for (const bool random : {false, true})
      expect_same("mqar", {{"vocab_size", V}, {"pairs", k}, {"random_non_queries", random}}, N,
                  [V = V, k = k, random](const Tokens& tokens) -> std::optional<Tokens> {
                    std::map<Token, Token> value_of;
                    std::set<Token> values;
                    for (Index i = 0; i < k; ++i) {
                      const Token key = tokens[std::size_t(2 * i)],
                                  value = tokens[std::size_t(2 * i + 1)];
                      if (key < 1 || key >= V / 2 || value < V / 2) return std::nullopt;
                      value_of[key] = value;
                      values.insert(value);
                    }
                    if (Index(value_of.size()) < k || Index(values.size()) < k) return std::nullopt;
                    std::map<Token, int> asked;
                    Tokens targets(tokens.size(), kIgnore);
                    for (std::size_t t = std::size_t(2 * k); t < tokens.size(); ++t) {
                      if (value_of.count(tokens[t]) == 0) {
                        if (!random && tokens[t] != 0) return std::nullopt;
                        continue;
                      }
                      if (t % 2 == 1 || ++asked[tokens[t]] > 1) return std::nullopt;
                      targets[t] = value_of[tokens[t]];
                    }
                    if (Index(asked.size()) < k) return std::nullopt;
                    return targets;
                  });
}

TEST(BruteForce, Induction) {
  for (const auto& [q, N] :
       std::vector<std::tuple<Index, Index>>{{1, 2}, {1, 5}, {2, 2}, {2, 9}, {3, 7}, {5, 4}})
    expect_same("induction", {{"alphabet", q}}, N,
                [q = q](const Tokens& tokens) -> std::optional<Tokens> {
                  std::map<Token, Token> after;  // what followed each symbol, the last time
                  for (std::size_t t = 1; t < tokens.size(); ++t) after[tokens[t - 1]] = tokens[t];
                  const auto found = after.find(tokens.back());
                  return only_last(tokens.size(), found == after.end() ? Token(q) : found->second);
                });
}

TEST(BruteForce, RegularParityIsTheSumModTwo) {
  for (const bool last : {false, true})
    expect_same("regular", {{"positions", last ? "last" : "all"}}, 10,
                [=](const Tokens& tokens) -> std::optional<Tokens> {
                  Tokens targets(tokens.size(), kIgnore);
                  for (std::size_t t = last ? tokens.size() - 1 : 0; t < tokens.size(); ++t)
                    targets[t] =
                        std::accumulate(tokens.begin(), tokens.begin() + std::ptrdiff_t(t) + 1, 0) %
                        2;
                  return targets;
                });
}

// x always resets, y counts modulo 3: the output is the number of y since the last x.
TEST(BruteForce, RegularCountsSinceTheLastReset) {
  const std::string dfa =
      "{states: [two, zero, one], start: zero, alphabet: [x, y],"
      " transitions: {zero: {x: zero, y: one}, one: {x: zero, y: two}, two: {y: zero, x: zero}},"
      " outputs: {one: 1, two: 2, zero: 0}}";
  // Classes are numbered as the states from the start on use them: 0, then two (2), then one (1).
  expect_same("regular", {{"dfa", dfa}}, 8, [](const Tokens& tokens) -> std::optional<Tokens> {
    Tokens targets;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      std::size_t count = 0;
      while (count <= t && tokens[t - count] == 1) ++count;
      targets.push_back(std::vector<Token>{0, 2, 1}[count % 3]);
    }
    return targets;
  });
}

}  // namespace
}  // namespace separatrix
