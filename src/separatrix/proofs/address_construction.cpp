#include "separatrix/proofs/address_construction.h"

#include <algorithm>
#include <cmath>

namespace separatrix {

AddressConstruction::AddressConstruction(Purpose purpose, Config config)
    : purpose_(std::move(purpose)), temperature_(config.temperature) {
  if (!(temperature_ > 0 && temperature_ <= 16) ||
      std::floor(temperature_ * 16) != temperature_ * 16)
    throw Error(ErrorKind::spec, "the temperature must be a multiple of 1/16 in (0, 16]",
                construction() + "/temperature", "take 4");
}

Claim AddressConstruction::claim_margin(const ConstructionRequest& request, double derived) const {
  if (!(derived > 0))
    throw Error(ErrorKind::spec,
                "at length " + std::to_string(request.length) +
                    " and this temperature the other positions outweigh the right one",
                construction(), "take a shorter length or the temperature 4");
  return {.task = task(),
          .task_config = request.task_config,
          .length = request.length,
          .margin = std::min(derived, 0.5),
          .arithmetic = request.arithmetic,
          .theorem = purpose_.theorem};
}

}  // namespace separatrix
