#include "separatrix/model/model_file.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "separatrix/base/file.h"

namespace separatrix {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

/// A fresh folder, removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string name = (fs::temp_directory_path() / "separatrix.XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() { fs::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::string path(const std::string& file) const { return (path_ / file).string(); }
  std::ptrdiff_t entries() const {
    return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
  }

 private:
  fs::path path_;
};

Error thrown(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::usage, ""};
}

std::vector<ParamSpec> params_of(const ModelSpec& spec) {
  std::vector<ParamSpec> params = {{"embedding", {spec.vocab_size, spec.d_model}}};
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    if (spec.layers[i].block != "square")
      throw Error(ErrorKind::spec, "unknown block '" + spec.layers[i].block + "'",
                  "/layers/" + std::to_string(i), "did you mean 'square'?");
    params.push_back({"layers." + std::to_string(i) + ".square.w", {spec.d_model, spec.d_model}});
  }
  params.push_back({"head", {spec.d_model, spec.n_classes}});
  return params;
}

ModelFile example(Index width = 2) {
  ModelFile file;
  ModelSpec& spec = file.weights.spec;
  spec.vocab_size = 3;
  spec.n_classes = 2;
  spec.d_model = width;
  spec.max_length = 1'000'000;  // legitimate without a table of positions
  spec.positions = "none";
  spec.layers = {{.block = "square", .config = {{"k", 1}}}};
  file.weights.params = params_of(spec);
  Index n = 0;
  for (const ParamSpec& param : file.weights.params) n += param.size();
  for (Index i = 0; i < n; ++i) file.weights.values.push_back(float(i) / 8 - 1);
  file.provenance = {{"construction", "x"}, {"claim", {{"length", 4}}}};
  return file;
}
std::string bytes_of(const ModelFile& file) {
  const TempDir dir;
  save_model(dir.path("m"), file);
  return read_file(dir.path("m"));
}
/// The example's tensors and metadata, changed by f, must be refused like this.
Error refusal(const std::function<void(TensorFile&)>& change) {
  TensorFile tensors = parse_safetensors(bytes_of(example()), "m");
  change(tensors);
  const std::string bytes = write_safetensors(tensors);
  return thrown([&] { parse_model(bytes, "m", params_of); });
}
Error refusal_of_spec(const std::function<void(Json&)>& change) {
  return refusal([&](TensorFile& file) {
    Json spec = Json::parse(file.metadata["separatrix.spec"].get<std::string>());
    change(spec);
    file.metadata["separatrix.spec"] = spec.dump();
  });
}

TEST(ModelFile, WhatIsSavedIsLoaded) {
  const TempDir dir;
  const ModelFile file = example();
  save_model(dir.path("m.safetensors"), file);
  const ModelFile loaded = load_model(dir.path("m.safetensors"), params_of);
  EXPECT_EQ(weights_sha256(loaded.weights), weights_sha256(file.weights));
  EXPECT_EQ(loaded.provenance, file.provenance);
  EXPECT_EQ(loaded.weights["head"][3], file.weights["head"][3]);
  EXPECT_EQ(bytes_of(loaded), read_file(dir.path("m.safetensors")));
}

TEST(ModelFile, CutAnywhereItIsRefusedAsDamaged) {
  const std::string bytes = bytes_of(example());
  for (std::size_t n = 0; n < bytes.size(); ++n)
    ASSERT_EQ(thrown([&] { parse_model(bytes.substr(0, n), "m", params_of); }).kind(),
              ErrorKind::io)
        << n;
}

TEST(ModelFile, ANonModelIsASpecError) {
  for (const char* key : {"separatrix.format", "separatrix.spec"}) {
    const Error e = refusal([&](TensorFile& file) { file.metadata.erase(key); });
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_THAT(e.what(), HasSubstr(key));
  }
  EXPECT_THAT(refusal([](TensorFile& f) { f.metadata["separatrix.format"] = "2"; }).what(),
              HasSubstr("format version '2'"));
  EXPECT_EQ(refusal([](TensorFile& f) { f.metadata["separatrix.spec"] = "{"; }).where(),
            "m#separatrix.spec");
  EXPECT_EQ(refusal([](TensorFile& f) { f.metadata["separatrix.spec"] = "{\"x\":1}"; }).where(),
            "m#separatrix.spec/x");
  EXPECT_THAT(refusal([](TensorFile& f) {
                f.metadata["separatrix.provenance"] = std::string(1'000'000, '[');
              }).what(),
              HasSubstr("nested deeper"));
}

