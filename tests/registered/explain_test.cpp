#include "separatrix/lab/explain.h"

#include <set>

#include <gtest/gtest.h>

#include "tests/support/constructions.h"

namespace separatrix {
namespace {

constexpr std::pair<const char*, const char*> kVariants[] = {
    {"query", "first"}, {"mode", "next-token"}, {"layout", "interleaved"}};

/// Calls visit(case) for every construction on the rows it is tested on; where there are none, on
/// its task's variants at the two smallest lengths that it covers.
template <class Visit>
void for_each_model(const Catalog& catalog, const Visit& visit) {
  std::set<std::string> tried;
  for_each_case(catalog, /*smallest=*/false, [&](const Case& c, const Row&) {
    visit(c);
    tried.insert(c.name);
  });
  for (const std::string& name : catalog.constructions.names()) {
    if (tried.contains(name)) continue;
    const auto& task = catalog.tasks.find(catalog.constructions.make(name)->task());
    std::vector<Json> configs{Json::object()};
    for (const auto& [key, value] : kVariants)
      for (const Json& parameter : task.parameters)
        if (parameter.at("name") == key) configs.push_back({{key, value}});
    for (const Json& config : configs) {
      int found = 0;
      for (Index length = 1; length <= 64 && found < 2; ++length) {
        try {
          task.make(config, "")->check_length(length);
        } catch (const Error&) {
          continue;
        }
        if (const auto c = make_case(catalog, name, config, length)) {
          visit(*c);
          ++found;
        }
      }
    }
  }
}

/// Calls visit(case, slots, tokens) for inputs of all of them.
template <class Visit>
void for_each_input(const Catalog& catalog, const Visit& visit, int inputs = 2) {
  for_each_model(catalog, [&](const Case& c) {
    const Built built = catalog.constructions.make(c.name)->build(
        {c.claim.task_config, c.claim.length, c.claim.arithmetic}, catalog.blocks);
    Rng rng(7, RngUse::sample);
    std::vector<Token> tokens(std::size_t(c.n_tokens()));
    for (int i = 0; i < inputs; ++i) {
      c.task->sample(rng, tokens);
      visit(c, built.slots, tokens);
    }
  });
}

Explanation explain_case(const Catalog& catalog, const Case& c, const std::vector<Slot>& slots,
                         std::span<const Token> tokens, std::vector<Index> rows = {}) {
  return explain({*c.task, c.claim.length, c.weights, catalog.blocks, slots}, tokens,
                 std::move(rows));
}

TEST(Explain, EveryConstructionIsTried) {
  const Catalog catalog;
  std::set<std::string> tried;
  for_each_input(catalog, [&](const Case& c, const auto&, const auto&) { tried.insert(c.name); });
  for (const std::string& name : catalog.constructions.names())
    EXPECT_TRUE(tried.contains(name)) << name << " needs a row in tests/support/constructions.h";
}

TEST(Explain, TheLogitsAreThoseOfTheReferenceAndTheAnswersAreRight) {
  const Catalog catalog;
  for_each_input(catalog, [&](const Case& c, const auto& slots, const auto& tokens) {
    const Explanation e = explain_case(catalog, c, slots, tokens);
    EXPECT_EQ(e.trace.logits, reference_logits<double>(c.weights, catalog.blocks, tokens))
        << c.text();
    std::vector<Token> targets(tokens.size());
    c.task->label(tokens, targets);
    ASSERT_EQ(e.answers.size(), tokens.size());
    for (std::size_t t = 0; t < targets.size(); ++t) {
      EXPECT_EQ(e.answers[t].target, targets[t]);
      if (targets[t] == kIgnore) continue;
      EXPECT_EQ(e.answers[t].prediction, targets[t]) << c.text();
      if (e.answers[t].margin) {
        EXPECT_GE(*e.answers[t].margin, c.claim.margin) << c.text();
      }
    }
    EXPECT_EQ(e.illegal, -1) << c.text();
  });
}

TEST(Explain, TheWeightsOfEachAverageAddUpToOne) {
  const Catalog catalog;
  Index averages = 0;
  for_each_input(catalog, [&](const Case& c, const auto& slots, const auto& tokens) {
    const Explanation e = explain_case(catalog, c, slots, tokens);
    for (std::size_t i = 0; i < e.trace.layers.size(); ++i) {
      const Trace::Layer& layer = e.trace.layers[i];
      EXPECT_EQ(layer.heads > 0, layer.block == "attention") << c.text();
      const bool causal = c.weights.spec.layers[i].config.value("causal", false);
      for (std::size_t row = 0; row < tokens.size(); ++row)
        for (Index h = 0; h < layer.heads; ++h, ++averages) {
          const auto weights = e.attention(layer, row, h);
          ASSERT_EQ(weights.size(), tokens.size());
          double sum = 0;
          for (std::size_t j = 0; j < weights.size(); ++j) {
            EXPECT_GE(weights[j], 0);
            if (causal && j > row) {
              EXPECT_EQ(weights[j], 0);
            }
            sum += weights[j];
          }
          EXPECT_NEAR(sum, 1, 1e-12) << c.text();
        }
    }
  });
  EXPECT_GT(averages, 100);
}

/// What the constructions write into their slots is what the slots' codes can say.
TEST(Explain, EverySlotLiesInsideTheWidthAndHoldsACodeWord) {
  const Catalog catalog;
  std::set<std::string> shown;
  for_each_input(catalog, [&](const Case& c, const auto& slots, const auto& tokens) {
    ASSERT_FALSE(slots.empty()) << c.text();
    EXPECT_NO_THROW(check_slots(slots, c.weights.spec.d_model, "")) << c.text();
    std::set<std::string> names;
    for (const Slot& slot : slots) EXPECT_TRUE(names.insert(slot.name).second) << slot.name;
    const Explanation e = explain_case(catalog, c, slots, tokens);
    ASSERT_TRUE(e.named(e.stages() - 1)) << c.text();
    for (std::size_t stage = 0; stage < e.stages(); ++stage) {
      if (!e.named(stage)) continue;
      if (!e.changed(stage).empty()) shown.insert(c.name);
      for (std::size_t row = 0; row < tokens.size(); ++row)
        for (const Slot& slot : slots)
          // Where nothing is asked an average over several positions may be no code word.
          EXPECT_FALSE((stage == 0 || e.answers[row].target != kIgnore) &&
                       decode(slot, e.entries(stage, row, slot)).kind == Decoded::Kind::unclear)
              << c.text() << "\nslot " << slot.name << " after layer " << stage << " at " << row;
    }
  });
  for (const std::string& name : catalog.constructions.names())
    EXPECT_TRUE(shown.contains(name)) << name << " never writes to a slot";
}

TEST(Explain, AskedRowsOnlyAreTheSameAsAllRows) {
  const Catalog catalog;
  for_each_input(catalog, [&](const Case& c, const auto& slots, const auto& tokens) {
    const Explanation all = explain_case(catalog, c, slots, tokens);
    const auto T = Index(tokens.size());
    std::vector<Index> rows{T / 2, T - 1};
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    const Explanation some = explain_case(catalog, c, slots, tokens, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = std::size_t(rows[i]);
      EXPECT_EQ(some.answers[i].prediction, all.answers[row].prediction);
      for (std::size_t stage = 0; stage < all.stages(); ++stage)
        for (const Slot& slot : slots)
          EXPECT_EQ(some.text(stage, i, slot), all.text(stage, row, slot)) << c.text();
      for (std::size_t l = 0; l < all.trace.layers.size(); ++l)
        for (Index h = 0; h < all.trace.layers[l].heads; ++h) {
          const auto few = some.attention(some.trace.layers[l], i, h);
          const auto many = all.attention(all.trace.layers[l], row, h);
          EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin())) << c.text();
        }
    }
  });
}

