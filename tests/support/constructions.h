#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "separatrix/nn/model.h"
#include "tests/support/registries.h"

// What the registered tests need of every construction: the registries, and task parameters to try
// it on.

namespace separatrix {

/// Parameters of a task, and lengths: all constructions of the task are tried on all of them.
struct Row {
  std::string task;
  Json config = Json::object();
  std::vector<Index> lengths;  ///< the first is run on all inputs, with every weight changed
};

inline Json dfa_config(const char* yaml, const char* positions) {
  return {{"dfa", yaml}, {"positions", positions}};
}

/// A counter modulo 3 with a reset, of which one state is never reached.
inline constexpr const char* kCounter = R"({
  states: [a, b, c, lost], alphabet: [tick, reset, none], start: b,
  transitions: {
    a: {tick: b, reset: b, none: a}, b: {tick: c, reset: b, none: b},
    c: {tick: a, reset: b, none: c}, lost: {tick: lost, reset: a, none: lost}},
  outputs: {a: zero, b: one, c: two, lost: zero}})";
inline constexpr const char* kOneSymbol = R"({
  states: [a, b], alphabet: [x], start: a,
  transitions: {a: {x: b}, b: {x: b}}, outputs: {a: no, b: yes}})";

/// To have a construction for another task tested, add rows for that task.
inline std::vector<Row> construction_rows() {
  return {
      {"index-lookup", {{"alphabet", 3}}, {3, 1, 2, 5, 8, 16}},
      {"index-lookup", {{"alphabet", 2}}, {4, 1, 7, 9}},
      {"index-lookup", {{"alphabet", 8}}, {2, 1, 5, 16}},
      {"index-lookup", {{"alphabet", 3}, {"query", "first"}}, {3, 1, 2, 8, 9}},
      {"index-lookup", {{"alphabet", 1}}, {3, 1, 2, 8, 9}},
      {"index-lookup", {{"alphabet", 1}, {"query", "first"}}, {3, 1, 2, 8, 9}},
      {"bounded-dyck", {{"types", 2}, {"depth", 2}}, {4, 2, 6}},
      {"bounded-dyck", {{"types", 1}, {"depth", 1}}, {4, 2, 8}},
      {"bounded-dyck", {{"types", 3}, {"depth", 2}}, {4}},
      {"bounded-dyck", {{"types", 2}, {"depth", 2}, {"mode", "next-token"}}, {4, 2, 8}},
      {"bounded-dyck", {{"types", 3}, {"depth", 1}, {"mode", "next-token"}}, {4, 6}},
      {"bounded-dyck", {{"types", 1}, {"depth", 3}, {"mode", "next-token"}}, {6, 8}},
      {"regular", Json::object(), {3, 1, 2, 8}},
      {"regular", dfa_config(kCounter, "all"), {3, 1, 7}},
      {"regular", dfa_config(kCounter, "last"), {3, 1, 7}},
      {"regular", dfa_config(kOneSymbol, "last"), {1, 2, 9}},
      {"string-equality", Json::object(), {6, 2, 4, 8, 14}},
      {"string-equality", {{"alphabet", 3}}, {4, 2, 6}},
      {"string-equality", {{"alphabet", 5}}, {2, 4}},
      {"string-equality", {{"alphabet", 1}}, {6, 2, 4, 8}},
      {"string-equality", {{"layout", "interleaved"}}, {6, 2, 4, 14}},
      {"string-equality", {{"alphabet", 3}, {"layout", "interleaved"}}, {4, 2, 6}},
      {"string-equality", {{"alphabet", 1}, {"layout", "interleaved"}}, {6, 2, 4, 8}},
      {"set-disjointness", Json::object(), {6, 2, 4, 8, 14}},
      {"set-disjointness", {{"layout", "interleaved"}}, {6, 2, 4, 14}},
      {"sparse-features", Json::object(), {5, 3, 8}},
      {"nearest-neighbor", {{"dimension", 2}}, {2, 1}},
      {"nearest-neighbor", {{"dimension", 1}, {"labels", 3}, {"positions", "all"}}, {2, 1}},
      {"mqar", {{"vocab_size", 8}, {"pairs", 2}}, {8}},
      {"induction", {{"alphabet", 3}}, {4, 2, 7}},
      {"induction", {{"alphabet", 1}}, {3, 2}},
  };
}

/// A construction on one row at one length.
struct Case {
  std::string name;
  Claim claim;
  std::unique_ptr<Task> task;
  Weights weights;

  std::string text() const { return name + " " + to_json(claim).dump(); }
  Subject subject(const Catalog& catalog) const { return {*task, weights, catalog.blocks}; }
  Index n_tokens() const { return task->info(claim.length).n_tokens; }
};

/// nullopt when the construction has no claim for these parameters.
inline std::optional<Case> make_case(const Catalog& catalog, const std::string& name, Json config,
                                     Index length, Arithmetic arithmetic = Arithmetic::float32) {
  const auto construction = catalog.constructions.make(name);
  config = catalog.tasks.find(construction->task()).resolve(config, "");
  const ConstructionRequest request{config, length, arithmetic};
  const auto claim = construction->claim(request);
  if (!claim) return std::nullopt;
  return Case{name, *claim, catalog.tasks.make(construction->task(), config),
              construction->build(request, catalog.blocks).weights};
}

/// Calls visit(case, row) for every construction, row and length (only the first length of each row
/// if `smallest`) that go together.
template <class Visit>
void for_each_case(const Catalog& catalog, bool smallest, const Visit& visit) {
  for (const std::string& name : catalog.constructions.names())
    for (const Row& row : construction_rows()) {
      if (catalog.constructions.make(name)->task() != row.task) continue;
      for (const Index length : row.lengths) {
        if (smallest && length != row.lengths.front()) continue;
        if (auto c = make_case(catalog, name, row.config, length)) visit(*c, row);
      }
    }
}

inline Index count_instances(const Task& task, Index length, Index limit) {
  Index count = 0;
  for_each_instance(task, length, [&](std::span<const Token>) { return ++count <= limit; });
  return count;
}

/// Least margin over all inputs, written plainly: what every verdict is measured against. Stops at
/// the first NaN.
inline double brute_margin(const Catalog& catalog, const Case& c) {
  double least = std::numeric_limits<double>::infinity();
  Model model(c.weights.spec, catalog.blocks);
  const auto C = std::size_t(c.weights.spec.n_classes);
  const bool emulated = is_emulated(c.claim.arithmetic);
  Batch batch;
  batch.resize(1, c.n_tokens());
  std::vector<float> computed;
  for_each_instance(*c.task, c.claim.length, [&](std::span<const Token> tokens) {
    batch.tokens.assign(tokens.begin(), tokens.end());
    c.task->label(tokens, batch.targets);
    std::vector<double> logits;
    if (emulated) {
      logits = emulated_logits(c.weights, catalog.blocks, tokens, c.claim.arithmetic);
    } else {
      model.logits(c.weights.values, batch, computed);
      logits.assign(computed.begin(), computed.end());
    }
    std::size_t row = 0;
    for (const Token y : batch.targets) {
      for (std::size_t other = 0; other < C && y != kIgnore; ++other)
        if (Token(other) != y) {
          const double margin = logits[row * C + std::size_t(y)] - logits[row * C + other];
          if (!(margin >= least)) least = margin;
        }
      if (emulated || y != kIgnore) ++row;
    }
    return !std::isnan(least);
  });
  return least;
}

}  // namespace separatrix
