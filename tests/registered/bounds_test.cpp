#include <map>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/bounds/recurrent/folding.h"
#include "tests/support/registries.h"

namespace separatrix {
namespace {

/// A request for a task with its defaults written out.
BoundRequest ask(const BoundCatalog& f, const Task& task, const std::string& name,
                 const Json& config, Index length) {
  return {.task = task,
          .task_name = name,
          .task_config = f.tasks.find(name).resolve(config, ""),
          .length = length};
}

std::string config_text(const std::string& name, const Json& config) {
  return name + " " + config.dump();
}

/// Tasks at sizes that brute force can do. A new task is tested with its defaults, unasked.
std::vector<std::pair<std::string, Json>> small_tasks(const Registry<Task>& tasks) {
  std::vector<std::pair<std::string, Json>> out;
  for (const std::string& name : tasks.names()) {
    const Json& parameters = tasks.find(name).parameters;
    Json small = Json::object();
    for (const Json& p : parameters) {
      if (p.at("name") == "alphabet") small["alphabet"] = 2;
      if (p.at("name") == "dimension") small["dimension"] = 2;
      if (p.at("name") == "vocab_size") small["vocab_size"] = 8;
      if (p.at("name") == "pairs") small["pairs"] = 1;
    }
    out.emplace_back(name, small);
    for (const Json& p : parameters)
      for (const auto& [key, value] : std::map<std::string, std::string>{{"query", "first"},
                                                                         {"mode", "next-token"},
                                                                         {"layout", "interleaved"},
                                                                         {"positions", "all"}})
        if (p.at("name") == key) {
          Json other = small;
          other[key] = value;
          out.emplace_back(name, other);
        }
  }
  return out;
}

std::vector<Index> small_lengths(const Task& task, Index max_instances) {
  std::vector<Index> lengths;
  for (Index n = 1; n <= 8; ++n) {
    try {
      task.check_length(n);
    } catch (const Error&) {
      continue;
    }
    Index count = 0;
    if (for_each_instance(task, n, [&](auto) { return ++count <= max_instances; }))
      lengths.push_back(n);
  }
  return lengths;
}

/// Per cut: the rows (suffix -> targets from the cut on) written out and counted; and whether all
/// prefixes have the same suffixes and are asked at the same places.
struct BruteCut {
  std::map<std::vector<Token>, std::map<std::vector<Token>, std::vector<Token>>> rows;
  Index distinct() const {
    std::set<std::map<std::vector<Token>, std::vector<Token>>> out;
    for (const auto& [prefix, row] : rows) out.insert(row);
    return Index(out.size());
  }
  bool total() const {
    std::set<std::set<std::pair<std::vector<Token>, std::vector<bool>>>> shapes;
    for (const auto& [prefix, row] : rows) {
      std::set<std::pair<std::vector<Token>, std::vector<bool>>> shape;
      for (const auto& [suffix, targets] : row) {
        std::vector<bool> asked;
        for (const Token t : targets) asked.push_back(t != kIgnore);
        shape.emplace(suffix, asked);
      }
      shapes.insert(shape);
    }
    return shapes.size() == 1;
  }
};
BruteCut brute_cut(const Task& task, Index length, Index split) {
  BruteCut out;
  for_each_instance(task, length, [&](std::span<const Token> tokens) {
    std::vector<Token> targets(tokens.size());
    task.label(tokens, targets);
    out.rows[{tokens.begin(), tokens.begin() + split}][{tokens.begin() + split, tokens.end()}] = {
        targets.begin() + std::max<Index>(split - 1, 0), targets.end()};
    return true;
  });
  return out;
}

TEST(Folding, AgreesWithBruteForceAtEveryCut) {
  const BoundCatalog f;
  for (const auto& [name, config] : small_tasks(f.tasks)) {
    const auto task = f.tasks.make(name, config);
    const std::vector<Index> lengths = small_lengths(*task, 600);
    for (const Index n : lengths) {
      const std::vector<CutCount> cuts = classes_per_cut(*task, n);
      ASSERT_EQ(Index(cuts.size()), task->info(n).n_tokens + 1) << config_text(name, config);
      for (const CutCount& cut : cuts) {
        const BruteCut brute = brute_cut(*task, n, cut.split);
        EXPECT_EQ(cut.exact, brute.total()) << config_text(name, config) << n << " " << cut.split;
        if (cut.exact)
          EXPECT_EQ(cut.count, long(brute.distinct()))
              << config_text(name, config) << " N=" << n << " cut " << cut.split;
        else
          EXPECT_LE(cut.count, long(brute.distinct()));
        EXPECT_GE(cut.count, 1);
      }
    }
  }
}

TEST(Bounds, WitnessesHoldAndTamperedOnesDoNot) {
  const BoundCatalog f;
  Index checked = 0;
  for (const auto& [name, config] : small_tasks(f.tasks)) {
    const auto task = f.tasks.make(name, config);
    for (const Index n : small_lengths(*task, 2000))
      for (const std::string& method_name : f.bounds.names()) {
        const auto method = f.bounds.make(method_name);
        const BoundRequest request = ask(f, *task, name, config, n);
        for (const Bound& bound : method->compute(request)) {
          ++checked;
          const std::string what = config_text(name, config) + " " + method_name;
          const WitnessCheck check = method->check(request, bound);
          EXPECT_TRUE(check.valid) << what << ": " << check.how;
          EXPECT_FALSE(check.how.empty());
          Bound more = bound;
          more.count += 1;
          EXPECT_FALSE(method->check(request, more).valid) << what;
          Bound other_cut = bound;
          other_cut.split += 1;
          EXPECT_FALSE(method->check(request, other_cut).valid) << what;
          Bound empty = bound;
          empty.witness = Json::object();
          EXPECT_FALSE(method->check(request, empty).valid) << what;
          if (bound.witness.contains("prefixes") && bound.count > 1) {
            Bound twice = bound;  // one class counted twice
            twice.witness["prefixes"][1] = twice.witness["prefixes"][0];
            EXPECT_FALSE(method->check(request, twice).valid) << what;
            Bound blind = bound;  // nothing tells them apart
            blind.witness["suffixes"] = Json::array();
            EXPECT_FALSE(method->check(request, blind).valid) << what;
          }
        }
      }
  }
  EXPECT_GT(checked, 10);
}

/// All cuts of a bound, as text: "0:1! 1:2 .." with ! where exact.
std::string cuts_text(const Bound& bound) {
  std::string out;
  for (const CutCount& cut : bound.cuts)
    out += std::to_string(cut.split) + ":" + cut.count.get_str() + (cut.exact ? "! " : " ");
  return out;
}

TEST(LayeredMerge, GivesTheCutsOfFolding) {
  const BoundCatalog f;
  const auto folding = f.bounds.make("folding"), layered = f.bounds.make("layered-merge");
  Index compared = 0;
  for (const auto& [name, config] : small_tasks(f.tasks)) {
    const auto task = f.tasks.make(name, config);
    for (const Index n : small_lengths(*task, 2000)) {
      const BoundRequest request = ask(f, *task, name, config, n);
      const std::vector<Bound> all = folding->compute(request), some = layered->compute(request);
      EXPECT_EQ(some.empty(), !task->streaming(n) || all.empty());
      if (some.empty() || all.empty()) continue;
      ++compared;
      EXPECT_EQ(cuts_text(some[0]), cuts_text(all[0])) << config_text(name, config) << " " << n;
      EXPECT_EQ(some[0].witness, all[0].witness) << config_text(name, config) << " " << n;
      ASSERT_EQ(Index(all[0].cuts.size()), task->info(n).n_tokens + 1);
      EXPECT_EQ(all[0].cuts[std::size_t(all[0].split)].count, all[0].count);
    }
  }
  EXPECT_GT(compared, 20);
}

/// What layered merge relies on: equal states have equal legal tokens, however they were reached.
TEST(LayeredMerge, EqualStatesMayBeFollowedByTheSame) {
  const BoundCatalog f;
  for (const auto& [name, config] : small_tasks(f.tasks)) {
    const auto task = f.tasks.make(name, config);
    for (const Index n : small_lengths(*task, 600)) {
      const auto reference = task->streaming(n);
      if (!reference) continue;
      std::map<std::pair<Index, StreamingReference::State>, std::vector<Token>> menus;
      for_each_instance(*task, n, [&](std::span<const Token> tokens) {
        StreamingReference::State state = reference->start();
        for (std::size_t t = 0; t < tokens.size(); ++t) {
          const std::vector<Token> menu = task->legal_next(tokens.first(t), n);
          const auto at = menus.try_emplace({Index(t), state}, menu).first;
          EXPECT_EQ(at->second, menu) << config_text(name, config) << " " << n << " after " << t;
          state = reference->step(state, tokens[t], Index(t));
        }
        return true;
      });
    }
  }
}

TEST(LayeredMerge, FollowsDyckOverTwoHundredBrackets) {
  const BoundCatalog f;
  const Json config = {{"types", 2}, {"depth", 4}};
  const auto task = f.tasks.make("bounded-dyck", config);
  const auto method = f.bounds.make("layered-merge");
  const BoundRequest request = ask(f, *task, "bounded-dyck", config, 200);
  const std::vector<Bound> found = method->compute(request);
  ASSERT_EQ(found.size(), 1u);
  for (const CutCount& cut : found[0].cuts) {  // theory: 1 + sum of 2^d, d = t mod 2
    const Index t = cut.split - 1;
    Index count = 1;
    if (t >= 1 && t <= 200)
      for (Index d = t % 2; d <= std::min({t, Index{4}, 200 - t}); d += 2) count += Index{1} << d;
    if (t == 201) count = 2;  // the answer
    EXPECT_EQ(cut.count, long(count)) << t;
    EXPECT_TRUE(cut.exact);
  }
  EXPECT_EQ(found[0].witness.at("prefixes").size(), 22u);
  const WitnessCheck check = method->check(request, found[0]);
  EXPECT_TRUE(check.valid);
  EXPECT_EQ(check.how, "all 231 pairs; minimality not rechecked");
}

TEST(DfaMinimisation, TellsTheLeastMachineFromTheCutsOfOneLength) {
  const BoundCatalog f;
  // "The third symbol from the end was b" needs 8 states; nothing is asked before the first symbol,
  // so the start, which agrees with "aaa" on what follows, needs none of its own.
  std::string states = "[", transitions = "{", outputs = "{";
  for (int s = 0; s < 8; ++s) {
    const std::string name = "s" + std::to_string(s), next = std::to_string(s % 4 * 2);
    states += (s > 0 ? ", " : "") + name;
    transitions += (s > 0 ? ", " : "") + name + ": {a: s" + next + ", b: s" +
                   std::to_string(s % 4 * 2 + 1) + "}";
    outputs += (s > 0 ? ", " : "") + name + (s < 4 ? ": no" : ": yes");
  }
  const Json config = {{"dfa", "{states: " + states +
                                   "], alphabet: [a, b], start: s0, transitions: " + transitions +
                                   "}, outputs: " + outputs + "}}"}};
  const auto task = f.tasks.make("regular", config);
  const auto method = f.bounds.make("dfa-minimisation");
  const BoundRequest request = ask(f, *task, "regular", config, 10);
  const std::vector<Bound> found = method->compute(request);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(cuts_text(found[0]), "0:1! 1:2! 2:4! 3:8! 4:8! 5:8! 6:8! 7:8! 8:8! 9:4! 10:2! ");
  EXPECT_EQ(found[0].split, 3);
  EXPECT_EQ(found[1].count, 8);
  EXPECT_EQ(found[1].scope, "machines that work at every length");
  EXPECT_EQ(method->check(request, found[0]).how, "all 28 pairs, and a recount of all rows");
  EXPECT_EQ(method->check(request, found[1]).how, "all 28 pairs; minimality not rechecked");
}

TEST(Bounds, StrangersWitnessesAreAnsweredNotTrusted) {
  const BoundCatalog f;
  const auto task = f.tasks.make("regular");
  for (const std::string method_name : {"folding", "layered-merge", "dfa-minimisation"}) {
    const auto method = f.bounds.make(method_name);
    const BoundRequest request = ask(f, *task, "regular", Json::object(), 6);
    for (const Bound& bound : method->compute(request)) {
      EXPECT_TRUE(method->check(request, bound).valid);
      const auto rejects = [&](const std::string& what, const auto& change) {
        Bound other = bound;
        change(other);
        const WitnessCheck check = method->check(request, other);
        EXPECT_FALSE(check.valid) << method_name << " " << bound.scope << ": " << what;
        EXPECT_FALSE(check.how.empty());
      };
      for (const char* key : {"prefixes", "suffixes"})
        for (const Json& wrong :
             {Json(), Json(7), Json("text"), Json::array({7}), Json::array({Json::array({"a"})}),
              Json::array({Json::array({0.5})}), Json::array({Json::array({-1})}),
              Json::array({Json::array({2})}), Json::array({Json::array({4294967296})}),
              Json::array({Json::array({true})}), Json::array({Json::object()}), Json::object()})
          rejects(key + wrong.dump(), [&](Bound& b) { b.witness[key] = wrong; });
      rejects("a list", [](Bound& b) { b.witness = Json::array({1}); });
      rejects("a number", [](Bound& b) { b.witness = 3; });
      rejects("another kind", [](Bound& b) { b.witness["kind"] = "rule"; });
      rejects("another length", [](Bound& b) { b.length = -5; });
      rejects("split -1", [](Bound& b) { b.split = -1; });
      rejects("split far out", [](Bound& b) { b.split = Index{1} << 40; });
      rejects("a huge count", [](Bound& b) { b.count = mpz_class("1" + std::string(100, '0')); });
      rejects("another scope", [](Bound& b) { b.scope = "machines of mine"; });
      rejects("another resource",
              [](Bound& b) { b.resource = Resource::one_layer_transformer_bits; });
      rejects("a prefix too few", [](Bound& b) { b.witness["prefixes"].erase(0); });
      rejects("one class fewer", [](Bound& b) { b.count -= 1; });
    }
  }
}

TEST(Bounds, LargeCountsSayWhatWasChecked) {
  const BoundCatalog f;
  const auto task = f.tasks.make("index-lookup", {{"alphabet", 4}});
  const auto method = f.bounds.make("folding");
  const BoundRequest request = ask(f, *task, "index-lookup", {{"alphabet", 4}}, 7);
  const std::vector<Bound> found = method->compute(request);
  ASSERT_EQ(found.size(), 1u);
  const Bound& bound = found.front();
  EXPECT_EQ(bound.count, 16384);
  EXPECT_EQ(bound.split, 7);
  EXPECT_TRUE(bound.exact);
  const WitnessCheck check = method->check(request, bound);
  EXPECT_TRUE(check.valid);
  EXPECT_EQ(check.how, "all 8128 pairs among 128 of 16384 classes, and a recount of all rows");
  Bound more = bound;
  more.count = 16385;
  EXPECT_FALSE(method->check(request, more).valid);
}

TEST(Folding, AnswersTheSameOnAnyNumberOfThreads) {
  const BoundCatalog f;
  const auto method = f.bounds.make("folding");
  for (const auto& [name, config, n] : std::vector<std::tuple<std::string, Json, Index>>{
           {"index-lookup", {{"alphabet", 3}}, 7},
           {"set-disjointness", Json::object(), 14},
           {"bounded-dyck", {{"mode", "next-token"}}, 14},
           {"mqar", {{"vocab_size", 8}, {"pairs", 2}}, 8},
           {"regular", {{"positions", "last"}}, 12}}) {
    const auto task = f.tasks.make(name, config);
    BoundRequest request = ask(f, *task, name, config, n);
    const std::vector<Bound> one = method->compute(request);
    request.threads = 3;
    const std::vector<Bound> three = method->compute(request);
    ASSERT_EQ(one.size(), 1u);
    ASSERT_EQ(three.size(), 1u);
    EXPECT_EQ(to_json(one[0]), to_json(three[0])) << name;
    EXPECT_TRUE(method->check(request, three[0]).valid) << name;
  }
}

TEST(Bounds, WhatDoesNotFitIsAnErrorThatNamesTheSize) {
  const BoundCatalog f;
  const auto refused = [&](const char* method, const char* name, Index length, const char* part) {
    const auto task = f.tasks.make(name);
    try {
      f.bounds.make(method)->compute(ask(f, *task, name, Json::object(), length));
      ADD_FAILURE() << method << " took " << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::spec);
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  refused("folding", "index-lookup", 100, "about 2^");
  refused("folding", "mqar", 64, "about 2^");
  refused("layered-merge", "mqar", 64, "states after 2 of 64 tokens");
}

TEST(Bounds, StopEndsAComputation) {
  const BoundCatalog f;
  const auto task = f.tasks.make("string-equality");
  for (const std::string method : {"folding", "layered-merge"}) {
    BoundRequest request = ask(f, *task, "string-equality", Json::object(), 24);
    const std::atomic<bool> stop{true};
    request.stop = &stop;
    EXPECT_THROW(f.bounds.make(method)->compute(request), Error) << method;
  }
}

}  // namespace
}  // namespace separatrix
