#include <gtest/gtest.h>

#include "separatrix/nn/plain_attention.h"
#include "separatrix/proofs/model_size.h"
#include "tests/support/constructions.h"

// Everything that reads the weights of an attention layer by itself knows the plain attention only.
// Here each option beyond that is set in every construction: nothing may be proved of such a model
// by a method that does not know the option, and no recheck may pass what was proved before.

namespace separatrix {
namespace {

/// The model with `option` in each of its attention layers; nullopt where it does not fit. With
/// fewer heads of keys and values, the first ones.
std::optional<Weights> with_option(const Catalog& f, const Weights& weights, const Json& option) {
  ModelSpec spec = weights.spec;
  for (LayerSpec& layer : spec.layers)
    if (layer.block == "attention") layer.config.update(option);
  std::optional<Weights> out;
  try {
    out = zeros(spec, f.blocks);
  } catch (const Error&) {  // an odd d_head cannot be turned
    return std::nullopt;
  }
  for (const ParamSpec& param : out->params) {
    const auto from = weights[param.name];
    const auto to = (*out)[param.name];
    const auto rows = std::size_t(param.shape.front());
    const std::size_t had = from.size() / rows, has = to.size() / rows;
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i / has * had + i % has];
  }
  return out;
}

std::vector<Json> options() {
  return {{{"positions", "rotary"}},
          {{"positions", "alibi"}},
          {{"window", 1}},
          {{"window", 2}},
          {{"n_kv_heads", 1}}};
}

bool attends(const Weights& weights) {
  for (const LayerSpec& layer : weights.spec.layers)
    if (layer.block == "attention") return true;
  return false;
}

struct Tally {
  Index changed = 0, wrong = 0, kept = 0, proofs = 0, refused = 0;
};

/// All methods on the changed model, against all of its inputs, and what was proved of the old one.
void hold(const Catalog& f, Case& c, const std::vector<Certificate>& proofs, const Json& option,
          Tally& tally) {
  const double brute = brute_margin(f, c);
  ++(brute > 0 ? tally.kept : tally.wrong);
  for (const std::string& name : f.methods.names()) {
    const std::string what = c.text() + " " + option.dump() + " " + name;
    const auto method = f.methods.make(name);
    const Certificate found = method->certify(c.claim, c.subject(f));
    EXPECT_NE(found.verdict, brute > 0 ? Verdict::refuted : Verdict::proved) << what;
    if (name == "exhaustive") continue;  // runs the model itself
    EXPECT_NE(found.verdict, Verdict::proved) << what;
    if (found.verdict == Verdict::refuted) {
      EXPECT_EQ(method->recheck(found, c.subject(f)), "") << what;
    }
  }
  for (Certificate proof : proofs) {
    const std::string what = c.text() + " " + option.dump() + " " + proof.method;
    EXPECT_NE(recheck(proof, c.subject(f), f.methods), "") << what;
    proof.weights_sha256 = weights_sha256(c.weights);
    const std::string wrong = recheck(proof, c.subject(f), f.methods);
    ++tally.proofs;
    tally.refused += wrong.empty() ? 0 : 1;
    if (proof.method == "exhaustive") {  // its recheck runs the model, and forgives a little
      EXPECT_TRUE(!wrong.empty() || brute > 0.998 * proof.margin - 2e-6) << what;
      EXPECT_TRUE(wrong.empty() || brute < proof.margin) << what << wrong;
    } else {
      EXPECT_NE(wrong, "") << what;
    }
  }
}

TEST(AttentionOptions, NothingIsProvedOfWhatIsNotKnown) {
  const Catalog f;
  Tally tally;
  for_each_case(f, /*smallest=*/true, [&](Case& c, const Row&) {
    if (!attends(c.weights) || count_instances(*c.task, c.claim.length, 500) > 500) return;
    c.claim.margin = 0;
    for (const Arithmetic arithmetic : kArithmetics) {
      c.claim.arithmetic = arithmetic;
      std::vector<Certificate> proofs;
      for (const std::string& name : f.methods.names()) {
        Certificate proof = f.methods.make(name)->certify(c.claim, c.subject(f));
        if (proof.verdict == Verdict::proved) proofs.push_back(std::move(proof));
      }
      const Weights plain = c.weights;
      for (const Json& option : options()) {
        auto changed = with_option(f, plain, option);
        if (!changed) continue;
        ++tally.changed;
        c.weights = std::move(*changed);
        hold(f, c, proofs, option, tally);
      }
      c.weights = plain;
    }
  });
  EXPECT_GT(tally.changed, 60);
  EXPECT_GT(tally.wrong, 30);
  EXPECT_GT(tally.kept, 5);
  EXPECT_GT(tally.proofs, 100);
  EXPECT_GT(tally.refused, 100);
}

/// The numbers of bound --model.
TEST(AttentionOptions, NothingIsMeasuredOfWhatIsNotKnown) {
  const Catalog f;
  const auto c = make_case(f, "index-lookup-transformer", {{"alphabet", 3}}, 5);
  ASSERT_TRUE(c);
  EXPECT_TRUE(measure_size(c->weights, f.blocks, c->n_tokens()).one_layer);
  Index tried = 0;
  for (const Json& option : options()) {
    const auto changed = with_option(f, c->weights, option);
    if (!changed) continue;
    ++tried;
    const ModelSize size = measure_size(*changed, f.blocks, c->n_tokens());
    EXPECT_FALSE(size.one_layer) << option;
    EXPECT_FALSE(size.state_bits) << option;
    EXPECT_NE(size.why_not, "") << option;
  }
  EXPECT_GE(tried, 4);
}

/// An option that the predicate has never heard of counts as not plain, and so does every one that
/// the block has and that is not the plain value.
TEST(AttentionOptions, PlainIsAListOfWhatIsKnown) {
  const Catalog f;
  const Json defaults = f.blocks.find("attention").resolve(Json::object(), "");
  EXPECT_EQ(beyond_plain_attention(defaults), "");
  EXPECT_EQ(beyond_plain_attention(Json::object()), "");
  EXPECT_NE(beyond_plain_attention({{"sinks", 0}}), "");
  EXPECT_NE(beyond_plain_attention({{"n-kv-heads", 1}}), "");
  for (const Json& option : options()) EXPECT_NE(beyond_plain_attention(option), "") << option;
}

}  // namespace
}  // namespace separatrix
