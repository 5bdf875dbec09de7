#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "separatrix/refute/attack.h"
#include "tests/support/models.h"

namespace separatrix::test {

inline Registry<Task> all_tasks() {
  Registry<Task> tasks("task");
  register_tasks(tasks);
  return tasks;
}

inline Registry<Attack> all_attacks() {
  Registry<Attack> attacks("attack");
  register_attacks(attacks);
  return attacks;
}

/// The plain spec of one recurrent layer for a task.
inline ModelSpec recurrent_spec(const TaskInfo& info, const std::string& block, const Json& config,
                                Index d_model) {
  ModelSpec spec;
  spec.vocab_size = info.vocab_size;
  spec.n_classes = info.n_classes;
  spec.d_model = d_model;
  spec.max_length = info.n_tokens;
  spec.positions = "none";
  spec.norm = "none";
  spec.layers = {{block, config, false}};
  return spec;
}

/// Elman network whose recurrent matrix is scale times a random orthogonal one (Gram-Schmidt of
/// normals); the other weights are normal, so that the inputs matter.
inline Weights orthogonal_rnn(const TaskInfo& info, Index d_model, const std::string& activation,
                              double scale, const Registry<Block>& blocks, Rng& rng) {
  Weights weights = random_weights(
      recurrent_spec(info, "rnn", {{"activation", activation}}, d_model), blocks, rng);
  const std::span<float> w_h = weights["layers.0.rnn.w_h"];
  std::vector<std::vector<double>> rows;
  for (Index i = 0; i < d_model; ++i) {
    std::vector<double> row;
    for (Index j = 0; j < d_model; ++j) row.push_back(rng.normal());
    for (const std::vector<double>& other : rows) {
      double product = 0;
      for (std::size_t j = 0; j < row.size(); ++j) product += row[j] * other[j];
      for (std::size_t j = 0; j < row.size(); ++j) row[j] -= product * other[j];
    }
    double norm = 0;
    for (const double value : row) norm += value * value;
    for (double& value : row) value /= std::sqrt(norm);
    for (std::size_t j = 0; j < row.size(); ++j)
      w_h[std::size_t(i) * row.size() + j] = float(scale * row[j]);
    rows.push_back(std::move(row));
  }
  return weights;
}

}  // namespace separatrix::test
