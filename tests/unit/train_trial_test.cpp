#include <gtest/gtest.h>

#include "separatrix/train/trial.h"

namespace separatrix {
namespace {

TrialSpec example() {
  TrialSpec spec;
  spec.task = "index-lookup";
  spec.task_config = {{"alphabet", 4}, {"query", "last"}};
  spec.length = 4;
  spec.model.vocab_size = 8;
  spec.model.n_classes = 4;
  spec.model.d_model = 8;
  spec.model.max_length = 5;
  spec.model.layers = {{.block = "attention"}};
  return spec;
}

TEST(TrialSpec, SurvivesJson) {
  const TrialSpec spec = example();
  const TrialSpec again = read_trial_spec(to_json(spec), "test");
  EXPECT_EQ(to_json(again), to_json(spec));
  EXPECT_EQ(again.id(), spec.id());
}

TEST(TrialSpec, EveryFieldIsPartOfTheId) {
  const Json whole = to_json(example());
  std::vector<std::string> ids = {example().id()};
  const auto add = [&](const Json& changed) {
    ids.push_back(read_trial_spec(changed, "test").id());
  };
  for (const auto& [key, value] : whole.at("train").items()) {
    Json changed = whole;
    if (key == "schedule")
      changed["train"][key] = "cosine";
    else if (value.is_number_float())
      changed["train"][key] = value.get<double>() / 2 + 0.1;
    else
      changed["train"][key] = value.get<Index>() + 1;
    add(changed);
  }
  for (const char* key : {"length", "seed"}) {
    Json changed = whole;
    changed[key] = 77;
    add(changed);
  }
  Json changed = whole;
  changed["model"]["d_model"] = 16;
  add(changed);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(TrialSpec, WhatATaskReadsIsPartOfTheIdWhenItReadsSomething) {
  TrialSpec spec = example();
  EXPECT_FALSE(to_json(spec).contains("task_fingerprint"));  // ids without files stay as they were
  const std::string before = spec.id();
  spec.task_fingerprint = "abc";
  EXPECT_NE(spec.id(), before);
  EXPECT_EQ(read_trial_spec(to_json(spec), "test").id(), spec.id());
}

TEST(TrialSpec, FieldsThatCameLaterAreWrittenOnlyWhenTheySaySomething) {
  TrialSpec spec = example();
  EXPECT_FALSE(to_json(spec).at("train").contains("give_up_after"));  // older stores keep their ids
  EXPECT_FALSE(to_json(spec).at("train").contains("give_up_below"));
  const std::string before = spec.id();
  spec.train.give_up_after = 100;
  EXPECT_NE(spec.id(), before);
  EXPECT_EQ(read_trial_spec(to_json(spec), "test").id(), spec.id());
}

TEST(TrialSpec, WrongFieldsAreErrorsThatNameThePlace) {
  const auto expect_error = [](const char* pointer, const Json& value, const std::string& where) {
    Json json = to_json(example());
    json[Json::json_pointer(pointer)] = value;
    try {
      read_trial_spec(json, "x.yaml#");
      ADD_FAILURE() << pointer << " was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::spec);
      EXPECT_EQ(e.where(), where);
    }
  };
  expect_error("/train/lrr", 1, "x.yaml#/train/lrr");
  expect_error("/train/lr", "fast", "x.yaml#/train/lr");
  expect_error("/train/lr", 0, "x.yaml#/train/lr");
  expect_error("/train/steps", 2.5, "x.yaml#/train/steps");
  expect_error("/train/steps", 0, "x.yaml#/train/steps");
  expect_error("/train/schedule", "linear", "x.yaml#/train/schedule");
  expect_error("/train/shards", 65, "x.yaml#/train/shards");
  expect_error("/train/give_up_after", -1, "x.yaml#/train/give_up_after");
  expect_error("/train/give_up_below", 0, "x.yaml#/train/give_up_below");
  expect_error("/seed", -1, "x.yaml#/seed");
}

}  // namespace
}  // namespace separatrix
