#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "separatrix/tasks/task.h"

// Configurations of every registered task, for the tests of what all of them must keep.

namespace separatrix::test {

using Tokens = std::vector<Token>;

struct Case {
  std::string task;
  Json config;
  std::vector<Index> small;  ///< lengths at which all instances are tried
  Index sampled;             ///< length at which frequencies are measured
};

inline constexpr const char* kMod3 =
    "{states: [b, a, c], alphabet: [x, y], start: a, outputs: {a: zero, b: one, c: two}, "
    "transitions: {a: {x: b, y: a}, b: {x: c, y: b}, c: {x: a, y: a}}}";

// A promise that is no tree of its own: lengths mix, tokens are missing.
inline constexpr const char* kPromise =
    "{\"tokens\":[0,2,1],\"answer\":1}\n{\"tokens\":[0,2,3],\"targets\":[-1,0,2]}\n"
    "{\"tokens\":[1,1,1],\"answer\":1}\n{\"tokens\":[3,2,1],\"answer\":0}\n"
    "{\"tokens\":[3,2,0],\"answer\":1}\n{\"tokens\":[0,0],\"answer\":1}\n"
    "{\"tokens\":[0,3],\"answer\":0}\n{\"tokens\":[2,3],\"answer\":0}";

inline constexpr const char* kFeatures =
    "{features: [{positions: [3, 0], computes: xor}, {positions: [1, 2, 4], computes: majority}, "
    "{positions: [2], table: [1, 0]}], function: {exactly: 2}}";

// Both features can never hold at once: every answer is no.
inline constexpr const char* kNever =
    "{features: [{positions: [0], table: [0, 1]}, {positions: [0], table: [1, 0]}], "
    "function: and}";

/// A task that is registered without a line here fails CasesCoverTheRegistry.
inline std::vector<Case> cases() {
  const Json majority = {{"program", SEPARATRIX_SOURCE "/tests/support/count_ones.sh"}};
  Json running = majority;
  running.update({{"arguments", "running"}, {"positions", "all"}, {"classes", 3}});
  return {
      {"index-lookup", {{"alphabet", 3}}, {1, 2, 5}, 20},
      {"index-lookup", {{"alphabet", 3}, {"query", "first"}}, {1, 2, 5}, 20},
      {"index-lookup", {{"alphabet", 1}}, {1, 2, 5}, 20},
      {"index-lookup", {{"alphabet", 1}, {"query", "first"}}, {1, 2, 5}, 20},
      {"bounded-dyck", Json::object(), {2, 4, 6}, 20},
      {"bounded-dyck", {{"types", 1}, {"depth", 1}}, {2, 4, 8}, 10},
      {"bounded-dyck", {{"types", 3}, {"depth", 1}}, {2, 4}, 10},
      {"bounded-dyck", {{"types", 1}, {"depth", 4}}, {2, 4, 8}, 14},
      {"bounded-dyck", {{"mode", "next-token"}}, {2, 4, 8}, 20},
      {"bounded-dyck", {{"mode", "next-token"}, {"types", 3}, {"depth", 4}}, {2, 6, 8}, 30},
      {"bounded-dyck", {{"mode", "next_token"}, {"types", 1}, {"depth", 9}}, {2, 10}, 12},
      {"string-equality", Json::object(), {2, 4, 8}, 20},
      {"string-equality", {{"alphabet", 3}, {"layout", "interleaved"}}, {2, 4, 6}, 20},
      {"string-equality", {{"alphabet", 1}}, {2, 4, 8}, 20},
      {"set-disjointness", Json::object(), {2, 4, 8}, 20},
      {"set-disjointness", {{"layout", "interleaved"}}, {2, 4, 8}, 20},
      {"nearest-neighbor", {{"dimension", 2}}, {1, 2, 3}, 6},
      {"nearest-neighbor", {{"dimension", 2}, {"labels", 3}, {"positions", "all"}}, {1, 2}, 6},
      {"mqar", {{"vocab_size", 8}, {"pairs", 2}}, {8, 10}, 16},
      {"mqar", {{"vocab_size", 7}, {"pairs", 1}, {"random_non_queries", true}}, {4, 6}, 12},
      {"induction", {{"alphabet", 3}}, {2, 3, 6}, 20},
      {"induction", {{"alphabet", 12}}, {2, 3}, 5},
      {"induction", {{"alphabet", 1}}, {2, 3, 6}, 20},
      {"sparse-features", Json::object(), {2, 3, 7}, 20},
      {"sparse-features", {{"features", kFeatures}}, {5, 7}, 15},
      {"sparse-features", {{"features", kNever}}, {1, 2}, 9},
      {"regular", Json::object(), {1, 2, 8}, 15},
      {"regular", {{"positions", "last"}}, {1, 2, 8}, 15},
      {"regular", {{"dfa", kMod3}}, {1, 2, 8}, 15},
      {"table", Json::object(), {3}, 3},
      {"table", {{"table", kPromise}}, {2, 3}, 3},
      {"program", majority, {1, 2, 5}, 9},
      {"program", running, {1, 4}, 9},
  };
}

class Tasks : public testing::Test {
 protected:
  Tasks() { register_tasks(registry_); }
  std::unique_ptr<Task> make(const Case& c) const { return registry_.make(c.task, c.config); }
  static Tokens label(const Task& task, const Tokens& tokens, Token before = 77) {
    Tokens targets(tokens.size(), before);
    task.label(tokens, targets);
    return targets;
  }
  static std::set<Tokens> instances(const Task& task, Index length) {
    std::set<Tokens> all;
    for_each_instance(task, length, [&](std::span<const Token> tokens) {
      return all.emplace(tokens.begin(), tokens.end()).second;
    });
    return all;
  }
  /// A single instance leaves nothing to draw.
  static bool has_choice(const Task& task, Index length) {
    Index count = 0;
    return !for_each_instance(task, length, [&](std::span<const Token>) { return ++count < 2; });
  }
  static Tokens draw(const Task& task, Index length, Rng& rng) {
    Tokens tokens(std::size_t(task.info(length).n_tokens), -5);
    task.sample(rng, tokens);
    return tokens;
  }
  /// Users' tables and programs: nothing says how to compute the answers.
  static bool has_answers_only(const Task& task, Index length) {
    const std::string words = task.describe(length);
    return words.find("answer what ") != std::string::npos;
  }
  template <class F>
  void for_each_small(F&& f) const {
    for (const Case& c : cases())
      for (const Index length : c.small) {
        SCOPED_TRACE(c.task + " " + c.config.dump() + " length " + std::to_string(length));
        f(*make(c), length);
      }
  }

  Registry<Task> registry_{"task"};
};

}  // namespace separatrix::test
