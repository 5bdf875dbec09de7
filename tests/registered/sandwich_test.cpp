#include <gtest/gtest.h>

#include "separatrix/bounds/bound.h"
#include "separatrix/nn/model.h"
#include "separatrix/proofs/certificate.h"

// The project's own property: what is proved impossible lies below what is proved possible. A
// violation is a bug in one of the two, always.

namespace separatrix {
namespace {

TEST(Sandwich, NoBoundIsAboveAProvedConstruction) {
  Registry<Task> tasks("task");
  Registry<Block> blocks("block");
  Registry<BoundMethod> bounds("bound");
  Registry<Construction> constructions("construction");
  Registry<CertificateMethod> methods("certificate");
  register_tasks(tasks);
  register_blocks(blocks);
  register_bounds(bounds);
  register_constructions(constructions);
  register_certificates(methods);

  Index compared = 0, met = 0;
  for (const std::string& name : constructions.names()) {
    const auto construction = constructions.make(name);
    if (construction->model_class() != ModelClass::recurrent) continue;
    for (const Index q : {2, 3, 8, 64})
      for (const Index n : {1, 2, 5, 20}) {
        Json config = {{"alphabet", q}};
        config = tasks.find(construction->task()).resolve(config, "");
        const auto claim = construction->claim({config, n});
        if (!claim) continue;
        const auto task = tasks.make(construction->task(), config);
        const Weights weights = construction->build({config, n}, blocks).weights;
        const Certificate proof = certify(*claim, {*task, weights, blocks}, methods);
        ASSERT_EQ(proof.verdict, Verdict::proved) << name << " q=" << q << " N=" << n;
        const auto bits = state_bits(weights.spec, blocks);
        ASSERT_TRUE(bits);
        for (const std::string& method : bounds.names()) {
          std::vector<Bound> found;
          try {
            found = bounds.make(method)->compute({.task = *task,
                                                  .task_name = construction->task(),
                                                  .task_config = config,
                                                  .length = n});
          } catch (const Error&) {
            continue;  // does not fit
          }
          for (const Bound& bound : found) {
            if (bound.resource != Resource::recurrent_state_bits) continue;
            ++compared;
            met += bound.bits() == *bits;
            EXPECT_LE(bound.bits(), *bits) << method << " " << name << " q=" << q << " N=" << n;
          }
        }
      }
  }
  EXPECT_GT(compared, 20);
  EXPECT_GT(met, 10);  // alphabets that are powers of two: the register is optimal
}

}  // namespace
}  // namespace separatrix
