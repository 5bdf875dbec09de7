#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/base/rng.h"
#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

namespace separatrix {
namespace {

constexpr std::array kComputed = {Arithmetic::float32, Arithmetic::bfloat16, Arithmetic::float16};

struct Registries {
  Registry<Task> tasks{"task"};
  Registry<Block> blocks{"block"};
  Registry<Construction> constructions{"construction"};
  Registries() {
    register_tasks(tasks);
    register_blocks(blocks);
    register_constructions(constructions);
  }
};

struct Dyck {
  std::string name;
  Index types = 2, depth = 2, length = 2;
  Arithmetic arithmetic = Arithmetic::float32;
};
bool recognises(const Dyck& d) { return d.name == "dyck-recogniser"; }
std::string text(const Dyck& d) {
  return d.name + " (" + std::to_string(d.types) + "," + std::to_string(d.depth) +
         ") N=" + std::to_string(d.length) + " " + to_string(d.arithmetic);
}

struct Case {
  Claim claim;
  std::unique_ptr<Task> task;
  Weights weights;
};
std::optional<Case> make_case(const Registries& r, const Dyck& d) {
  const Json config = {{"types", d.types},
                       {"depth", d.depth},
                       {"mode", recognises(d) ? "recognition" : "next-token"}};
  const ConstructionRequest request{config, d.length, d.arithmetic};
  const auto construction = r.constructions.make(d.name);
  const auto claim = construction->claim(request);
  if (!claim) return std::nullopt;
  return Case{*claim, r.tasks.make("bounded-dyck", config),
              construction->build(request, r.blocks).weights};
}

/// Least margin over the asked positions of one input, as the claim's arithmetic computes it.
class Program {
 public:
  Program(const Registries& r, const Case& c) : r_(r), c_(c), model_(c.weights.spec, r.blocks) {}
  double margin(std::span<const Token> tokens) {
    const auto C = std::size_t(c_.weights.spec.n_classes);
    Batch batch;
    batch.resize(1, Index(tokens.size()));
    batch.tokens.assign(tokens.begin(), tokens.end());
    c_.task->label(tokens, batch.targets);
    std::vector<double> logits;
    if (c_.claim.arithmetic == Arithmetic::float32) {
      std::vector<float> asked;
      model_.logits(c_.weights.values, batch, asked);
      logits.assign(asked.begin(), asked.end());
    } else {
      const auto all = emulated_logits(c_.weights, r_.blocks, tokens, c_.claim.arithmetic);
      for (std::size_t t = 0; t < tokens.size(); ++t)
        if (batch.targets[t] != kIgnore)
          logits.insert(logits.end(), all.begin() + Index(t * C), all.begin() + Index(t * C + C));
    }
    double least = INFINITY;
    std::size_t row = 0;
    for (const Token y : batch.targets) {
      if (y == kIgnore) continue;
      for (std::size_t c = 0; c < C; ++c)
        if (c != std::size_t(y))
          least = std::fmin(least, logits[row + std::size_t(y)] - logits[row + c]);
      row += C;
    }
    return least;
  }

 private:
  const Registries& r_;
  const Case& c_;
  Model model_;
};

TEST(Dyck, EveryInputOfSmallLengthsKeepsTheClaim) {
  const Registries r;
  const std::pair<Index, Index> sizes[] = {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 3}, {3, 2}};
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const auto& [n, k] : sizes)
      for (const Arithmetic arithmetic : kComputed)
        for (const Index length : {2, 4, 6, 8}) {
          const double inputs = std::pow(2.0 * double(n), double(length));
          if (recognises({name}) && inputs > 5000) continue;
          const Dyck dyck{name, n, k, length, arithmetic};
          const auto c = make_case(r, dyck);
          ASSERT_TRUE(c) << text(dyck);
          EXPECT_GE(c->claim.margin, 0.25);
          Program program(r, *c);
          double least = INFINITY;
          for_each_instance(*c->task, length, [&](std::span<const Token> tokens) {
            least = std::fmin(least, program.margin(tokens));
            return true;
          });
          EXPECT_GE(least, c->claim.margin) << text(dyck);
        }
}

TEST(Dyck, WeightsAreNumbersOfTheFormat) {
  const Registries r;
  for (const std::string name : {"dyck-transformer", "dyck-recogniser"})
    for (const Arithmetic arithmetic : kComputed)
      for (const Index length : {2, 50, 1000}) {
        const auto c = make_case(r, {name, 3, 4, length, arithmetic});
        ASSERT_TRUE(c);
        for (const float w : c->weights.values)
          ASSERT_TRUE(is_representable(arithmetic, double(w))) << w;
      }
}

}  // namespace
}  // namespace separatrix
