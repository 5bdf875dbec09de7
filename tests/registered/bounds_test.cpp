#include <map>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/recurrent/folding.h"

namespace separatrix {
namespace {

struct Fixture {
  Registry<Task> tasks{"task"};
  Registry<BoundMethod> bounds{"bound"};
  Fixture() {
    register_tasks(tasks);
    register_bounds(bounds);
  }
};

/// A request for a task with its defaults written out.
BoundRequest ask(const Fixture& f, const Task& task, const std::string& name, const Json& config,
                 Index length) {
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

TEST(Enumeration, AgreesWithBruteForceAtEveryCut) {
  const Fixture f;
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
  const Fixture f;
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

TEST(Bounds, LargeEnumerationSaysWhatItSampled) {
  const Fixture f;
  const auto task = f.tasks.make("index-lookup", {{"alphabet", 4}});
  const auto method = f.bounds.make("folding");
  const BoundRequest request = ask(f, *task, "index-lookup", {{"alphabet", 4}}, 6);
  const std::vector<Bound> found = method->compute(request);
  ASSERT_EQ(found.size(), 1u);
  const Bound* const bound = &found.front();
  EXPECT_EQ(bound->count, 4096);
  EXPECT_EQ(bound->split, 6);
  EXPECT_TRUE(bound->exact);
  const WitnessCheck check = method->check(request, *bound);
  EXPECT_TRUE(check.valid);
  EXPECT_NE(check.how.find("among 128 of 4096"), std::string::npos) << check.how;
  Bound more = *bound;
  more.count = 4097;
  EXPECT_FALSE(method->check(request, more).valid);
}

TEST(Bounds, WhatDoesNotFitIsAnErrorThatNamesTheSize) {
  const Fixture f;
  const auto task = f.tasks.make("index-lookup");
  try {
    f.bounds.make("folding")->compute(ask(f, *task, "index-lookup", Json::object(), 100));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_NE(std::string(e.what()).find("instances"), std::string::npos);
  }
}

}  // namespace
}  // namespace separatrix
