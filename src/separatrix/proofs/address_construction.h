#pragma once

#include <string>

#include "separatrix/proofs/construction.h"

namespace separatrix {

/// The knob of a construction that looks positions up by their addresses.
struct AddressConfig {
  double temperature = 4;
};
template <class V>
void visit(V& v, AddressConfig& c) {
  v("temperature", c.temperature, "score lost per wrong address bit, halved");
}

/// A transformer in two layers that looks positions up by their addresses: docs/theory.md, "Two
/// layers". A subclass derives the margin and writes the weights.
class AddressConstruction : public Construction {
 public:
  using Config = AddressConfig;

  std::string task() const override { return purpose_.task; }
  ModelClass model_class() const override { return ModelClass::transformer; }

 protected:
  struct Purpose {
    std::string construction, task, theorem;
  };
  /// Throws Error(spec) unless the temperature is a multiple of 1/16 in (0, 16]: so many of the
  /// numbers that every format holds.
  AddressConstruction(Purpose purpose, Config config);

  const std::string& construction() const { return purpose_.construction; }
  double temperature() const { return temperature_; }
  /// The claim of at most 1/2, when the derived margin is positive; throws Error(spec) otherwise:
  /// the other positions and rounding together outweigh the right one.
  Claim claim_margin(const ConstructionRequest& request, double derived) const;

 private:
  Purpose purpose_;
  double temperature_;
};

}  // namespace separatrix
