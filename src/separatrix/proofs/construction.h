#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/base/registry.h"
#include "separatrix/model/arithmetic.h"
#include "separatrix/model/weights.h"
#include "separatrix/nn/block.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

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

/// Named coordinates of the residual stream or of a state: what `explain` decodes.
struct Slot {
  enum class Code {
    signs,    ///< binary digits as -1 (or 0) and +1, the lowest first: a whole number
    bits,     ///< binary digits as 0 and 1, the lowest first
    one_hot,  ///< the number of the coordinate that is 1; none is 1: empty
    number,   ///< as they are
  };
  std::string name;  ///< "symbol", "address", "flag"
  Index begin = 0, width = 1;
  Code code = Code::number;
};
Json to_json(const Slot& slot);
Slot read_slot(const Json& json, const std::string& where);  ///< throws Error(spec)

/// What a construction is asked to write weights for.
struct ConstructionRequest {
  Json task_config = Json::object();  ///< all defaults written out
  Index length = 0;                   ///< the task's own measure
  /// The number format of the weights and what the claim is about: every weight is exactly
  /// representable in it. real: as float32.
  Arithmetic arithmetic = Arithmetic::float32;
};

/// Weights, and what a person needs to read them.
struct Built {
  Weights weights;
  std::vector<Slot> slots;
  double temperature = 0;  ///< the factor of the sharp scores; 0 = there are none
};

/// A theorem made executable: writes weights and says what they do. Its Config holds its own knobs
/// (temperature, code) only; task parameters and length are in the request.
class Construction {
 public:
  virtual ~Construction() = default;
  virtual std::string task() const = 0;  ///< name of the task it solves
  virtual ModelClass model_class() const = 0;
  /// nullopt when the theorem does not cover this request. Throws Error(spec) when it does but the
  /// size will not fit or the knobs break the claim.
  virtual std::optional<Claim> claim(const ConstructionRequest& request) const = 0;
  /// Precondition: claim() gave a value.
  virtual Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const = 0;
};

void register_constructions(Registry<Construction>& constructions);  // proofs/all.cpp

}  // namespace separatrix
