#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/proofs/model_size.h"
#include "tests/support/models.h"

// Every constant of the margin inequality against plain evaluation of the model: on inputs drawn at
// random the values, scores and changes of logits stay below what measure_size says.

namespace separatrix {
namespace {

constexpr Index kTokens = 7;

ModelSpec one_layer(const std::string& norm, Index heads, std::vector<LayerSpec> rest) {
  ModelSpec spec;
  spec.vocab_size = 5;
  spec.n_classes = 4;
  spec.d_model = 8;
  spec.max_length = kTokens;
  spec.norm = norm;
  spec.layers = {{.block = "attention", .config = {{"n_heads", heads}, {"d_value", 3}}}};
  spec.layers.insert(spec.layers.end(), rest.begin(), rest.end());
  return spec;
}

std::vector<double> normed(const Weights& w, const std::vector<double>& x) {
  if (w.spec.norm == "none") return x;
  const auto gain = w["layers.0.norm.gain"];
  double mean = 0, power = 0;
  if (w.spec.norm == "layer")
    for (const double a : x) mean += a / double(x.size());
  for (const double a : x) power += (a - mean) * (a - mean) / double(x.size());
  std::vector<double> y;
  for (std::size_t d = 0; d < x.size(); ++d) {
    y.push_back((x[d] - mean) / std::sqrt(power + 1e-5) * double(gain[d]));
    if (w.spec.norm == "layer") y.back() += double(w["layers.0.norm.bias"][d]);
  }
  return y;
}

/// What the attention of the last position sees and gives, written out.
struct Seen {
  double value = 0, score = 0;
  std::vector<double> out;  ///< [H d_v]
};
Seen look(const Weights& w, const std::vector<Token>& tokens) {
  const Index D = w.spec.d_model, H = w.spec.layers[0].config.at("n_heads");
  std::vector<std::vector<double>> x;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    std::vector<double> row;
    for (Index d = 0; d < D; ++d)
      row.push_back(double(w["embedding"][std::size_t(tokens[t] * D + d)]) +
                    double(w["positions"][t * std::size_t(D) + std::size_t(d)]));
    x.push_back(normed(w, row));
  }
  const auto project = [&](const std::vector<double>& row, const char* name) {
    const auto m = w["layers.0.attention." + std::string(name)];
    const std::size_t n = m.size() / std::size_t(D);
    std::vector<double> y(n);
    for (std::size_t d = 0; d < row.size(); ++d)
      for (std::size_t i = 0; i < n; ++i) y[i] += row[d] * double(m[d * n + i]);
    return y;
  };
  Seen seen;
  const std::vector<double> query = project(x.back(), "q");
  const std::size_t dk = query.size() / std::size_t(H);
  for (Index h = 0; h < H; ++h) {
    std::vector<double> weights;
    double total = 0;
    std::vector<double> sum;
    for (const auto& row : x) {
      const std::vector<double> key = project(row, "k"), value = project(row, "v");
      double score = 0;
      for (std::size_t i = std::size_t(h) * dk; i < (std::size_t(h) + 1) * dk; ++i)
        score += query[i] * key[i];
      score *= double(1 / std::sqrt(float(dk)));  // the block rounds its scale to float32
      seen.score = std::max(seen.score, std::abs(score));
      const std::size_t dv = value.size() / std::size_t(H);
      sum.resize(dv);
      total += std::exp(score);
      for (std::size_t i = 0; i < dv; ++i) {
        const double v = value[std::size_t(h) * dv + i];
        seen.value = std::max(seen.value, std::abs(v));
        sum[i] += std::exp(score) * v;
      }
    }
    for (const double s : sum) seen.out.push_back(s / total);
  }
  return seen;
}

TEST(ModelSize, BoundsHoldOnRandomInputsOfEveryForm) {
  const Registry<Block> blocks = test::all_blocks();
  const LayerSpec relu{.block = "mlp", .config = {{"d_ff", 6}, {"activation", "relu"}}};
  const LayerSpec gelu{.block = "mlp", .config = {{"d_ff", 6}, {"activation", "gelu"}}};
  LayerSpec bare = gelu;
  bare.residual = false;
  Rng rng(1);
  for (const char* norm : {"none", "layer", "rms"})
    for (const Index heads : {1, 2})
      for (const std::vector<LayerSpec>& rest :
           std::vector<std::vector<LayerSpec>>{{}, {relu}, {gelu, bare}}) {
        const Weights w = test::random_weights(one_layer(norm, heads, rest), blocks, rng);
        const ModelSize size = measure_size(w, blocks, kTokens);
        ASSERT_TRUE(size.one_layer) << size.why_not;
        EXPECT_FALSE(size.state_bits);
        EXPECT_EQ(size.one_layer->heads, heads);
        EXPECT_EQ(size.one_layer->value_width, 3);
        double steepest = 0;
        const Token last = Token(rng.below(5));
        std::vector<double> before, before_logits;
        for (int draw = 0; draw < 200; ++draw) {
          std::vector<Token> tokens;
          for (Index t = 0; t + 1 < kTokens; ++t) tokens.push_back(Token(rng.below(5)));
          tokens.push_back(last);
          const Seen seen = look(w, tokens);
          EXPECT_LE(seen.value, size.one_layer->value);
          EXPECT_LE(seen.score, size.one_layer->score);
          const std::vector<double> all = reference_logits<double>(w, blocks, tokens);
          const std::vector<double> logits(all.end() - 4, all.end());
          if (draw > 0) {
            double moved = 0;
            for (std::size_t i = 0; i < seen.out.size(); ++i)
              moved = std::max(moved, std::abs(seen.out[i] - before[i]));
            for (std::size_t a = 0; a < 4; ++a)
              for (std::size_t b = 0; b < a; ++b) {
                const double change =
                    std::abs((logits[a] - logits[b]) - (before_logits[a] - before_logits[b]));
                if (moved > 1e-6) steepest = std::max(steepest, change / moved);
              }
          }
          before = seen.out;
          before_logits = logits;
        }
        EXPECT_LE(steepest, size.one_layer->lipschitz) << norm << " " << heads;
        EXPECT_GT(steepest, 0);
      }
}

/// Without norm and MLP the logits are linear in the head outputs, and the constant is exact.
TEST(ModelSize, LipschitzConstantOfALinearReadOutIsAttained) {
  const Registry<Block> blocks = test::all_blocks();
  Rng rng(2);
  const Weights w = test::random_weights(one_layer("none", 2, {}), blocks, rng);
  const auto o = w["layers.0.attention.o"];  // [6, 8]
  const auto head = w["head"];               // [8, 4]
  double exact = 0;
  for (std::size_t a = 0; a < 4; ++a)
    for (std::size_t b = 0; b < a; ++b) {
      double sum = 0;
      for (std::size_t i = 0; i < 6; ++i) {
        double slope = 0;
        for (std::size_t d = 0; d < 8; ++d)
          slope += double(o[i * 8 + d]) * (double(head[d * 4 + a]) - double(head[d * 4 + b]));
        sum += std::abs(slope);
      }
      exact = std::max(exact, sum);
    }
  const double measured = measure_size(w, blocks, kTokens).one_layer->lipschitz;
  EXPECT_GE(measured, exact * (1 - 1e-12));
  EXPECT_LE(measured, exact * (1 + 1e-9));
}

TEST(ModelSize, SaysWhatIsNotMeasured) {
  const Registry<Block> blocks = test::all_blocks();
  const LayerSpec attention{.block = "attention"};
  const auto why = [&](const ModelSpec& spec) {
    const ModelSize size = measure_size(zeros(spec, blocks), blocks, kTokens);
    EXPECT_FALSE(size.one_layer);
    return size.why_not;
  };
  EXPECT_EQ(why(one_layer("none", 1, {attention})), "it has more than one attention layer");
  EXPECT_NE(why(one_layer("none", 1, {{.block = "mlp", .config = {{"activation", "swiglu"}}}})),
            "");
  ModelSpec recurrent = one_layer("none", 1, {});
  recurrent.layers = {{.block = "lstm"}};
  const ModelSize size = measure_size(zeros(recurrent, blocks), blocks, kTokens);
  ASSERT_TRUE(size.state_bits);
  EXPECT_EQ(*size.state_bits, 2 * 8 * 32);
  EXPECT_FALSE(size.one_layer);
}

}  // namespace
}  // namespace separatrix