TEST(Explain, TheJsonHasARowForEveryPosition) {
  const Catalog catalog;
  for_each_input(
      catalog,
      [&](const Case& c, const auto& slots, const auto& tokens) {
        const Json json = Json::parse(to_json(explain_case(catalog, c, slots, tokens)).dump());
        EXPECT_EQ(json.at("tokens"), Json(tokens));
        for (const char* key : {"spelled", "positions", "logits", "prediction", "target", "margin"})
          EXPECT_EQ(json.at(key).size(), tokens.size()) << key;
        EXPECT_EQ(json.at("layers").size(), c.weights.spec.layers.size());
        for (const Json& layer : json.at("layers"))
          for (const Json& head : layer.at("attention")) EXPECT_EQ(head.size(), tokens.size());
        for (const Json& row : json.at("layers").back().at("slots"))
          EXPECT_EQ(row.size(), slots.size());
      },
      1);
}

/// One construction read as a person would: what stands where.
TEST(Explain, IndexLookupReadsSymbolAddressAndAnswer) {
  const Catalog catalog;
  const auto c = make_case(catalog, "index-lookup-transformer", {{"alphabet", 4}}, 5);
  ASSERT_TRUE(c);
  const Built built = catalog.constructions.make(c->name)->build(
      {c->claim.task_config, 5, Arithmetic::float32}, catalog.blocks);
  const std::vector<Token> tokens{2, 0, 3, 1, 1, 4 + 2};
  const Explanation e = explain_case(catalog, *c, built.slots, tokens);
  ASSERT_EQ(built.slots.size(), 3U);
  for (std::size_t t = 0; t < 5; ++t) {
    EXPECT_EQ(e.text(0, t, built.slots[0]), std::to_string(tokens[t]));
    EXPECT_EQ(e.text(0, t, built.slots[1]), std::to_string(t));
    EXPECT_EQ(e.text(0, t, built.slots[2]), "");
  }
  EXPECT_EQ(e.text(0, 5, built.slots[0]), "");
  EXPECT_EQ(e.text(0, 5, built.slots[1]), "2");
  // The query has the address that it asks for: it averages over that symbol and itself.
  EXPECT_EQ(e.text(1, 5, built.slots[2]), "~3 (0.5 off)");
  EXPECT_NEAR(e.attention(e.trace.layers[0], 5, 0)[2], 0.5, 1e-3);
}

}  // namespace
}  // namespace separatrix
