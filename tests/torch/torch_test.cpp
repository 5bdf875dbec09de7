// Forward and gradients against what PyTorch computed in double (tools/make_torch_fixtures.py).

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/kernels/kernels.h"
#include "separatrix/model/model_file.h"
#include "tests/support/block_run.h"
#include "tests/support/models.h"
#include "tests/support/tolerance.h"

namespace separatrix::test {
namespace {

struct Fixture {
  std::string name;
  Json metadata;
  std::map<std::string, Tensor> tensors;

  const std::vector<float>& operator[](const std::string& key) const {
    return tensors.at(key).values;
  }
};

std::vector<Fixture> load(const std::string& kind) {
  std::vector<Fixture> fixtures;
  for (const auto& entry : std::filesystem::directory_iterator(SEPARATRIX_SOURCE "/tests/torch")) {
    if (entry.path().extension() != ".safetensors") continue;
    const TensorFile file = parse_safetensors(read_file(entry.path().string()), entry.path());
    if (file.metadata.at("kind") != kind) continue;
    Fixture fixture{entry.path().stem(), file.metadata, {}};
    for (const Tensor& tensor : file.tensors) fixture.tensors[tensor.name] = tensor;
    fixtures.push_back(std::move(fixture));
  }
  std::sort(fixtures.begin(), fixtures.end(),
            [](const Fixture& a, const Fixture& b) { return a.name < b.name; });
  return fixtures;
}
void PrintTo(const Fixture& fixture, std::ostream* out) { *out << fixture.name; }

/// Every parameter of ours must be in the file, with our shape, and the other way round.
std::vector<float> collect(const Fixture& fixture, const std::vector<ParamSpec>& params,
                           const std::string& prefix) {
  std::vector<float> values;
  for (const ParamSpec& param : params) {
    const auto it = fixture.tensors.find(prefix + param.name);
    if (it == fixture.tensors.end()) {
      ADD_FAILURE() << "no " << prefix << param.name;
      values.resize(values.size() + std::size_t(param.size()));
      continue;
    }
    EXPECT_EQ(it->second.shape, param.shape) << param.name;
    values.insert(values.end(), it->second.values.begin(), it->second.values.end());
  }
  const auto listed = std::count_if(fixture.tensors.begin(), fixture.tensors.end(),
                                    [&](const auto& t) { return t.first.starts_with(prefix); });
  EXPECT_EQ(listed, Index(params.size())) << "tensors " << prefix << "*";
  return values;
}

void expect_near(const std::vector<float>& actual, const std::vector<float>& expected, Index terms,
                 const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double scale = 0;
  for (const float v : expected) scale = std::max(scale, std::fabs(double(v)));
  ASSERT_GT(scale, 0) << what << " is all zero: this fixture shows nothing";
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(double(actual[i]), double(expected[i]), float_tolerance(terms, scale))
        << what << " " << i;
}

/// Roundings in the longest chain of any fixture: widths of about 10 over 7 steps and 2 layers.
constexpr Index kTerms = 200;

class TorchBlocks : public testing::TestWithParam<Fixture> {};
TEST_P(TorchBlocks, ForwardAndGradients) {
  const Fixture& fixture = GetParam();
  const auto block = all_blocks().make(fixture.metadata.at("block"),
                                       Json::parse(std::string(fixture.metadata.at("config"))));
  const std::vector<Index>& shape = fixture.tensors.at("x").shape;
  BlockInput in;
  in.shape = {shape[0], shape[1], shape[2]};
  const std::vector<ParamSpec> params = block->params(in.shape.D);
  in.w = collect(fixture, params, "w.");
  in.x = fixture["x"];
  in.dy = fixture["dy"];
  const BlockOutput out = run_block(*block, in);
  expect_near(out.y, fixture["y"], kTerms, "y");
  expect_near(out.dx, fixture["dx"], kTerms, "dx");
  expect_near(out.dw, collect(fixture, params, "dw."), kTerms, "dw");
}

class TorchNorms : public testing::TestWithParam<Fixture> {};
TEST_P(TorchNorms, ForwardAndGradients) {
  const Fixture& fixture = GetParam();
  const bool layer = fixture.metadata.at("norm") == "layer";
  const Index M = fixture.tensors.at("x").shape[0], D = fixture.tensors.at("x").shape[1];
  const Norm spec{layer ? NormKind::layer : NormKind::rms, D, fixture["w.gain"].data(),
                  layer ? fixture["w.bias"].data() : nullptr};
  const auto n = fixture["x"].size(), width = std::size_t(D);
  std::vector<float> y(n), stats(2 * std::size_t(M)), dx(n, 0), dgain(width, 0), dbias(width, 0);
  norm(spec, {M}, fixture["x"].data(), y.data(), stats.data());
  norm_backward(spec, {M}, fixture["x"].data(), stats.data(), fixture["dy"].data(),
                {dx.data(), dgain.data(), layer ? dbias.data() : nullptr});
  expect_near(y, fixture["y"], kTerms, "y");
  expect_near(dx, fixture["dx"], kTerms, "dx");
  expect_near(dgain, fixture["dw.gain"], kTerms, "dgain");
  if (layer) expect_near(dbias, fixture["dw.bias"], kTerms, "dbias");
}

class TorchModels : public testing::TestWithParam<Fixture> {};
TEST_P(TorchModels, LogitsLossAndGradients) {
  const Fixture& fixture = GetParam();
  const auto blocks = all_blocks();
  const ModelSpec spec =
      read_model_spec(Json::parse(std::string(fixture.metadata.at("spec"))), fixture.name);
  const std::vector<ParamSpec> params = model_params(spec, blocks);
  const std::vector<float> w = collect(fixture, params, "w.");
  Batch batch;
  batch.B = fixture.tensors.at("tokens").shape[0];
  batch.T = fixture.tensors.at("tokens").shape[1];
  for (const float token : fixture["tokens"]) batch.tokens.push_back(Token(token));
  for (const float target : fixture["targets"]) batch.targets.push_back(Token(target));

  Model model(spec, blocks);
  std::vector<float> logits, dw(w.size(), 0);
  model.logits(w, batch, logits);
  expect_near(logits, fixture["logits"], kTerms, "logits");
  const double loss = model.forward_backward(w, batch, {0, batch.B, 1}, dw);
  const auto expected = double(fixture["loss"][0]);
  EXPECT_NEAR(loss, expected, float_tolerance(kTerms, expected));
  expect_near(dw, collect(fixture, params, "dw."), kTerms, "dw");
}

const auto kName = [](const auto& test) { return test.param.name; };
INSTANTIATE_TEST_SUITE_P(All, TorchBlocks, testing::ValuesIn(load("block")), kName);
INSTANTIATE_TEST_SUITE_P(All, TorchNorms, testing::ValuesIn(load("norm")), kName);
INSTANTIATE_TEST_SUITE_P(All, TorchModels, testing::ValuesIn(load("model")), kName);

}  // namespace
}  // namespace separatrix::test
