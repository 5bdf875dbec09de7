#include <map>

#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/proofs/model_size.h"
#include "tests/support/constructions.h"

// The project's own property: what is proved impossible lies below what is proved possible. A
// violation is a bug in one of the two, always.

namespace separatrix {
namespace {

struct Bounds {
  Registry<BoundMethod> methods{"bound"};
  Bounds() { register_bounds(methods); }

  /// The largest of all bounds on the recurrent state, and how many there are. Those that look at
  /// all inputs or states only where these are few.
  std::pair<Index, Index> on_state(const Case& c) const {
    constexpr Index kFew = 3000;
    const bool few = count_instances(*c.task, c.claim.length, kFew) <= kFew;
    Index largest = 0, count = 0;
    for (const std::string& name : methods.names()) {
      if (name.rfind("one-layer", 0) == 0) continue;
      if (!few && (name == "folding" || name == "layered-merge")) continue;
      std::vector<Bound> found;
      try {
        found = methods.make(name)->compute({.task = *c.task,
                                             .task_name = c.claim.task,
                                             .task_config = c.claim.task_config,
                                             .length = c.claim.length});
      } catch (const Error&) {
        continue;  // does not fit
      }
      for (const Bound& bound : found) {
        if (bound.resource != Resource::recurrent_state_bits) continue;
        ++count;
        largest = std::max(largest, bound.bits());
      }
    }
    return {largest, count};
  }
};

/// Every construction with a state, on the rows for all constructions and on these.
std::vector<Row> larger_rows() {
  std::vector<Row> rows = construction_rows();
  const std::vector<Row> more = {
      {"index-lookup", {{"alphabet", 64}}, {1, 2, 5, 20}},
      {"index-lookup", {{"alphabet", 3}}, {20}},
      {"string-equality", Json::object(), {20}},
      {"string-equality", {{"alphabet", 64}}, {2, 4}},
      {"string-equality", {{"alphabet", 1000}, {"layout", "interleaved"}}, {2, 4}},
      {"set-disjointness", Json::object(), {18, 20}},
      {"set-disjointness", {{"layout", "interleaved"}}, {40}},
      {"bounded-dyck", {{"types", 4}, {"depth", 3}}, {6, 12}},
      {"bounded-dyck", {{"types", 5}, {"depth", 4}, {"mode", "next-token"}}, {10}},
  };
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

TEST(Sandwich, NoBoundIsAboveAProvedState) {
  const Catalog f;
  const Bounds bounds;
  Index compared = 0;
  for (const std::string& name : f.constructions.names())
    for (const Row& row : larger_rows()) {
      const auto construction = f.constructions.make(name);
      if (construction->task() != row.task) continue;
      for (const Index length : row.lengths) {
        const auto c = make_case(f, name, row.config, length);
        const auto bits = c ? state_bits(c->weights.spec, f.blocks) : std::nullopt;
        EXPECT_EQ(bits.has_value(), c && construction->model_class() == ModelClass::recurrent);
        if (!bits) continue;
        const Certificate proof = certify(c->claim, c->subject(f), f.methods);
        ASSERT_EQ(proof.verdict, Verdict::proved) << c->text() << proof.reason;
        const auto [largest, count] = bounds.on_state(*c);
        compared += count;
        EXPECT_LE(largest, *bits) << c->text();
      }
    }
  EXPECT_GT(compared, 150);
}

/// Every one-layer transformer satisfies every inequality for one layer, with its own numbers and
/// the margin that is proved.
TEST(Sandwich, NoInequalityExcludesAProvedLayer) {
  const Catalog f;
  const Bounds bounds;
  Index layers = 0, compared = 0;
  for_each_case(f, false, [&](const Case& c, const Row& /*row*/) {
    const ModelSize size = measure_size(c.weights, f.blocks, c.n_tokens());
    if (!size.one_layer) return;
    const Certificate proof = certify(c.claim, c.subject(f), f.methods);
    ASSERT_EQ(proof.verdict, Verdict::proved) << c.text() << proof.reason;
    ++layers;
    BoundRequest request{.task = *c.task,
                         .task_name = c.claim.task,
                         .task_config = c.claim.task_config,
                         .length = c.claim.length};
    request.one_layer = *size.one_layer;
    request.one_layer.margin = proof.margin;
    for (const std::string& name : bounds.methods.names()) {
      if (name.rfind("one-layer", 0) != 0) continue;
      for (const Bound& bound : bounds.methods.make(name)->compute(request)) {
        ASSERT_TRUE(bound.inequality && bound.inequality->satisfied) << name;
        EXPECT_TRUE(*bound.inequality->satisfied) << name << " excludes " << c.text();
        ++compared;
      }
    }
  });
  EXPECT_GE(layers, 10);
  EXPECT_GE(compared, 3 * layers);
}

/// Bits beyond the largest bound, where the construction says how many.
Index extra_bits(const Catalog& f, const Bounds& bounds, const std::string& name,
                 const Json& config, Index length) {
  const auto c = make_case(f, name, config, length);
  return state_bits(c->weights.spec, f.blocks).value() - bounds.on_state(*c).first;
}

TEST(Sandwich, TheBoundIsMetOrMissedByTheBitsThatTheConstructionStates) {
  const Catalog f;
  const Bounds bounds;
  for (const Index n : {1, 2, 3, 7, 9}) {
    for (const Index q : {2, 4, 64}) {
      EXPECT_EQ(extra_bits(f, bounds, "shift-register-rnn", {{"alphabet", q}}, n), 0);
      EXPECT_EQ(extra_bits(f, bounds, "string-equality-rnn", {{"alphabet", q}}, 2 * n),
                q == 2 ? 1 : 2);
    }
    EXPECT_EQ(extra_bits(f, bounds, "set-disjointness-rnn", Json::object(), 2 * n), 0);
    if (n > 1) {  // at N = 2 a single bit is enough, if it need not work at other lengths
      EXPECT_EQ(extra_bits(f, bounds, "set-disjointness-rnn", {{"layout", "interleaved"}}, 2 * n),
                0);
    }
  }
}

}  // namespace
}  // namespace separatrix
