// RWKV's blocks where the registered suite does not look: large keys, long inputs, an empty past in
// disguise, the rows that are needed, and the published start.

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/block_run.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

/// The slice `name` of a block's parameters, as a pointer into w.
float* parameter(const Block& block, Index D, std::vector<float>& w, const std::string& name) {
  Index at = 0;
  for (const ParamSpec& param : block.params(D)) {
    if (param.name == name) return w.data() + at;
    at += param.size();
  }
  ADD_FAILURE() << "no " << name;
  return w.data();
}

void set_diagonal(float* matrix, Index D, float value) {
  for (Index i = 0; i < D * D; ++i) matrix[i] = i % (D + 1) == 0 ? value : 0;
}

/// A time mix of two channels without token shift whose keys are key_scale times its first channel,
/// in both, whose values are its second, and whose output is half the average (r = 0).
struct Averager {
  explicit Averager(float key_scale) : block(all_blocks().make("rwkv_time_mix", Json::object())) {
    for (const ParamSpec& param : block->params(kD)) w.resize(w.size() + std::size_t(param.size()));
    for (const char* mix : {"time_mix_k", "time_mix_v", "time_mix_r"})
      std::fill_n(at(mix), kD, 1.0F);
    std::fill_n(at("time_decay"), kD, -2.0F);
    std::fill_n(at("time_first"), kD, 0.3F);
    at("key")[0] = at("key")[1] = key_scale;  // row 0
    at("value")[2] = at("value")[3] = 1;      // row 1
    set_diagonal(at("output"), kD, 1);
  }
  float* at(const char* name) { return parameter(*block, kD, w, name); }

  static constexpr Index kD = 2;
  std::unique_ptr<Block> block;
  std::vector<float> w;
};

/// wkv_t as defined, in double, all weights divided by the largest.
double average(const std::vector<double>& k, const std::vector<double>& v, std::size_t t) {
  const double w = -std::exp(-2.0), u = double(0.3F);
  std::vector<double> exponents;
  for (std::size_t s = 0; s < t; ++s) exponents.push_back(double(t - 1 - s) * w + k[s]);
  exponents.push_back(u + k[t]);
  const double most = *std::max_element(exponents.begin(), exponents.end());
  double above = 0, below = 0;
  for (std::size_t s = 0; s <= t; ++s) {
    above += std::exp(exponents[s] - most) * v[s];
    below += std::exp(exponents[s] - most);
  }
  return above / below;
}

TEST(RwkvTimeMix, KeysOfAnySizeAreSafe) {
  for (const float scale : {1.0F, 80.0F, 1000.0F}) {
    Averager averager(scale);
    Rng rng(3);
    BlockInput in;
    in.shape = {1, 40, Averager::kD};
    in.w = averager.w;
    in.x = normals(rng, 80);
    in.dy = normals(rng, 80);
    const BlockOutput out = run_block(*averager.block, in);
    std::vector<double> k, v;
    for (std::size_t t = 0; t < 40; ++t) {
      k.push_back(double(scale * in.x[2 * t]));
      v.push_back(double(in.x[2 * t + 1]));
      for (std::size_t channel = 0; channel < 2; ++channel)
        // An exponent of 1000 is rounded by 3e-5.
        ASSERT_NEAR(2 * double(out.y[2 * t + channel]), average(k, v, t),
                    float_tolerance(40, 1) * double(std::max(1.0F, scale / 10)))
            << "scale " << scale << ", position " << t;
    }
    for (const float g : out.dx) EXPECT_TRUE(std::isfinite(g));
    for (const float g : out.dw) EXPECT_TRUE(std::isfinite(g));
  }
}

TEST(RwkvTimeMix, TheAverageOfALongConstantInputIsTheConstant) {
  Averager averager(5);
  BlockInput in;
  in.shape = {1, 3000, Averager::kD};
  in.w = averager.w;
  for (Index t = 0; t < in.shape.T; ++t) {
    in.x.push_back(-1.5F);
    in.x.push_back(0.75F);
  }
  in.dy.assign(in.x.size(), 1);
  const BlockOutput out = run_block(*averager.block, in);
  for (const float y : out.y) ASSERT_NEAR(2 * double(y), 0.75, 1e-6);
}

