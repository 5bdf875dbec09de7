#pragma once

#include "separatrix/model/interval.h"
#include "separatrix/model/rounded.h"
#include "separatrix/model/scalar.h"
#include "separatrix/nn/block.h"

namespace separatrix {

/// Block::reference for every scalar, from one `template <class S> void run(w, x, y, first) const`
/// of the derived class. Each element of a tensor goes through stored() when it is finished.
template <class Derived, class Base = Block>
class Plain : public Base {
 public:
  void reference(std::span<const double> w, View<const double, 2> x, View<double, 2> y,
                 Index first) const final {
    self().run(w, x, y, first);
  }
  void reference(std::span<const double> w, View<const Interval, 2> x, View<Interval, 2> y,
                 Index first) const final {
    self().run(w, x, y, first);
  }
  void reference(std::span<const double> w, View<const BFloat16, 2> x, View<BFloat16, 2> y,
                 Index first) const final {
    self().run(w, x, y, first);
  }
  void reference(std::span<const double> w, View<const Float16, 2> x, View<Float16, 2> y,
                 Index first) const final {
    self().run(w, x, y, first);
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

}  // namespace separatrix
