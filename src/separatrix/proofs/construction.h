#pragma once

#include <optional>
#include <string>

#include "separatrix/base/registry.h"
#include "separatrix/model/weights.h"
#include "separatrix/nn/block.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Which arithmetic a claim is about. float32 means: as this program's kernels compute it.
enum class Arithmetic { real, float32 };

/// "For every input of that length, logit(label) beats every other logit by >= margin."
struct Claim {
  std::string task;
  Json task_config = Json::object();  ///< all defaults written out
  Index length = 0;                   ///< the task's own measure
  double margin = 0;
  Arithmetic arithmetic = Arithmetic::real;
  std::string theorem;  ///< bibliography key + number, or "docs/theory.md section"
};
Json to_json(const Claim& claim);
Claim read_claim(const Json& json, const std::string& where);  ///< throws Error(spec)

/// Which row of the table of three numbers a model belongs to.
enum class ModelClass { recurrent, transformer };

/// A theorem made executable: writes weights and says what they do. Its Config holds its own knobs
/// (temperature, code) only; task parameters and length are arguments.
class Construction {
 public:
  virtual ~Construction() = default;
  virtual std::string task() const = 0;  ///< name of the task it solves
  virtual ModelClass model_class() const = 0;
  /// nullopt when the theorem does not cover these task parameters. Throws Error(spec) when it does
  /// but the size will not fit or the knobs break the claim.
  virtual std::optional<Claim> claim(const Json& task_config, Index length) const = 0;
  /// Precondition: claim() gave a value.
  virtual Weights build(const Json& task_config, Index length,
                        const Registry<Block>& blocks) const = 0;
};

void register_constructions(Registry<Construction>& constructions);  // proofs/all.cpp

}  // namespace separatrix
