#include "tests/support/layered_case.h"

// The method "layered" on the two-layer constructions, and its recheck.

namespace separatrix {
namespace {

TEST(Layered, ProvesTheConstructionsAndItsRecheckAgrees) {
  const LayeredFixture f;
  Index proved = 0, brute = 0;
  for (const LayeredRow& row : layered_rows())
    for (const Index n : {1, 2, 3, 7, 8, 9, 16, 17})
      for (const Arithmetic arithmetic : kArithmetics) {
        const auto c = layered_case(f.r, row, n, arithmetic);
        if (c == nullptr) continue;
        const Certificate found = f.certify_layered(*c);
        ASSERT_EQ(found.verdict, Verdict::proved) << to_json(c->claim) << found.reason;
        EXPECT_GE(found.margin, c->claim.margin);
        ASSERT_EQ(f.recheck_of(found, *c), "") << to_json(found);
        ++proved;
        if (found.inputs.size() <= 2 || (found.inputs.size() == 3 && n <= 7)) {
          EXPECT_LE(found.margin, c->least_margin() + 1e-9) << to_json(found);
          ++brute;
        }
      }
  EXPECT_GT(proved, 300);
  EXPECT_GT(brute, 100);
}

TEST(Layered, RecheckRejectsWhatWasChanged) {
  const LayeredFixture f;
  Index tried = 0;
  for (const LayeredRow& row : layered_rows())
    for (const Index n : {2, 8})
      for (const Arithmetic arithmetic : {Arithmetic::real, Arithmetic::float32}) {
        const auto c = layered_case(f.r, row, n, arithmetic);
        if (c == nullptr) continue;
        ++tried;
        const Certificate good = f.certify_layered(*c);
        ASSERT_EQ(f.recheck_of(good, *c), "") << to_json(good);
        const auto rejects = [&](const Certificate& bad) {
          EXPECT_NE(f.recheck_of(bad, *c), "") << to_json(bad);
        };
        Certificate bad = good;
        bad.margin *= 1.05;
        rejects(bad);
        bad = good;
        bad.margin = NAN;
        rejects(bad);
        bad = good;
        bad.claim.margin = good.margin * 1.01;
        rejects(bad);
        bad = good;
        bad.evidence = Json::object();
        rejects(bad);
        for (const char* part : {"cases", "classes", "cover"}) {
          bad = good;
          bad.evidence[part] = good.evidence.at(part).get<Index>() + 2;
          rejects(bad);
          bad.evidence[part] = "many";
          rejects(bad);
          bad.evidence.erase(part);
          rejects(bad);
        }
        bad = good;
        if (good.evidence.at("leak") > 1e-5) {
          bad.evidence["leak"] = 0.5 * good.evidence.at("leak").get<double>();
          rejects(bad);
        }
        bad = good;
        bad.inputs += "0";
        rejects(bad);
        bad = good;
        bad.weights_sha256[0] = bad.weights_sha256[0] == '0' ? '1' : '0';
        rejects(bad);
      }
  EXPECT_GT(tried, 30);
}

/// A certificate of one length says nothing of another, and one of some weights nothing of others.
TEST(Layered, RecheckRejectsOtherLengthsParametersAndWeights) {
  const LayeredFixture f;
  const auto c =
      build_case(f.r, "string-equality-transformer", {{"alphabet", 3}}, 8, Arithmetic::float32);
  const Certificate good = f.certify_layered(*c);
  ASSERT_EQ(f.recheck_of(good, *c), "");
  Certificate shorter = good;
  shorter.claim.length = 6;
  EXPECT_NE(f.recheck_of(shorter, *c), "");
  Certificate smaller = good;
  smaller.claim.task_config["alphabet"] = 2;
  EXPECT_NE(f.recheck_of(smaller, *c), "");
  Certificate other = good;
  other.claim.task_config["layout"] = "interleaved";
  EXPECT_NE(f.recheck_of(other, *c), "");
  Certificate task = good;
  task.claim.task = "set-disjointness";
  EXPECT_NE(f.recheck_of(task, *c), "");

  auto changed = build_case(f.r, "string-equality-transformer", {{"alphabet", 3}}, 8);
  for (float& w : changed->built.weights["head"]) w = -w;
  Certificate of_changed = good;
  EXPECT_NE(f.recheck_of(of_changed, *changed), "");
  of_changed.weights_sha256 = weights_sha256(changed->built.weights);
  EXPECT_NE(f.recheck_of(of_changed, *changed), "");
}

/// With positions = all, later pairs may be nearer than those before an asked point.
TEST(Layered, SeesThatLaterPositionsAreSeen) {
  const LayeredFixture f;
  for (const Arithmetic arithmetic : kArithmetics) {
    const auto c = build_case(f.r, "nearest-neighbor-transformer",
                              {{"dimension", 2}, {"positions", "all"}}, 3, arithmetic);
    const Certificate good = f.certify_layered(*c);
    ASSERT_EQ(good.verdict, Verdict::proved);
    for (std::size_t i = c->built.weights.spec.layers.size(); i-- > 0;)
      if (LayerSpec& layer = c->built.weights.spec.layers[i]; layer.block == "attention") {
        layer.config["causal"] = false;
        break;
      }
    EXPECT_NE(f.certify_layered(*c).verdict, Verdict::proved);
    Certificate kept = good;
    kept.weights_sha256 = weights_sha256(c->built.weights);
    EXPECT_NE(f.recheck_of(kept, *c), "");
  }
}

/// Logits of 2^-160 are told apart by real numbers only.
TEST(Layered, SeesUnderflowAndOverflow) {
  const LayeredFixture f;
  for (const auto& [of_o, of_head] : {std::pair{-60, -100}, {100, 100}}) {
    for (const Arithmetic arithmetic : kArithmetics) {
      const auto c =
          build_case(f.r, "nearest-neighbor-transformer", {{"dimension", 1}}, 2, arithmetic);
      const auto scale = [&](const char* name, int exponent) {
        for (float& w : c->built.weights[name]) w = std::ldexp(w, exponent);
      };
      std::size_t last = 0;
      for (std::size_t i = 0; i < c->built.weights.spec.layers.size(); ++i)
        if (c->built.weights.spec.layers[i].block == "attention") last = i;
      scale(("layers." + std::to_string(last) + ".attention.o").c_str(), of_o);
      scale("head", of_head);
      c->claim.margin = 0;
      const Certificate found = f.certify_layered(*c);
      if (arithmetic != Arithmetic::real) {
        EXPECT_NE(found.verdict, Verdict::proved) << to_string(arithmetic);
      }
      if (found.verdict == Verdict::proved) {
        EXPECT_LE(found.margin, c->least_margin() * (1 + 1e-9));
      }
    }
  }
}

TEST(Layered, RechecksTenThousandSymbols) {
  const LayeredFixture f;
  const auto c = build_case(f.r, "set-disjointness-transformer", Json::object(), 10'000);
  const Certificate found = f.certify_layered(*c);
  ASSERT_EQ(found.verdict, Verdict::proved) << found.reason;
  EXPECT_EQ(f.recheck_of(found, *c), "");
  Certificate more = found;
  more.margin *= 1.05;
  EXPECT_NE(f.recheck_of(more, *c), "");
}

}  // namespace
}  // namespace separatrix
