#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/nn/model.h"
#include "tests/support/registries.h"

namespace separatrix {
namespace {

Weights constant_answer(const Catalog& f, const TaskInfo& info, Token answer) {
  ModelSpec spec;
  spec.vocab_size = info.vocab_size;
  spec.n_classes = info.n_classes;
  spec.d_model = 4;
  spec.max_length = info.n_tokens;
  spec.norm = "none";
  spec.layers = {{.block = "attention"}};
  Weights weights = zeros(resolve(spec, f.blocks), f.blocks);
  weights["head_bias"][std::size_t(answer)] = 1;
  return weights;
}

/// On every task: the first input, in lexicographic order, on which a constant answer is wrong,
/// whatever the threads.
TEST(Exhaustive, FindsTheFirstWrongInputOnAnyNumberOfThreads) {
  const Catalog f;
  const auto method = f.methods.make("exhaustive");
  Index tried = 0;
  for (const std::string& name : f.tasks.names()) {
    const auto task = f.tasks.make(name);
    for (const Index n : {2, 3, 4, 6}) {
      try {
        task->check_length(n);
      } catch (const Error&) {
        continue;
      }
      const TaskInfo info = task->info(n);
      if (std::pow(double(info.vocab_size), double(info.n_tokens)) > 1e6) continue;
      const Weights weights = constant_answer(f, info, 0);
      std::vector<Token> first, targets(std::size_t(info.n_tokens));
      Index count = 0;
      for_each_instance(*task, n, [&](std::span<const Token> tokens) {
        task->label(tokens, targets);
        for (const Token t : targets)
          if (t > 0 && first.empty()) first.assign(tokens.begin(), tokens.end());
        ++count;
        return true;
      });
      ++tried;
      const Claim claim{
          name, f.tasks.find(name).resolve(Json::object(), ""), n, 0, Arithmetic::float32, "none"};
      Json same;
      for (const int threads : {1, 2, 5}) {
        const Subject subject{*task, weights, f.blocks, threads};
        const Certificate c = method->certify(claim, subject);
        EXPECT_EQ(c.counterexample, first) << name << n;
        EXPECT_EQ(c.verdict, first.empty() ? Verdict::proved : Verdict::refuted) << name << n;
        if (first.empty()) {
          EXPECT_EQ(c.inputs, std::to_string(count)) << name << n;
        }
        EXPECT_EQ(method->recheck(c, subject), "") << name << n;
        if (threads == 1) same = to_json(c);
        EXPECT_EQ(to_json(c), same) << name << n;
      }
    }
  }
  EXPECT_GT(tried, 5);
}

TEST(Exhaustive, ManyInputsAreCountedAndTooManyAreLeft) {
  const Catalog f;
  const auto method = f.methods.make("exhaustive");
  const Json config = f.tasks.find("index-lookup").resolve({{"alphabet", 2}}, "");
  const auto task = f.tasks.make("index-lookup", config);
  const auto construction = f.constructions.make("index-lookup-transformer");
  for (const auto& [n, inputs] :
       std::vector<std::pair<Index, std::string>>{{12, "49152"}, {40, ""}}) {
    const Claim claim = *construction->claim({config, n});
    const Weights weights = construction->build({config, n}, f.blocks).weights;
    const Certificate c = method->certify(claim, {*task, weights, f.blocks, 2});
    EXPECT_EQ(c.verdict, inputs.empty() ? Verdict::undecided : Verdict::proved) << c.reason;
    if (!inputs.empty()) {
      EXPECT_EQ(c.inputs, inputs);
    }
  }
}

}  // namespace
}  // namespace separatrix
