// docs/format.md promises that its Python program computes our logits: run it and see.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>

#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "separatrix/model/model_file.h"
#include "separatrix/nn/model.h"

namespace separatrix {
namespace {

namespace fs = std::filesystem;

/// The text of the first ```python block.
std::string program() {
  const std::string page = read_file(std::string(SEPARATRIX_SOURCE) + "/docs/format.md");
  const std::size_t begin = page.find("```python\n") + 10;
  return page.substr(begin, page.find("```", begin) - begin);
}

/// What the command prints; fails the test if its exit code is not 0.
std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += char(c);
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << text;
  return text;
}

ModelSpec spec_of(const std::string& norm, const std::string& positions, const char* layers) {
  ModelSpec spec = read_model_spec({{"layers", Json::parse(layers)}}, "");
  spec.vocab_size = 7;
  spec.n_classes = 5;
  spec.d_model = 6;
  spec.max_length = 9;
  spec.norm = norm;
  spec.positions = positions;
  return spec;
}

ModelSpec tied(ModelSpec spec) {
  spec.head = "tied";
  spec.n_classes = spec.vocab_size;
  return spec;
}

TEST(FormatDocs, ThePythonProgramGivesOurLogits) {
  if (std::system("python3 -c 'import numpy' 2>/dev/null") != 0 &&
      std::system("/usr/bin/python3 -c 'import numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "needs python3 with numpy";
  const std::string python =
      std::system("python3 -c 'import numpy' 2>/dev/null") == 0 ? "python3 " : "/usr/bin/python3 ";
  Registry<Block> blocks("block");
  register_blocks(blocks);
  std::string name = (fs::temp_directory_path() / "separatrix.XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  write_file_atomic(folder / "load.py", program());
  const std::vector<Token> tokens = {3, 0, 6, 6, 1};
  for (const ModelSpec& spec :
       {spec_of("layer", "learned",
                R"([{"block":"attention","config":{"n_heads":2}}, "mlp",
                    {"block":"attention","config":{"n_heads":3,"d_head":4,"d_value":1,
                     "causal":false,"scale":"none"}}])"),
        tied(spec_of("layer", "learned", R"(["attention", "identity", "attention"])")),
        spec_of("rms", "none",
                R"([{"block":"mlp","config":{"activation":"swiglu","d_ff":10}}, "attention",
                    {"block":"mlp","config":{"activation":"relu","bias":false}}])"),
        spec_of("none", "none",
                R"([{"block":"lstm","config":{"forget_bias":1},"residual":false},
                    {"block":"rnn","residual":false},
                    {"block":"rnn","config":{"activation":"relu","state_format":"bit"}}])")}) {
    const Weights weights = initialize(resolve(spec, blocks), blocks, 5);
    save_model(folder / "m.safetensors", {weights, {}});
    const auto expected = reference_logits<double>(weights, blocks, tokens);
    std::istringstream printed(output_of(python + (folder / "load.py").string() + " " +
                                         (folder / "m.safetensors").string() + " 3 0 6 6 1"));
    std::vector<double> got;
    for (double v = 0; printed >> v;) got.push_back(v);
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], expected[i], 1e-7 * (1 + std::fabs(expected[i]))) << spec.norm << i;
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace separatrix
