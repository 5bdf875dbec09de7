#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <gtest/gtest.h>

#include "separatrix/bounds/ceiling.h"
#include "tests/support/registries.h"

namespace separatrix {
namespace {

double cost(double a, Index q) {
  const double e = 1 - a;
  double h = 0;
  if (e > 0) h -= e * std::log2(e);
  if (a > 0) h -= a * std::log2(a);
  return std::log2(double(q)) - h - e * std::log2(double(q - 1));
}

struct Fixture : BoundCatalog {
  Json config(const std::string& name, const Json& parameters) const {
    return tasks.find(name).resolve(parameters, "");
  }
  RecallCeiling ceiling(const std::string& name, const Json& parameters, Index n) const {
    return RecallCeiling::of_task(name, config(name, parameters), n).value();
  }
};

TEST(RecallCeiling, EndsAreChanceAndOne) {
  for (const Index q : {2, 3, 64}) {
    const RecallCeiling ceiling = RecallCeiling::of_symbols(20, q);
    EXPECT_NEAR(ceiling.accuracy(0), 1.0 / double(q), 1e-7);
    const double all = 20 * std::log2(double(q));
    EXPECT_EQ(ceiling.accuracy(all * (1 + 1e-15)), 1);
    EXPECT_EQ(ceiling.accuracy(2 * all), 1);
    EXPECT_LT(ceiling.accuracy(all * 0.999), 1);
  }
  EXPECT_EQ(RecallCeiling::of_symbols(20, 1).accuracy(0), 1);
}

TEST(RecallCeiling, SolvesItsEquationAndGrows) {
  for (const Index q : {2, 5, 64})
    for (const Index n : {1, 7, 1000}) {
      const RecallCeiling ceiling = RecallCeiling::of_symbols(double(n), q);
      const double all = double(n) * std::log2(double(q));
      double last = 0;
      for (int i = 1; i < 40; ++i) {
        const double bits = all * i / 40;
        const double a = ceiling.accuracy(bits);
        EXPECT_NEAR(double(n) * cost(a, q), bits, 1e-9 * all + 1e-9);
        EXPECT_GT(a, last);
        last = a;
      }
    }
}

TEST(RecallCeiling, BitsAndAccuracyAreInverseAndTheLowerBoundIsBelow) {
  const Fixture f;
  const std::vector<RecallCeiling> ceilings = {
      RecallCeiling::of_symbols(20, 64), f.ceiling("mqar", Json::object(), 100),
      f.ceiling("mqar", {{"vocab_size", 16}, {"pairs", 7}}, 100),
      f.ceiling("nearest-neighbor", Json::object(), 100),
      f.ceiling("nearest-neighbor", {{"labels", 10}, {"positions", "all"}}, 100)};
  for (const RecallCeiling& ceiling : ceilings) {
    double last = -1;
    for (int i = 0; i <= 50; ++i) {
      const double a = i / 50.0, bits = ceiling.bits(a);
      EXPECT_GE(bits, last);
      EXPECT_LE(ceiling.bits_lower(a), bits);
      EXPECT_NEAR(ceiling.bits_lower(a), bits, 1e-8 * bits + 1e-9);
      if (bits > 1e-9 && i < 50) {
        EXPECT_NEAR(ceiling.accuracy(bits), a, 1e-6);
      }
      last = bits;
    }
  }
}

/// The ceiling is above what a real memory does: keep b/log2 q symbols, guess the others.
TEST(RecallCeiling, IsAboveStoringSomeAndGuessingTheRest) {
  for (const Index q : {2, 4, 64})
    for (Index kept = 0; kept <= 16; ++kept) {
      const double stored = (double(kept) + double(16 - kept) / double(q)) / 16;
      EXPECT_GE(RecallCeiling::of_symbols(16, q).accuracy(double(kept) * std::log2(double(q))),
                stored - 1e-7);
    }
}

/// The best mean accuracy of any memory of `states` states: over all maps of contents to states,
/// each read out by the most frequent symbol. contents[c][i]: symbol i; weights sum to 1.
double best_memory(const std::vector<std::vector<Index>>& contents,
                   const std::vector<double>& weights, Index states) {
  std::vector<Index> map(contents.size(), 0);
  double best = 0;
  for (bool more = true; more;) {
    double right = 0;
    for (Index s = 0; s < states; ++s)
      for (std::size_t i = 0; i < weights.size(); ++i) {
        std::map<Index, Index> seen;
        Index most = 0;
        for (std::size_t c = 0; c < contents.size(); ++c)
          if (map[c] == s) most = std::max(most, ++seen[contents[c][i]]);
        right += weights[i] * double(most);
      }
    best = std::max(best, right / double(contents.size()));
    more = false;  // contents 0 may stay in state 0
    for (std::size_t c = 1; c < map.size() && !more; ++c) {
      more = ++map[c] < states;
      if (!more) map[c] = 0;
    }
  }
  return best;
}

std::vector<std::vector<Index>> all_contents(Index n, Index q, bool distinct) {
  std::vector<std::vector<Index>> out;
  std::vector<Index> digits(std::size_t(n), 0);
  for (bool more = true; more;) {
    bool differ = true;
    for (std::size_t i = 0; i < digits.size(); ++i)
      differ = differ && std::count(digits.begin(), digits.end(), digits[i]) == 1;
    if (differ || !distinct) out.push_back(digits);
    more = false;
    for (std::size_t i = 0; i < digits.size() && !more; ++i) {
      more = ++digits[i] < q;
      if (!more) digits[i] = 0;
    }
  }
  return out;
}

TEST(RecallCeiling, NoMemoryOfIndexLookupExceedsIt) {
  const Fixture f;
  const std::vector<std::array<Index, 3>> cases = {{2, 2, 2}, {2, 2, 3}, {2, 3, 2}, {3, 2, 2},
                                                   {3, 2, 3}, {2, 3, 3}, {4, 2, 2}};
  for (const auto& [n, q, states] : cases) {
    const double best = best_memory(all_contents(n, q, false),
                                    std::vector<double>(std::size_t(n), 1.0 / double(n)), states);
    const double ceiling =
        f.ceiling("index-lookup", {{"alphabet", q}}, n).accuracy(std::log2(double(states)));
    EXPECT_LE(best, ceiling + 1e-9) << n << " " << q << " " << states;
    EXPECT_GT(best, ceiling - 0.25);  // and the ceiling says something
  }
}

TEST(RecallCeiling, NoMemoryOfMqarExceedsItEvenWhenToldTheKeys) {
  const Fixture f;
  const std::vector<std::array<Index, 3>> cases = {{5, 1, 2}, {6, 2, 2}, {6, 2, 3}, {7, 2, 2},
                                                   {8, 2, 2}, {6, 1, 2}, {6, 2, 4}};
  for (const auto& [vocabulary, pairs, states] : cases) {
    const Json config = {{"vocab_size", vocabulary}, {"pairs", pairs}};
    const Index values = vocabulary - vocabulary / 2;
    const double best =
        best_memory(all_contents(pairs, values, true),
                    std::vector<double>(std::size_t(pairs), 1.0 / double(pairs)), states);
    const double ceiling = f.ceiling("mqar", config, 4 * pairs).accuracy(std::log2(double(states)));
    EXPECT_LE(best, ceiling + 1e-9) << config.dump() << " " << states;
    EXPECT_GT(best, ceiling - 0.25) << config.dump();
  }
}

/// Calls visit(w) for every list of points, w_i the share of queries whose nearest point is i: read
/// off Task::label with a label of its own for every point. `all`: for the first j points too.
void for_each_weights(const Fixture& f, Index d, Index n,
                      const std::function<void(const std::vector<double>&)>& visit) {
  const auto task =
      f.tasks.make("nearest-neighbor", {{"dimension", d}, {"labels", std::max<Index>(n, 2)}});
  const Index size = Index{1} << d;
  Index lists = 1;
  for (Index i = 0; i < n; ++i) lists *= size;
  for (Index list = 0; list < lists; ++list) {
    std::vector<Token> tokens, targets(std::size_t(2 * n + 1));
    Index rest = list;
    for (Index i = 0; i < n; ++i, rest /= size) {
      tokens.push_back(Token(rest % size));
      tokens.push_back(Token(size + i));
    }
    tokens.push_back(0);
    std::vector<double> weights(std::size_t(n), 0.0);
    for (Index query = 0; query < size; ++query) {
      tokens.back() = Token(query);
      task->label(tokens, targets);
      weights[std::size_t(targets.back())] += 1.0 / double(size);
    }
    visit(weights);
  }
}

double mean_square(const Fixture& f, Index d, Index n) {
  double sum = 0, lists = 0;
  for_each_weights(f, d, n, [&](const std::vector<double>& w) {
    sum += std::inner_product(w.begin(), w.end(), w.begin(), 0.0);
    lists += 1;
  });
  return sum / lists;
}

TEST(NearestNeighbour, TheProbabilityOfTheSameNearestPointIsThatOfTheTask) {
  const Fixture f;
  for (const auto& [d, n] : std::vector<std::pair<Index, Index>>{
           {1, 1}, {1, 2}, {1, 5}, {2, 1}, {2, 2}, {2, 4}, {3, 2}, {3, 3}, {3, 4}}) {
    EXPECT_NEAR(same_nearest_probability(d, n, false), mean_square(f, d, n), 1e-12)
        << d << " " << n;
    double mean = 0;
    for (Index j = 1; j <= n; ++j) mean += mean_square(f, d, j) / double(n);
    EXPECT_NEAR(same_nearest_probability(d, n, true), mean, 1e-12) << d << " " << n;
  }
  EXPECT_NEAR(same_nearest_probability(8, 1'000'000, false), 1 / 256.0, 1e-12);  // all points
}

TEST(NearestNeighbour, NoMemoryExceedsTheCeilingEvenWhenToldThePoints) {
  const Fixture f;
  struct Size {
    Index d, n, labels, states;
  };
  for (const Size& s : std::vector<Size>{{1, 2, 2, 2},
                                         {1, 3, 2, 2},
                                         {2, 2, 2, 2},
                                         {2, 3, 2, 2},
                                         {2, 2, 3, 2},
                                         {2, 2, 2, 3},
                                         {3, 2, 2, 2},
                                         {1, 2, 3, 3}}) {
    const auto contents = all_contents(s.n, s.labels, false);
    std::map<std::vector<double>, double> known;  // the best depends on the weights alone
    double sum = 0, lists = 0;
    for_each_weights(f, s.d, s.n, [&](const std::vector<double>& w) {
      std::vector<double> sorted(w);
      std::sort(sorted.begin(), sorted.end());
      auto [at, is_new] = known.try_emplace(sorted, 0);
      if (is_new) at->second = best_memory(contents, sorted, s.states);
      sum += at->second;
      lists += 1;
    });
    const double ceiling =
        f.ceiling("nearest-neighbor", {{"dimension", s.d}, {"labels", s.labels}}, s.n)
            .accuracy(std::log2(double(s.states)));
    EXPECT_LE(sum / lists, ceiling + 1e-9) << s.d << " " << s.n << " " << s.labels;
  }
}

/// The convex hull of the root lies below it, and is convex.
TEST(NearestNeighbour, TheHullIsBelowTheCostAndItsRootIsConvex) {
  const Fixture f;
  for (const Index labels : {2, 3, 10, 1000}) {
    const RecallCeiling ceiling =
        f.ceiling("nearest-neighbor", {{"dimension", 1}, {"labels", labels}}, 1);
    ASSERT_NEAR(ceiling.symbols(), 1, 1e-12);
    constexpr int kSteps = 2000;
    std::vector<double> root;
    for (int i = 0; i <= kSteps; ++i) {
      const double a = 1.0 / double(labels) + (1 - 1.0 / double(labels)) * i / kSteps;
      root.push_back(std::sqrt(ceiling.bits(a)));
      EXPECT_LE(root.back() * root.back(), cost(std::min(a, 1.0), labels) + 1e-9) << a;
    }
    for (std::size_t i = 1; i + 1 < root.size(); ++i)
      EXPECT_LE(2 * root[i], root[i - 1] + root[i + 1] + 1e-9) << labels << " " << i;
  }
}

TEST(InformationCeiling, NeverExceedsTheClosedFormAndItsWitnessHolds) {
  const Fixture f;
  const auto ceiling = f.bounds.make("information-ceiling"), form = f.bounds.make("closed-form");
  const std::vector<std::pair<std::string, Json>> cases = {
      {"index-lookup", Json::object()},
      {"index-lookup", {{"alphabet", 3}}},
      {"mqar", Json::object()},
      {"mqar", {{"vocab_size", 16}, {"pairs", 7}}},
      {"nearest-neighbor", Json::object()},
      {"nearest-neighbor", {{"labels", 10}, {"positions", "all"}}}};
  for (const auto& [name, parameters] : cases)
    for (const double accuracy : {0.3, 0.9, 0.99, 1.0}) {
      const auto task = f.tasks.make(name, parameters);
      const BoundRequest request{.task = *task,
                                 .task_name = name,
                                 .task_config = f.config(name, parameters),
                                 .length = 100,
                                 .accuracy = accuracy};
      const std::vector<Bound> found = ceiling->compute(request);
      const Bound exact = form->compute(request).at(0);
      if (found.empty()) {
        EXPECT_LE(accuracy, task->chance(100)) << name;
        continue;
      }
      const Bound& bound = found[0];
      EXPECT_LE(bound.count, exact.count) << name << accuracy;
      if (accuracy == 1 && name != "nearest-neighbor") {
        EXPECT_EQ(bound.bits(), exact.bits()) << name;
      }
      const WitnessCheck check = ceiling->check(request, bound);
      EXPECT_TRUE(check.valid) << name << " " << accuracy << ": " << check.how;
      for (const auto& change : std::vector<std::function<void(Bound&)>>{
               [](Bound& b) { b.count += 1; }, [](Bound& b) { b.split += 1; },
               [](Bound& b) { b.exact = true; }, [](Bound& b) { b.scope = ""; },
               [](Bound& b) { b.witness["bits"] = b.witness["bits"].get<double>() * 1.01; },
               [](Bound& b) { b.witness["accuracy"] = 0.5; },
               [](Bound& b) { b.witness["accuracy"] = "all"; },
               [](Bound& b) { b.witness = nullptr; }}) {
        Bound wrong = bound;
        change(wrong);
        EXPECT_FALSE(ceiling->check(request, wrong).valid) << name << " " << accuracy;
      }
    }
}

TEST(Bound, BitsIsTheCeilingOfTheLogarithm) {
  Bound bound;
  const std::pair<long, Index> cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}, {65, 7}};
  for (const auto& [count, bits] : cases) {
    bound.count = count;
    EXPECT_EQ(bound.bits(), bits) << count;
  }
  mpz_ui_pow_ui(bound.count.get_mpz_t(), 64, 20);
  EXPECT_EQ(bound.bits(), 120);
  bound.count += 1;
  EXPECT_EQ(bound.bits(), 121);
  EXPECT_EQ(to_json(bound).at("resource"), "recurrent_state_bits");
  EXPECT_EQ(to_json(bound).at("count"), bound.count.get_str());
}

}  // namespace
}  // namespace separatrix