TEST(RwkvTimeMix, WithoutWeightThereIsNoPastWhateverTheOthersHold) {
  const Index D = 5;
  const auto made = all_blocks().make("rwkv_time_mix", Json::object());
  const auto& block = dynamic_cast<const RecurrentBlock&>(*made);
  Rng rng(4);
  const std::vector<float> w = random_parameters(block.params(D), rng), x = normals(rng, D);
  std::vector<float> start(std::size_t(4 * D), 0), disguised = start;
  std::vector<float> y(x), z(x);
  for (Index d = 0; d < D; ++d) {
    disguised[std::size_t(D + d)] = 3;       // p
    disguised[std::size_t(3 * D + d)] = 40;  // o
  }
  block.step(D, w.data(), start.data(), x.data(), y.data());
  block.step(D, w.data(), disguised.data(), x.data(), z.data());
  EXPECT_EQ(y, z);
  EXPECT_EQ(start, disguised);
}

TEST(RwkvChannelMix, NeedsARowAndTheOneBefore) {
  const auto block = all_blocks().make("rwkv_channel_mix", Json::object());
  const Shape s{3, 5, 4};
  std::vector<Index> storage;
  storage.reserve(std::size_t(s.rows()));
  const std::vector<Index> outputs{0, 3, 4, 10, 14};
  const Live needed = block->needs(s, {outputs}, storage);
  EXPECT_EQ(std::vector<Index>(needed.rows.begin(), needed.rows.end()),
            (std::vector<Index>{0, 2, 3, 4, 10, 13, 14}));
}

TEST(Rwkv, StartsAsPublished) {
  const Index D = 6;
  ModelSpec spec;
  spec.vocab_size = spec.n_classes = 3;
  spec.d_model = D;
  spec.max_length = 4;
  for (int i = 0; i < 3; ++i)
    for (const char* name : {"rwkv_time_mix", "rwkv_channel_mix"}) spec.layers.push_back({name});
  const Weights weights = initialize(spec, all_blocks(), 1);
  for (Index layer = 0; layer < 3; ++layer) {
    const std::string time = "layers." + std::to_string(2 * layer) + ".rwkv_time_mix.";
    const std::string channel = "layers." + std::to_string(2 * layer + 1) + ".rwkv_channel_mix.";
    const double r0 = double(layer) / 2, r1 = 1 - double(layer) / 3;
    for (std::size_t i = 0; i < std::size_t(D); ++i) {
      const double along = double(i) / double(D);
      const auto expect = [&](const std::string& name, double value) {
        EXPECT_NEAR(double(weights[name][i]), value, 1e-6) << name << " " << i;
      };
      expect(time + "time_decay", -5 + 8 * std::pow(double(i) / double(D - 1), 0.7 + 1.3 * r0));
      expect(time + "time_first", std::log(0.3) + (i % 3 == 0 ? 0 : i % 3 == 1 ? 0.5 : -0.5));
      expect(time + "time_mix_k", std::pow(along, r1));
      expect(time + "time_mix_v", std::pow(along, r1) + 0.3 * r0);
      expect(time + "time_mix_r", std::pow(along, 0.5 * r1));
      expect(channel + "time_mix_k", std::pow(along, r1));
      expect(channel + "time_mix_r", std::pow(along, r1));
    }
    for (const std::string& name : {time + "key", time + "receptance", time + "output",
                                    channel + "receptance", channel + "value"})
      for (const float value : weights[name]) EXPECT_EQ(value, 0) << name;
    // Rows orthonormal, those of the wide one times 2.
    for (const auto& [name, columns, gain] :
         {std::tuple{time + "value", D, 1.0}, {channel + "key", 4 * D, 2.0}})
      for (Index i = 0; i < D; ++i)
        for (Index j = 0; j <= i; ++j) {
          const float* matrix = weights[name].data();
          double product = 0;
          for (Index c = 0; c < columns; ++c)
            product += double(matrix[i * columns + c]) * double(matrix[j * columns + c]);
          EXPECT_NEAR(product, i == j ? gain * gain : 0, 1e-5) << name << " " << i << " " << j;
        }
  }
}

}  // namespace
}  // namespace separatrix::test
