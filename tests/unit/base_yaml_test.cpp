#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "separatrix/base/yaml.h"

namespace separatrix {
namespace {

using testing::HasSubstr;

/// What f throws; fails the test if nothing.
Error thrown(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::usage, ""};
}
Error yaml_error(const std::string& text) {
  return thrown([&] { parse_yaml(text, "x.yaml"); });
}
Json yaml(const std::string& text) { return parse_yaml(text, "x.yaml").json; }

TEST(Yaml, ScalarsFollowTheCoreSchema) {
  EXPECT_EQ(yaml("a: 3\nb: -4\nc: 1e-3\nd: .5\ne: true\nf: ~\ng:\nh: text with spaces\n"),
            Json({{"a", 3},
                  {"b", -4},
                  {"c", 1e-3},
                  {"d", 0.5},
                  {"e", true},
                  {"f", nullptr},
                  {"g", nullptr},
                  {"h", "text with spaces"}}));
  EXPECT_EQ(yaml("[+7, 0x1F, 0o17, 18446744073709551615, 1., -0.5]"),
            Json({7, 31, 15, 18446744073709551615u, 1.0, -0.5}));
  // Not numbers, although they begin like one; 1.1-era booleans are text.
  EXPECT_EQ(yaml("[1.2.3, 10k, 2020-01-01, yes, off, '-', 'no', +-3, 0xg, 1e, .]"),
            Json({"1.2.3", "10k", "2020-01-01", "yes", "off", "-", "no", "+-3", "0xg", "1e", "."}));
}

TEST(Yaml, QuotedScalarsStayText) {
  EXPECT_EQ(yaml(R"(["3", 'true', "null", "", !!str 5, "1e3"])"),
            Json({"3", "true", "null", "", "5", "1e3"}));
  EXPECT_TRUE(yaml("[18446744073709551615]")[0].is_number_unsigned());
  EXPECT_TRUE(yaml("[3]")[0].is_number_integer());
  EXPECT_TRUE(yaml("[3.0]")[0].is_number_float());
}

TEST(Yaml, MapsListsAndJson) {
  EXPECT_EQ(yaml("layers:\n  - attention\n  - {block: mlp, config: {d_ff: 64}}\nlist: [1, [2]]\n"),
            Json({{"layers", {"attention", {{"block", "mlp"}, {"config", {{"d_ff", 64}}}}}},
                  {"list", {1, Json::array({2})}}}));
  EXPECT_EQ(yaml(R"({"a": [1, 2.5, "x", null, false], "b": {}})"),
            Json::parse(R"({"a": [1, 2.5, "x", null, false], "b": {}})"));
  EXPECT_TRUE(yaml("").is_null());
  EXPECT_TRUE(yaml("# only a comment\n").is_null());
}

TEST(Yaml, AnchorsAreCopied) {
  EXPECT_EQ(yaml("a: &x {lr: 1}\nb: *x\nc: [*x, &y 3, *y]"),
            Json({{"a", {{"lr", 1}}}, {"b", {{"lr", 1}}}, {"c", {{{"lr", 1}}, 3, 3}}}));
}

TEST(Yaml, WhatIsNotYamlNamesItsLine) {
  const Error e = yaml_error("a: 1\nb: [1, 2\nc: 3\n");
  EXPECT_EQ(e.kind(), ErrorKind::spec);
  EXPECT_THAT(e.what(), HasSubstr("not YAML"));
  EXPECT_THAT(e.where(), HasSubstr("x.yaml:"));
}

TEST(Yaml, DoubledKeysNameTheSecondLine) {
  const Error e = yaml_error("train:\n  lr: 1\n  steps: 2\n  lr: 3\n");
  EXPECT_STREQ(e.what(), "the key 'lr' appears twice");
  EXPECT_EQ(e.where(), "x.yaml:4");
}

TEST(Yaml, RefusesWhatHasNoJsonMeaning) {
  EXPECT_THAT(yaml_error("a: .inf").what(), HasSubstr("not finite"));
  EXPECT_THAT(yaml_error("a: -.nan").what(), HasSubstr("not finite"));
  EXPECT_THAT(yaml_error("a: 18446744073709551616").what(), HasSubstr("64 bits"));
  EXPECT_THAT(yaml_error("a: 1e999").what(), HasSubstr("64 bits"));
  EXPECT_THAT(yaml_error("? [1, 2]\n: 3").what(), HasSubstr("a key must be plain text"));
  EXPECT_THAT(yaml_error("a: &k x\n*k : 3").what(), HasSubstr("a key must be plain text"));
  EXPECT_THAT(yaml_error(": 3").what(), HasSubstr("empty key"));
  EXPECT_THAT(yaml_error("a: !python/object x").what(), HasSubstr("tag"));
  EXPECT_THAT(yaml_error("a: 1\n---\nb: 2\n").what(), HasSubstr("more than one"));
  EXPECT_THAT(yaml_error("a: \xff\xfe").what(), HasSubstr("UTF-8"));
  EXPECT_THAT(yaml_error(std::string("a: \0", 4)).what(), HasSubstr("UTF-8"));
  EXPECT_THAT(yaml_error("a: &x [1, *x]").what(), HasSubstr("alias"));
  EXPECT_THAT(yaml_error(std::string(300, 'k') + ": 1").what(), HasSubstr("too long"));
}

TEST(Yaml, DeepNestingIsAnErrorNotACrash) {
  const auto closed = [](std::size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_THAT(yaml_error(closed(10000)).what(), HasSubstr("nested deeper"));
  std::string blocks;
  for (int i = 0; i < 1000; ++i) blocks += std::string(std::size_t(i), ' ') + "a:\n";
  EXPECT_THAT(yaml_error(blocks).what(), HasSubstr("nested deeper"));
  EXPECT_EQ(yaml_error(std::string(100000, '[')).kind(), ErrorKind::spec);
  EXPECT_EQ(yaml_error(std::string(100000, '{')).kind(), ErrorKind::spec);
  EXPECT_NO_THROW(yaml(closed(64)));
  // Depth that only aliases build up.
  std::string text = "x0: &x0 [1]\n";
  for (int i = 1; i < 80; ++i)
    text += "x" + std::to_string(i) + ": &x" + std::to_string(i) + " [*x" + std::to_string(i - 1) +
            "]\n";
  EXPECT_THAT(yaml_error(text).what(), HasSubstr("nested deeper"));
}

TEST(Yaml, ALittleTextCannotBecomeAlotOfMemory) {
  std::string laughs = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string previous = "*x" + std::to_string(i - 1);
    laughs += "x" + std::to_string(i) + ": &x" + std::to_string(i) + " [" + previous;
    for (int k = 0; k < 9; ++k) laughs += ", " + previous;
    laughs += "]\n";
  }
  EXPECT_THAT(yaml_error(laughs).what(), HasSubstr("too many values"));
  std::string copies = "a: &x " + std::string(100000, 't') + "\nb: [*x";
  for (int i = 0; i < 1000; ++i) copies += ", *x";
  EXPECT_THAT(yaml_error(copies + "]").what(), HasSubstr("too many values"));
}

TEST(Yaml, PlacesBecomeLines) {
  const YamlFile file = parse_yaml(
      "task: x\n"
      "train:\n"
      "  lr: 1\n"
      "\n"
      "  d-model: 3\n"
      "layers:\n"
      "  - attention\n"
      "  - block: mlp\n"
      "    config:\n"
      "      d_ff: 5\n",
      "trial.yaml");
  EXPECT_EQ(file.with_line("trial.yaml#/train/lr"), "trial.yaml:3 (/train/lr)");
  EXPECT_EQ(file.with_line("trial.yaml#/train/d_model"), "trial.yaml:5 (/train/d_model)");
  EXPECT_EQ(file.with_line("trial.yaml#/layers/0"), "trial.yaml:7 (/layers/0)");
  EXPECT_EQ(file.with_line("trial.yaml#/layers/1/config/d_ff"),
            "trial.yaml:10 (/layers/1/config/d_ff)");
  EXPECT_EQ(file.with_line("trial.yaml#/train/absent"), "trial.yaml:2 (/train/absent)");
  EXPECT_EQ(file.with_line("trial.yaml#/nothing"), "trial.yaml (/nothing)");
  EXPECT_EQ(file.with_line("trial.yaml#"), "trial.yaml");
  EXPECT_EQ(file.with_line("other.yaml#/train"), "other.yaml#/train");
}

struct Config {
  Index steps = 1;
  double lr = 2;
};
template <class V>
void visit(V& v, Config& c) {
  v("steps", c.steps, "");
  v("lr", c.lr, "");
}

TEST(Yaml, ReadersGetLinesForTheirErrors) {
  const auto read = [](const std::string& text) {
    const YamlFile file = parse_yaml(text, "trial.yaml");
    return with_lines(file, read_config<Config>);
  };
  EXPECT_EQ(read("lr: 0.5\nsteps: 7\n").steps, 7);
  const Error unknown = thrown([&] { read("steps: 3\nstep: 4\n"); });
  EXPECT_STREQ(unknown.what(), "unknown key 'step'");
  EXPECT_EQ(unknown.where(), "trial.yaml:2 (/step)");
  EXPECT_EQ(unknown.hint(), "did you mean 'steps'?");
  EXPECT_EQ(thrown([&] { read("lr: 1\nsteps: 2.5\n"); }).where(), "trial.yaml:2 (/steps)");
}

TEST(Yaml, AbsentFileIsAnIoError) {
  EXPECT_EQ(thrown([] { load_yaml("/nonexistent/x.yaml"); }).kind(), ErrorKind::io);
}

TEST(StrictJson, KeepsWhatJsonMeans) {
  EXPECT_EQ(parse_json(R"({"a": [1, {"b": null}], "c": {"b": 2}})", "x"),
            Json({{"a", {1, {{"b", nullptr}}}}, {"c", {{"b", 2}}}}));
}

TEST(StrictJson, RefusesDoubledKeysDepthAndRubbish) {
  const auto what = [](const std::string& text) {
    return std::string(thrown([&] { parse_json(text, "x", ErrorKind::io); }).what());
  };
  EXPECT_EQ(what(R"({"a": 1, "b": {"a": 2, "c": 3, "a": 4}})"), "the key 'a' appears twice");
  EXPECT_THAT(what(std::string(1'000'000, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(what("{\"a\": 1} x"), HasSubstr("not JSON"));
  EXPECT_THAT(what(""), HasSubstr("not JSON"));
  EXPECT_THAT(what("[1e999]"), HasSubstr("not JSON"));
  EXPECT_THAT(what("\"\xff\""), HasSubstr("not JSON"));
  EXPECT_EQ(thrown([] { parse_json("[", "x", ErrorKind::io); }).kind(), ErrorKind::io);
  EXPECT_EQ(thrown([] { parse_json("[", "x"); }).where(), "x");
}

}  // namespace
}  // namespace separatrix
