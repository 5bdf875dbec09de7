#include "separatrix/train/optimizer.h"

#include <cmath>
#include <numbers>

#include "separatrix/kernels/kernels.h"

namespace separatrix {

double learning_rate(const TrainConfig& config, Index step) {
  if (step < config.warmup) return config.lr * double(step + 1) / double(config.warmup);
  if (config.schedule == "constant") return config.lr;
  double progress =
      double(step - config.warmup) / double(std::max<Index>(config.steps - config.warmup, 1));
  if (config.schedule == "cosine-epoch") {
    const Index per_epoch = steps_per_epoch(config);
    progress = double(step / per_epoch) / double((config.steps + per_epoch - 1) / per_epoch);
  }
  return config.lr * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

bool optimizer_step(const TrainConfig& config, Index step, const OptimizerBuffers& buffers) {
  const auto n = Index(buffers.weights.size());
  const double norm = std::sqrt(squared_norm(n, buffers.gradient.data()));
  if (!std::isfinite(norm)) return false;
  const bool clip = config.clip_norm > 0 && norm > config.clip_norm;
  adamw({.lr = float(learning_rate(config, step)),
         .beta1 = float(config.beta1),
         .beta2 = float(config.beta2),
         .epsilon = float(config.epsilon),
         .weight_decay = float(config.weight_decay),
         .gradient_scale = clip ? float(config.clip_norm / norm) : 1.0f,
         .correction1 = float(1 - std::pow(config.beta1, double(step + 1))),
         .correction2 = float(1 - std::pow(config.beta2, double(step + 1)))},
        n, buffers.gradient.data(), buffers.weights.data(), buffers.first_moment.data(),
        buffers.second_moment.data());
  return true;
}

}  // namespace separatrix
