#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "separatrix/base/fields.h"

namespace separatrix::test {

struct BlockCase {
  std::string block;
  Json config;
  bool causal = true;
  bool differentiable = true;  ///< false: rounds inside, so the gradient is a convention
  Index divisor = 1;           ///< of d_model
  double step = 1e-5;  ///< of differences; smaller where there are kinks that it might cross
};

inline void PrintTo(const BlockCase& c, std::ostream* out) { *out << c.block << " " << c.config; }

/// Every block and every choice that its config offers. A block without an entry fails the suite.
inline std::vector<BlockCase> block_cases() {
  return {
      {"attention", {{"n_heads", 1}}},
      {"attention", {{"n_heads", 2}, {"causal", false}}, false, true, 2},
      {"attention", {{"n_heads", 2}, {"scale", "none"}}, true, true, 2},
      {"attention", {{"n_heads", 3}, {"d_head", 5}, {"d_value", 2}}},
      {"attention", {{"n_heads", 2}, {"d_head", 4}, {"positions", "rotary"}}},
      {"attention", {{"positions", "rotary"}, {"rotary_base", 3.0}, {"d_head", 6}, {"window", 3}}},
      {"attention",
       {{"n_heads", 4},
        {"d_head", 2},
        {"n_kv_heads", 2},
        {"positions", "rotary"},
        {"causal", false}},
       false},
      {"attention", {{"n_heads", 4}, {"d_head", 3}, {"positions", "alibi"}}},
      {"attention",
       {{"n_heads", 6}, {"d_head", 3}, {"n_kv_heads", 3}, {"positions", "alibi"}, {"window", 4}}},
      {"attention", {{"n_heads", 2}, {"positions", "alibi"}, {"causal", false}}, false, true, 2},
      {"attention", {{"n_heads", 2}, {"n_kv_heads", 1}}, true, true, 2},
      {"attention", {{"n_heads", 4}, {"d_head", 5}, {"n_kv_heads", 2}, {"d_value", 3}}},
      {"attention", {{"window", 1}}},
      {"attention", {{"n_heads", 2}, {"window", 5}}, true, true, 2},
      {"attention", {{"window", 2}, {"causal", false}}, false},
      {"identity", Json::object()},
      {"mlp", {{"activation", "relu"}}, true, true, 1, 1e-8},
      {"mlp", {{"activation", "gelu"}, {"d_ff", 19}}},
      {"mlp", {{"activation", "swiglu"}, {"bias", false}}},
      {"lstm", Json::object()},
      {"lstm", {{"forget_bias", 1.0}}},
      {"lstm", {{"state_format", "int4"}, {"state_range", 1.5}}, true, false},
      {"rnn", {{"activation", "tanh"}}},
      {"rnn", {{"activation", "relu"}}, true, true, 1, 1e-8},
      {"rnn", {{"activation", "tanh"}, {"state_format", "bit"}}, true, false},
      {"gru", Json::object()},
      {"gru", {{"state_format", "int4"}}, true, false},
      {"rwkv_time_mix", Json::object()},
      {"rwkv_time_mix", {{"state_format", "int4"}, {"state_range", 2}}, true, false},
      {"rwkv_channel_mix", Json::object()},
      {"rwkv_channel_mix", {{"d_ff", 5}}},
      {"rwkv_channel_mix", {{"state_format", "int4"}}, true, false},
      {"aaren", Json::object()},
      {"aaren", {{"n_heads", 3}, {"d_head", 5}}},
      {"aaren", {{"state_format", "int4"}, {"state_range", 8}}, true, false},
      {"conv", Json::object()},
      {"conv", {{"kernel", 2}, {"activation", "silu"}}},
      {"conv", {{"kernel", 7}, {"bias", false}, {"activation", "silu"}}},
      {"conv",
       {{"activation", "silu"}, {"state_format", "int4"}, {"state_range", 2.0}},
       true,
       false},
      {"mamba", Json::object()},
      {"mamba", {{"eigenvalues", "signed"}, {"expand", 1}, {"d_state", 5}, {"d_conv", 1}}},
      {"mamba", {{"d_state", 3}, {"d_conv", 3}, {"dt_rank", 2}, {"expand", 3}}},
      {"mamba",
       {{"state_format", "int4"}, {"state_range", 1.5}, {"expand", 1}, {"d_state", 2}},
       true,
       false},
      {"s4d", Json::object()},
      {"s4d", {{"form", "recurrence"}, {"d_state", 10}}},
      {"s4d", {{"state_format", "int4"}, {"d_state", 4}}, true, false},
      {"dss", {{"form", "convolution"}, {"d_state", 5}}},
      {"dss", {{"form", "recurrence"}, {"d_state", 7}}},
      {"dss", {{"kernel", "softmax"}, {"length", 40}, {"d_state", 7}}},
      {"dss", {{"state_format", "int4"}, {"d_state", 3}}, true, false},
      {"retention", Json::object()},
      {"retention", {{"n_heads", 3}, {"d_head", 5}}},
      {"retention", {{"n_heads", 2}, {"d_head", 4}, {"value_expansion", 2}}},
      {"retention", {{"d_head", 2}, {"state_format", "int4"}}, true, false},
      {"linear_attention", Json::object()},
      {"linear_attention", {{"n_heads", 3}, {"d_head", 5}, {"value_expansion", 2}}},
      {"linear_attention", {{"feature_map", "elementwise_product"}}},
      {"linear_attention", {{"feature_map", "elementwise_product"}, {"n_heads", 2}, {"d_head", 4}}},
      {"linear_attention", {{"feature_map", "taylor"}, {"n_heads", 2}, {"d_head", 3}}},
      // n, the sum of the features, must neither vanish nor fill the range within a few steps.
      {"linear_attention",
       {{"d_head", 2}, {"state_format", "int8"}, {"state_range", 32.0}},
       true,
       false},
      // Keys of width 1 are signs, smoothed over 1e-3 only: hence the small steps.
      {"delta_net", Json::object(), true, true, 1, 1e-7},
      {"delta_net", {{"n_heads", 2}, {"d_head", 5}, {"negative_eigenvalues", true}}},
      {"delta_net", {{"n_heads", 3}, {"d_head", 4}, {"output_gate", false}}},
      // Steps large enough that each input of a convolution moves the rounded state.
      {"delta_net",
       {{"d_head", 2}, {"negative_eigenvalues", true}, {"state_format", "int4"}},
       true,
       false},
      {"gated_delta_net", Json::object(), true, true, 1, 1e-7},
      {"gated_delta_net", {{"n_heads", 2}, {"d_head", 5}, {"negative_eigenvalues", true}}},
      {"gated_delta_net",
       {{"n_heads", 3}, {"d_head", 4}, {"value_expansion", 1}, {"output_gate", false}}},
      {"gated_delta_net",
       {{"d_head", 2}, {"negative_eigenvalues", true}, {"state_format", "int4"}},
       true,
       false},
  };
}

}  // namespace separatrix::test
