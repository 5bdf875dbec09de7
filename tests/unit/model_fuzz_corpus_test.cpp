// Replays the fuzzers' corpus, and the inputs that once broke something, without clang. The
// functions end the process when a promise is broken; plain text of "crashes" is kept likewise.
#include <filesystem>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "separatrix/base/file.h"
#include "tests/fuzz/targets.cpp"  // NOLINT(bugprone-suspicious-include): one test, no library

namespace separatrix {
namespace {

struct Target {
  const char* name;
  void (*run)(std::string_view);
};
class FuzzCorpus : public testing::TestWithParam<Target> {};

/// Every file as it is, cut short, and with each byte of its first 300 changed.
TEST_P(FuzzCorpus, GivesErrorOrSuccess) {
  const std::filesystem::path folder =
      std::filesystem::path(SEPARATRIX_SOURCE) / "tests/fuzz/corpus" / GetParam().name;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    const std::string bytes = read_file(entry.path().string());
    GetParam().run(bytes);
    for (std::size_t n = 0; n < std::min<std::size_t>(bytes.size(), 300); ++n) {
      GetParam().run(std::string_view(bytes).substr(0, n));
      std::string changed = bytes;
      changed[n] = char(changed[n] ^ (1 << (n % 8)));
      GetParam().run(changed);
    }
    ++files;
  }
  EXPECT_GE(files, 3);
}

INSTANTIATE_TEST_SUITE_P(, FuzzCorpus,
                         testing::Values(Target{"model_spec", fuzz::model_spec},
                                         Target{"model_file", fuzz::model_file},
                                         Target{"yaml", fuzz::yaml}, Target{"table", fuzz::table},
                                         Target{"dfa", fuzz::dfa}),
                         [](const auto& i) { return std::string(i.param.name); });

/// Else the seeds would exercise the refusals only.
TEST(FuzzSeeds, TheGoodOnesLoad) {
  for (const char* name : {"no_layers", "attention", "hybrid"}) {
    const std::string path =
        std::string(SEPARATRIX_SOURCE) + "/tests/fuzz/corpus/model_file/" + name;
    EXPECT_NO_THROW(load_model(path, fuzz::simple_params)) << name;
  }
}

}  // namespace
}  // namespace separatrix
