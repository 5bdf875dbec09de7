#include <chrono>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/bounds/one_layer/evidence.h"

namespace separatrix::one_layer {
namespace {

struct Fixture {
  Registry<Task> tasks{"task"};
  Registry<BoundMethod> bounds{"bound"};
  Fixture() {
    register_tasks(tasks);
    register_bounds(bounds);
  }
};

/// A task and a request for it, kept together.
struct Asked {
  std::unique_ptr<Task> task;
  std::string name;
  Json config;
  Asked(const Fixture& f, const std::string& task_name, const Json& parameters)
      : task(f.tasks.make(task_name, parameters)),
        name(task_name),
        config(f.tasks.find(task_name).resolve(parameters, "")) {}
  BoundRequest at(Index length) const {
    return {.task = *task, .task_name = name, .task_config = config, .length = length};
  }
};

const std::vector<std::string> kMethods = {"one-layer-fixed-point", "one-layer-streaming",
                                           "one-layer-margin"};

struct ClosedCase {
  std::string name;
  Json config;
  std::vector<Index> lengths;
};
const std::vector<ClosedCase>& closed_cases() {
  static const std::vector<ClosedCase> cases = {
      {"string-equality", {{"alphabet", 2}}, {2, 4, 6, 8}},
      {"string-equality", {{"alphabet", 3}}, {2, 4, 6}},
      {"string-equality", {{"alphabet", 2}, {"layout", "interleaved"}}, {2, 4, 6, 8}},
      {"string-equality", {{"alphabet", 4}, {"layout", "interleaved"}}, {2, 4}},
      {"set-disjointness", {{"layout", "halves"}}, {2, 4, 6, 8}},
      {"set-disjointness", {{"layout", "interleaved"}}, {2, 4, 6, 8}},
      {"bounded-dyck", {{"types", 2}, {"depth", 2}}, {2, 4, 6}},
      {"bounded-dyck", {{"types", 2}, {"depth", 1}}, {2, 4, 6}},
      {"bounded-dyck", {{"types", 1}, {"depth", 1}}, {2, 4, 6}},
      {"bounded-dyck", {{"types", 1}, {"depth", 3}}, {2, 4, 6, 8}},
      {"bounded-dyck", {{"types", 1}, {"depth", 4}}, {2, 4, 8, 10}},
      {"bounded-dyck", {{"types", 3}, {"depth", 2}}, {2, 4}},
      {"bounded-dyck", {{"types", 2}, {"depth", 3}}, {2, 4, 6}},
      {"nearest-neighbor", {{"dimension", 1}, {"labels", 2}}, {1, 2, 3, 4}},
      {"nearest-neighbor", {{"dimension", 2}, {"labels", 2}}, {1, 2, 3}},
      {"nearest-neighbor", {{"dimension", 2}, {"labels", 3}}, {1, 2}},
      {"mqar", {{"vocab_size", 8}, {"pairs", 1}}, {4, 6}},
      {"mqar", {{"vocab_size", 8}, {"pairs", 2}}, {8, 10}},
      {"mqar", {{"vocab_size", 7}, {"pairs", 2}}, {8}},
      {"index-lookup", {{"alphabet", 2}}, {1, 2, 5}},
      {"index-lookup", {{"alphabet", 3}, {"query", "first"}}, {1, 2, 3, 5}},
      {"index-lookup", {{"alphabet", 2}, {"query", "first"}}, {1, 2, 3, 7}},
  };
  return cases;
}

/// The matrix of a witness's division, written out here: distinct rows where every pair of parts is
/// an instance that is asked, and otherwise rows that pairwise differ where both are.
struct BruteMatrix {
  std::map<std::vector<Token>, std::map<std::vector<Token>, Token>> rows;
  static BruteMatrix of(const BoundRequest& request, const Json& witness) {
    BruteMatrix out;
    const Index asked = witness.at("asked");
    const Token last = witness.at("last");
    std::set<Index> alice;
    const Json& positions = witness.at("alice");
    if (positions.is_object())
      for (Index i = 0; i < positions.at("count"); ++i)
        alice.insert(positions.at("first").get<Index>() + i * positions.at("step").get<Index>());
    else
      for (const Json& position : positions) alice.insert(position.get<Index>());
    for_each_instance(request.task, request.length, [&](std::span<const Token> tokens) {
      if (tokens[std::size_t(asked)] != last) return true;
      std::vector<Token> targets(tokens.size()), a, b;
      request.task.label(tokens, targets);
      for (Index t = 0; t < Index(tokens.size()); ++t)
        if (t != asked) (alice.count(t) != 0 ? a : b).push_back(tokens[std::size_t(t)]);
      if (targets[std::size_t(asked)] != kIgnore) out.rows[a][b] = targets[std::size_t(asked)];
      return true;
    });
    return out;
  }
  Index distinct() const {
    std::set<std::map<std::vector<Token>, Token>> out;
    for (const auto& [a, row] : rows) out.insert(row);
    return Index(out.size());
  }
};

TEST(OneLayerClosedForms, RowsAreThoseOfTheMatrix) {
  const Fixture f;
  Index compared = 0;
  for (const ClosedCase& c : closed_cases())
    for (const Index n : c.lengths) {
      const Asked asked(f, c.name, c.config);
      for (const Measure measure : {Measure::rows, Measure::prefix_rows})
        for (const Evidence& found : closed_one_layer(asked.at(n), measure)) {
          const Index rows = BruteMatrix::of(asked.at(n), found.witness).distinct();
          const std::string what = c.name + c.config.dump() + " N=" + std::to_string(n) + " " +
                                   found.witness.dump();
          ++compared;
          if (found.exact || c.name != "mqar")
            EXPECT_EQ(found.count, long(rows)) << what;
          else
            EXPECT_LE(found.count, long(rows)) << what;
        }
    }
  EXPECT_GT(compared, 80);
}

TEST(OneLayerBounds, WitnessesHoldAndTamperedOnesDoNot) {
  const Fixture f;
  Index checked = 0;
  for (const ClosedCase& c : closed_cases())
    for (const Index n : c.lengths) {
      const Asked asked(f, c.name, c.config);
      for (const std::string& name : kMethods) {
        const auto method = f.bounds.make(name);
        for (const Bound& bound : method->compute(asked.at(n))) {
          const std::string what =
              c.name + c.config.dump() + " N=" + std::to_string(n) + " " + bound.witness.dump();
          const WitnessCheck check = method->check(asked.at(n), bound);
          EXPECT_TRUE(check.valid) << check.how << " " << what;
          ++checked;
          Bound more = bound;
          more.count += 1;
          EXPECT_FALSE(method->check(asked.at(n), more).valid) << what;
        }
      }
    }
  EXPECT_GT(checked, 150);
}

}  // namespace
}  // namespace separatrix::one_layer