TEST(ModelFile, TensorsMustBeThoseOfTheSpec) {
  EXPECT_THAT(refusal([](TensorFile& f) { f.tensors.pop_back(); }).what(),
              HasSubstr("tensor 'head' is missing"));
  EXPECT_THAT(refusal([](TensorFile& f) {
                f.tensors.push_back({"more", {1}, {0}});
              }).what(),
              HasSubstr("tensor 'more' is not in its spec"));
  EXPECT_THAT(refusal([](TensorFile& f) {
                f.tensors[0].shape = {2, 3};
              }).what(),
              HasSubstr("tensor 'embedding' has shape [2,3], its spec says [3,2]"));
  EXPECT_THAT(refusal([](TensorFile& f) { f.tensors[0].shape = {6}; }).what(),
              HasSubstr("has shape [6]"));
  const Error e = refusal_of_spec([](Json& spec) { spec["layers"][0]["block"] = "squares"; });
  EXPECT_STREQ(e.what(), "unknown block 'squares'");
  EXPECT_EQ(e.where(), "m#separatrix.spec/layers/0");
  EXPECT_EQ(e.hint(), "did you mean 'square'?");
}

TEST(ModelFile, ValuesMustBeFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const Error e = refusal([&](TensorFile& f) { f.tensors[1].values[2] = bad; });
    EXPECT_EQ(e.kind(), ErrorKind::io);
    EXPECT_THAT(e.what(), HasSubstr("'layers.0.square.w' holds a value that is not finite"));
    ModelFile file = example();
    file.weights.values[1] = bad;
    const TempDir dir;
    EXPECT_EQ(thrown([&] { save_model(dir.path("m"), file); }).kind(), ErrorKind::numeric);
    EXPECT_EQ(dir.entries(), 0);
  }
}

TEST(ModelFile, AGiganticSpecIsRefusedBeforeAnybodyComputesWithIt) {
  const auto refused = [](const std::function<void(Json&)>& change) {
    const Error e = refusal_of_spec(change);
    EXPECT_EQ(e.kind(), ErrorKind::spec);
    EXPECT_THAT(e.what(),
                testing::AnyOf(HasSubstr("more than the file holds"), HasSubstr("size below 1")));
  };
  for (const Index huge : {Index(1) << 62, Index(1) << 31, Index(100), Index(0), Index(-1)})
    for (const char* key : {"vocab_size", "n_classes", "d_model"})
      refused([&](Json& spec) { spec[key] = huge; });
  refused([](Json& spec) { spec["max_length"] = Index(1) << 40; });
  refused([](Json& spec) { spec["positions"] = "learned"; });  // a table of a million rows
  refused([](Json& spec) { spec["layers"][0]["config"]["k"] = Index(1) << 40; });
  refused([](Json& spec) { spec["layers"][0]["config"]["deep"] = {{"k", {1, -1e300}}}; });
}

TEST(ModelFile, AFolderThatCannotBeWrittenIsAnIoError) {
  const TempDir dir;
  std::ofstream(dir.path("plain")) << "x";
  for (const std::string& path :
       {dir.path("plain/m"), dir.path("absent/m"), std::string("/proc/separatrix/m")}) {
    const Error e = thrown([&] { save_model(path, example()); });
    EXPECT_EQ(e.kind(), ErrorKind::io);
    EXPECT_EQ(e.where(), path);
  }
  EXPECT_EQ(thrown([&] { load_model(dir.path("absent"), params_of); }).kind(), ErrorKind::io);
  EXPECT_EQ(thrown([&] { load_model(dir.path(""), params_of); }).kind(), ErrorKind::io);
}

/// Saving the large model must fail and leave the small one, and nothing else.
void expect_old_file_kept(const TempDir& dir, const std::string& file) {
  const std::string before = read_file(dir.path(file));
  const auto entries = dir.entries();
  const Error e = thrown([&] { save_model(dir.path(file), example(1000)); });
  EXPECT_EQ(e.kind(), ErrorKind::io);
  EXPECT_EQ(read_file(dir.path(file)), before);
  EXPECT_EQ(dir.entries(), entries);
}

// A limit on the size of files acts like a disk that fills up in the middle of writing.
TEST(ModelFile, AWriteCutShortLeavesTheOldFile) {
  const TempDir dir;
  save_model(dir.path("m"), example());
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit small{100'000, old.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_old_file_kept(dir, "m");
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
}

TEST(ModelFile, AFullDiskLeavesTheOldFileAndSaysSo) {
  const TempDir dir;
  const std::string disk = dir.path("");
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=256k") != 0)
    GTEST_SKIP() << "mounting a tiny disk needs root; the write cut short is tested above";
  save_model(dir.path("m"), example());
  expect_old_file_kept(dir, "m");
  const Error e = thrown([&] { save_model(dir.path("n"), example(1000)); });
  EXPECT_THAT(e.what(), HasSubstr("No space left"));
  EXPECT_THAT(e.hint(), HasSubstr("free some space"));
  EXPECT_FALSE(fs::exists(dir.path("n")));
  ASSERT_EQ(umount(disk.c_str()), 0);
}

}  // namespace
}  // namespace separatrix
