// Dropout against models written plainly, with the mask as a given.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "separatrix/kernels/dropout.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

std::vector<float> factors(const Dropout& dropout, Index n) {
  std::vector<float> out(std::size_t(n), 1.0F);
  drop(dropout, 0, n, out.data());
  return out;
}

TEST(Drop, KeepsTheMeanAndItsRate) {
  for (const double rate : {0.1, 0.5, 0.9}) {
    const auto f = factors({rate, 5}, 100000);
    const auto dropped = double(std::count(f.begin(), f.end(), 0.0F));
    EXPECT_NEAR(dropped / 1e5, rate, 4 * std::sqrt(rate * (1 - rate) / 1e5));
    for (const float v : f) ASSERT_TRUE(v == 0 || v == float(1 / (1 - rate)));
  }
  EXPECT_EQ(factors({0, 5}, 3), std::vector<float>(3, 1.0F));
}

TEST(Drop, DependsOnKeyAndNumberOnly) {
  const Dropout dropout{0.3, 9};
  const auto whole = factors(dropout, 200);
  for (const auto& [first, n] : {std::pair{0, 7}, {7, 1}, {8, 0}, {8, 33}, {41, 159}}) {
    std::vector<float> part(std::size_t(n), 1.0F);
    drop(dropout, std::uint64_t(first), n, part.data());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first)) << first;
  }
  EXPECT_NE(factors({0.3, 10}, 200), whole);
  EXPECT_NE(factors(dropout.stream(0), 200), whole);
  EXPECT_NE(factors(dropout.stream(0), 200), factors(dropout.stream(1), 200));
}

/// Neighbours, and the same number under neighbouring keys, are dropped independently.
TEST(Drop, PairsAreIndependent) {
  const auto both = [](const std::vector<float>& a, const std::vector<float>& b, std::size_t lag) {
    double n = 0;
    for (std::size_t i = 0; i + lag < a.size(); ++i) n += a[i] == 0 && b[i + lag] == 0;
    return n / double(a.size());
  };
  const auto f = factors({0.5, 1}, 100000), g = factors({0.5, 2}, 100000);
  for (const std::size_t lag : {1U, 2U, 3U, 64U}) EXPECT_NEAR(both(f, f, lag), 0.25, 0.008) << lag;
  EXPECT_NEAR(both(f, g, 0), 0.25, 0.008);
}

ModelSpec small_spec(const std::string& norm, bool tied) {
  ModelSpec spec;
  spec.vocab_size = 9;
  spec.n_classes = tied ? 9 : 5;
  spec.d_model = 6;
  spec.max_length = 8;
  spec.norm = norm;
  spec.head = tied ? "tied" : "learned";
  spec.layers = {{"attention", {{"n_heads", 2}}}, {"identity"}, {"attention", {{"n_heads", 3}}}};
  return resolve(spec, all_blocks());
}

/// The models of small_spec in doubles, one position after the other.
class PlainModel {
 public:
  PlainModel(const ModelSpec& spec, const std::vector<ParamSpec>& params,
             const std::vector<double>& values, const ModelDropout& dropout)
      : spec_(spec), params_(params), values_(values), dropout_(dropout) {}

  double loss(const Batch& batch) const {
    double sum = 0;
    for (Index b = 0; b < batch.B; ++b) {
      const Rows logits = run(batch, b);
      for (Index t = 0; t < batch.T; ++t) {
        const Token target = batch.target_row(b)[std::size_t(t)];
        if (target == kIgnore) continue;
        const std::vector<double>& z = logits[std::size_t(t)];
        double others = 0;
        for (const double v : z) others += std::exp(v - z[std::size_t(target)]);
        sum += std::log(others);
      }
    }
    return sum;
  }

 private:
  using Rows = std::vector<std::vector<double>>;

