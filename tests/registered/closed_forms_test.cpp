#include <algorithm>
#include <functional>
#include <iostream>
#include <map>

#include <gtest/gtest.h>

#include "separatrix/bounds/closed_forms/closed_form.h"
#include "separatrix/bounds/recurrent/folding.h"
#include "tests/support/registries.h"

namespace separatrix {
namespace {

struct Fixture : BoundCatalog {
  const std::unique_ptr<BoundMethod> method = bounds.make("closed-form");
};

/// A task at one length, with all defaults written out.
struct Case {
  std::string name;
  Json config;
  Index length;
  std::unique_ptr<Task> task;
  Case(const Fixture& f, std::string task_name, const Json& parameters, Index n)
      : name(std::move(task_name)),
        config(f.tasks.find(name).resolve(parameters, "")),
        length(n),
        task(f.tasks.make(name, parameters)) {}
  BoundRequest request() const {
    return {.task = *task, .task_name = name, .task_config = config, .length = length};
  }
  std::unique_ptr<ClosedForm> form() const {
    for (const ClosedFormEntry& entry : closed_forms())
      if (entry.task == name) return entry.make(config, length);
    return nullptr;
  }
  std::string text() const { return name + " " + config.dump() + " N=" + std::to_string(length); }
};

/// Small values of every parameter by its name; what is not listed keeps its default.
const std::map<std::string, Json>& small_values() {
  static const std::map<std::string, Json> values = {
      {"alphabet", {1, 2, 3}},
      {"query", {"last", "first"}},
      {"layout", {"halves", "interleaved"}},
      {"types", {1, 2, 3}},
      {"depth", {1, 2, 3}},
      {"mode", {"recognition", "next-token"}},
      {"dimension", {1, 2}},
      {"labels", {2, 3}},
      {"positions", {"last", "all"}},
      {"vocab_size", {4, 5, 6, 7, 8, 9}},
      {"pairs", {1, 2, 3}},
      {"random_non_queries", {false, true}},
  };
  return values;
}

std::vector<Json> small_configs(const Json& parameters) {
  std::vector<Json> out = {Json::object()};
  for (const Json& parameter : parameters) {
    const std::string name = parameter.at("name");
    const auto values = small_values().find(name);
    if (values == small_values().end()) continue;
    std::vector<Json> more;
    for (const Json& config : out)
      for (const Json& value : values->second) {
        more.push_back(config);
        more.back()[name] = value;
      }
    out = std::move(more);
  }
  return out;
}

/// Every task with a closed form, every small parameter choice, every length with at most
/// `max_instances` instances.
void for_each_case(const Fixture& f, Index max_instances,
                   const std::function<void(const Case&)>& visit) {
  for (const ClosedFormEntry& entry : closed_forms())
    for (const Json& config : small_configs(f.tasks.find(entry.task).parameters))
      for (Index n = 1; n <= 14; ++n) {
        try {
          const Case c(f, entry.task, config, n);
          c.task->check_length(n);
          Index count = 0;
          if (!for_each_instance(*c.task, n, [&](auto) { return ++count <= max_instances; })) break;
          visit(c);
        } catch (const Error&) {
          continue;  // no such parameters (more pairs than keys) or length
        }
      }
}

TEST(ClosedForms, EveryOneIsOfARegisteredTaskAndTheOthersAreListed) {
  const Fixture f;
  std::vector<std::string> with, without;
  for (const std::string& name : f.tasks.names()) {
    const auto& list = closed_forms();
    const bool has = std::any_of(list.begin(), list.end(),
                                 [&](const ClosedFormEntry& e) { return e.task == name; });
    (has ? with : without).push_back(name);
  }
  EXPECT_EQ(with.size(), closed_forms().size());
  for (const std::string& name : without) std::cout << "no closed form: " << name << "\n";
}

TEST(ClosedForms, EqualEnumerationAtEveryCutWhereExactAndAreNeverAboveIt) {
  const Fixture f;
  std::map<std::string, Index> exact, below;
  for_each_case(f, 8000, [&](const Case& c) {
    const auto form = c.form();
    const std::vector<CutCount> cuts = classes_per_cut(*c.task, c.length);
    ASSERT_EQ(Index(cuts.size()), c.task->info(c.length).n_tokens + 1);
    mpz_class largest = 0;
    for (const CutCount& cut : cuts) {
      const std::string what = c.text() + " cut " + std::to_string(cut.split);
      const mpz_class count = form->count(cut.split);
      largest = std::max(largest, count);
      EXPECT_NEAR(std::exp2(form->log2_count(cut.split)), count.get_d(), 1e-6 * count.get_d())
          << what;
      if (form->exact(cut.split)) {
        EXPECT_TRUE(cut.exact) << what;
        EXPECT_EQ(count, cut.count) << what;
        ++exact[c.name];
      } else if (cut.exact) {
        EXPECT_LE(count, cut.count) << what;
        EXPECT_EQ(c.name, "nearest-neighbor") << what;  // its C^k bound; all others are exact
        ++below[c.name];
      } else {
        ++below[c.name];
      }
    }
    EXPECT_EQ(form->count(form->worst_split()), largest) << c.text();
  });
  for (const ClosedFormEntry& entry : closed_forms())
    EXPECT_GT(exact[entry.task], 20) << entry.task;
  EXPECT_GT(below["mqar"], 20);
  EXPECT_GT(below["bounded-dyck"], 20);
}

/// The rule at every cut, not only the worst: so that the counts that are not exact are cliques.
TEST(ClosedForms, TheRuleHoldsAtEveryCutAndOneMoreClassIsRejected) {
  const Fixture f;
  for_each_case(f, 1500, [&](const Case& c) {
    const BoundRequest request = c.request();
    const std::vector<Bound> found = f.method->compute(request);
    ASSERT_EQ(found.size(), 1u);
    Bound bound = found.front();
    ASSERT_EQ(Index(bound.cuts.size()), c.task->info(c.length).n_tokens + 1) << c.text();
    for (const CutCount& cut : found.front().cuts) {
      bound.split = cut.split;
      bound.witness["split"] = cut.split;
      bound.count = cut.count;
      bound.exact = cut.exact;
      const std::string what = c.text() + " cut " + std::to_string(cut.split);
      const WitnessCheck check = f.method->check(request, bound);
      EXPECT_TRUE(check.valid) << what << ": " << check.how;
      bound.count += 1;
      EXPECT_FALSE(f.method->check(request, bound).valid) << what;
    }
  });
}

TEST(ClosedForms, TheDyckCliqueOfNextTokenIsWhatEnumerationFinds) {
  const Fixture f;
  for (const Index types : {1, 2, 3})
    for (const Index depth : {1, 2, 3})
      for (const Index n : {2, 4, 6}) {
        const Case c(f, "bounded-dyck",
                     {{"types", types}, {"depth", depth}, {"mode", "next-token"}}, n);
        for (const CutCount& cut : classes_per_cut(*c.task, n))
          EXPECT_EQ(c.form()->count(cut.split), cut.count) << c.text() << " " << cut.split;
      }
}

const std::vector<std::pair<std::string, Json>>& variants() {
  static const std::vector<std::pair<std::string, Json>> list = {
      {"index-lookup", Json::object()},
      {"index-lookup", {{"query", "first"}}},
      {"string-equality", Json::object()},
      {"string-equality", {{"layout", "interleaved"}}},
      {"set-disjointness", Json::object()},
      {"set-disjointness", {{"layout", "interleaved"}}},
      {"bounded-dyck", Json::object()},
      {"bounded-dyck", {{"types", 4}, {"depth", 6}}},
      {"bounded-dyck", {{"types", 4}, {"depth", 6}, {"mode", "next-token"}}},
      {"mqar", Json::object()},
      {"mqar", {{"vocab_size", 64}, {"pairs", 20}, {"random_non_queries", true}}},
      {"nearest-neighbor", Json::object()},
      {"nearest-neighbor", {{"labels", 5}, {"positions", "all"}}},
  };
  return list;
}

TEST(ClosedForms, LargeOnesAreCheckedOnDrawnPairsAndTamperedOnesRejected) {
  const Fixture f;
  for (const auto& [name, config] : variants()) {
    const Case c(f, name, config, 100);
    const BoundRequest request = c.request();
    const Bound bound = f.method->compute(request).at(0);
    const WitnessCheck check = f.method->check(request, bound);
    EXPECT_TRUE(check.valid) << c.text() << ": " << check.how;
    std::cout << c.text() << ": " << bound.formula << " = 2^" << c.form()->log2_count(bound.split)
              << " (" << check.how << ")\n";
    const auto rejects = [&](const char* what, const std::function<void(Bound&)>& change) {
      Bound wrong = bound;
      change(wrong);
      const WitnessCheck verdict = f.method->check(request, wrong);
      EXPECT_FALSE(verdict.valid) << c.text() << ": " << what;
      EXPECT_FALSE(verdict.how.empty());
    };
    rejects("count + 1", [](Bound& b) { b.count += 1; });
    rejects("count - 1", [](Bound& b) { b.count -= 1; });
    rejects("other split", [](Bound& b) { b.split += 1; });
    rejects("split outside", [](Bound& b) { b.split = -1, b.witness["split"] = -1; });
    rejects("split beyond", [](Bound& b) { b.split = 5000, b.witness["split"] = 5000; });
    rejects("split is text", [](Bound& b) { b.witness["split"] = "2"; });
    rejects("other length", [](Bound& b) { b.length += 2; });
    rejects("one layer", [](Bound& b) { b.resource = Resource::one_layer_transformer_bits; });
    rejects("unknown rule", [](Bound& b) { b.witness["rule"] = "trust me"; });
    rejects("rule is a number", [](Bound& b) { b.witness["rule"] = 7; });
    rejects("no witness", [](Bound& b) { b.witness = nullptr; });
    rejects("a list", [](Bound& b) { b.witness = {1, 2}; });
    if (!bound.exact) rejects("called exact", [](Bound& b) { b.exact = true; });
  }
}

/// Every rule on every task but its own.
TEST(ClosedForms, RulesOfOtherTasksAreRejectedWithoutAnException) {
  const Fixture f;
  for (const auto& [name, config] : variants())
    for (const auto& [other_name, other_config] : variants()) {
      const Case mine(f, name, config, 100), other(f, other_name, other_config, 100);
      const Bound foreign = f.method->compute(other.request()).at(0);
      const WitnessCheck check = f.method->check(mine.request(), foreign);
      if (name == other_name && config == other_config) continue;
      EXPECT_FALSE(check.valid) << other.text() << " on " << mine.text() << ": " << check.how;
    }
}

/// How long it takes is measured in docs/performance.md.
TEST(ClosedForms, AnswerForAMillion) {
  const Fixture f;
  for (auto [name, config] : variants()) {
    if (config.contains("depth")) config["depth"] = 1'000'000;
    if (config.contains("pairs")) config = {{"vocab_size", 1 << 20}, {"pairs", 250'000}};
    if (config.contains("labels")) config = {{"dimension", 20}};
    const Case c(f, name, config, 1'000'000);
    const Bound bound = f.method->compute(c.request()).at(0);
    EXPECT_GT(bound.count, 1) << c.text();
    for (const CutCount& cut : bound.cuts) ASSERT_LE(cut.count, bound.count) << c.text();
  }
}

TEST(ClosedForms, WhatDoesNotFitIsAnErrorThatNamesTheSize) {
  const Fixture f;
  const Case c(f, "index-lookup", Json::object(), 10'000'000);
  try {
    f.method->compute(c.request());
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("the count q^N has 7500000 bytes"), std::string::npos)
        << e.what();
  }
}

TEST(ClosedForms, TwentySymbolsOfSixtyFourNeed120Bits) {
  const Fixture f;
  const Case c(f, "index-lookup", Json::object(), 20);
  BoundRequest request = c.request();
  request.task_name = "index_lookup";
  const Bound bound = f.method->compute(request).at(0);
  EXPECT_EQ(bound.bits(), 120);
  EXPECT_EQ(bound.count.get_str(), "1329227995784915872903807060280344576");
  EXPECT_EQ(f.method->check(request, bound).how,
            "rule on 1000 random pairs, seed 0; 64 random prefixes fall into its classes");
}

}  // namespace
}  // namespace separatrix