  const double* at(const std::string& name) const {
    Index begin = 0;
    for (const ParamSpec& param : params_) {
      if (param.name == name) return values_.data() + begin;
      begin += param.size();
    }
    ADD_FAILURE() << name;
    return values_.data();
  }
  static double factor(double rate, std::uint64_t key, Index stream, Index number) {
    float one = 1;
    drop(Dropout{rate, key}.stream(std::uint64_t(stream)), std::uint64_t(number), 1, &one);
    return double(one);
  }
  static std::vector<double> product(const std::vector<double>& x, const double* w, Index columns) {
    std::vector<double> y(std::size_t(columns), 0);
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t j = 0; j < y.size(); ++j) y[j] += x[i] * w[i * y.size() + j];
    return y;
  }
  std::vector<double> normed(const std::string& prefix, std::vector<double> x) const {
    if (spec_.norm == "none") return x;
    const auto D = double(x.size());
    double mean = 0, power = 0;
    for (const double v : x) mean += v / D;
    for (double& v : x) {
      v -= mean;
      power += v * v / D;
    }
    const double *gain = at(prefix + "norm.gain"), *bias = at(prefix + "norm.bias");
    for (std::size_t d = 0; d < x.size(); ++d)
      x[d] = x[d] / std::sqrt(power + double(1e-5F)) * gain[d] + bias[d];
    return x;
  }
  Rows attention(Index layer, Index H, Index b, const Rows& x) const {
    const std::string prefix = "layers." + std::to_string(layer) + ".attention.";
    const Index T = Index(x.size()), D = spec_.d_model, K = D / H;
    Rows q, k, v, y;
    for (const auto& row : x) {
      q.push_back(product(row, at(prefix + "q"), D));
      k.push_back(product(row, at(prefix + "k"), D));
      v.push_back(product(row, at(prefix + "v"), D));
    }
    for (std::size_t t = 0; t < x.size(); ++t) {
      std::vector<double> averages(std::size_t(D), 0);
      for (Index h = 0; h < H; ++h) {
        std::vector<double> a(t + 1, 0);
        double sum = 0;
        for (std::size_t j = 0; j <= t; ++j) {
          for (auto i = std::size_t(h * K); i < std::size_t((h + 1) * K); ++i)
            a[j] += q[t][i] * k[j][i] / std::sqrt(double(K));
          sum += a[j] = std::exp(a[j]);
        }
        for (std::size_t j = 0; j <= t; ++j) {
          const Index number = ((b * H + h) * T + Index(t)) * T + Index(j);
          a[j] *= factor(dropout_.attention, dropout_.key, layer + 1, number) / sum;
          for (auto i = std::size_t(h * K); i < std::size_t((h + 1) * K); ++i)
            averages[i] += a[j] * v[j][i];
        }
      }
      y.push_back(product(averages, at(prefix + "o"), D));
    }
    return y;
  }
  Rows run(const Batch& batch, Index b) const {
    const Index T = batch.T, D = spec_.d_model, C = spec_.n_classes;
    Rows x;
    for (Index t = 0; t < T; ++t) {
      x.emplace_back();
      for (Index d = 0; d < D; ++d)
        x.back().push_back(
            (at("embedding")[batch.row(b)[std::size_t(t)] * D + d] + at("positions")[t * D + d]) *
            factor(dropout_.embedding, dropout_.key, 0, (b * T + t) * D + d));
    }
    for (std::size_t i = 0; i < spec_.layers.size(); ++i) {
      const LayerSpec& layer = spec_.layers[i];
      Rows in;
      for (const auto& row : x) in.push_back(normed("layers." + std::to_string(i) + ".", row));
      if (layer.block == "attention")
        in = attention(Index(i), layer.config.at("n_heads").get<Index>(), b, in);
      for (std::size_t t = 0; t < x.size(); ++t)
        for (std::size_t d = 0; d < x[t].size(); ++d) x[t][d] += in[t][d];
    }
    for (auto& row : x) {
      row = normed("", row);
      std::vector<double> z(std::size_t(C), 0);
      for (std::size_t c = 0; c < z.size(); ++c) {
        if (!spec_.tied()) z[c] = at("head_bias")[c];
        for (std::size_t d = 0; d < row.size(); ++d)
          z[c] += row[d] * (spec_.tied() ? at("embedding")[c * row.size() + d]
                                         : at("head")[d * z.size() + c]);
      }
      row = z;
    }
    return x;
  }

  const ModelSpec& spec_;
  const std::vector<ParamSpec>& params_;
  const std::vector<double>& values_;
  const ModelDropout& dropout_;
};

TEST(ModelDropout, LossAndGradientAreThoseOfTheMaskedModel) {
  const auto blocks = all_blocks();
  Rng rng(4);
  for (const char* norm : {"layer", "none"})
    for (const bool tied : {false, true})
      for (const double asked : {1.0, 0.2})
        for (const ModelDropout& dropout :
             {ModelDropout{0.3, 0, 7}, ModelDropout{0, 0.4, 7}, ModelDropout{0.2, 0.3, 8}}) {
          const ModelSpec spec = small_spec(norm, tied);
          const Weights w = random_weights(spec, blocks, rng);
          const Batch batch = random_batch(spec, 3, 7, asked, rng);
          std::vector<double> values(w.values.begin(), w.values.end());
          const PlainModel plain(spec, w.params, values, dropout);
          Model model(spec, blocks);
          std::vector<float> dw(w.values.size(), 0);
          const double loss = model.forward_backward(w.values, batch, {0, 3, 1, dropout}, dw);
          EXPECT_NEAR(loss, plain.loss(batch), float_tolerance(200, std::fabs(loss)));
          Index at = 0;
          for (const ParamSpec& param : w.params) {
            for (int k = 0; k < 5; ++k) {
              const auto i = std::size_t(at + rng.below(param.size()));
              const double kept = values[i], step = 1e-5;
              values[i] = kept + step;
              const double up = plain.loss(batch);
              values[i] = kept - step;
              const double slope = (up - plain.loss(batch)) / (2 * step);
              values[i] = kept;
              EXPECT_NEAR(double(dw[i]), slope, 1e-4 * std::max(1.0, std::fabs(slope)))
                  << param.name << " " << norm << (tied ? " tied" : "");
            }
            at += param.size();
          }
        }
}

TEST(ModelDropout, DoesNotDependOnHowTheBatchIsCut) {
  const auto blocks = all_blocks();
  Rng rng(5);
  const ModelSpec spec = small_spec("layer", true);
  const Weights w = random_weights(spec, blocks, rng);
  const Batch batch = random_batch(spec, 67, 8, 0.3, rng);  // more than one tile
  const ModelDropout dropout{0.2, 0.2, 3};
  Model model(spec, blocks);
  std::vector<float> whole(w.values.size(), 0), parts = whole, plain = whole;
  const double total = model.forward_backward(w.values, batch, {0, 67, 1, dropout}, whole);
  double sum = 0;
  for (const auto& [begin, end] : {std::pair{0, 5}, {5, 6}, {6, 67}})
    sum += model.forward_backward(w.values, batch, {begin, end, 1, dropout}, parts);
  EXPECT_NEAR(total, sum, 1e-9 * total);
  for (std::size_t i = 0; i < whole.size(); ++i)
    ASSERT_NEAR(double(whole[i]), double(parts[i]),
                float_tolerance(67 * 8, std::fabs(double(whole[i]))));
  EXPECT_NE(total, model.forward_backward(w.values, batch, {0, 67, 1, {}}, plain));
}

}  // namespace
}  // namespace separatrix::test
