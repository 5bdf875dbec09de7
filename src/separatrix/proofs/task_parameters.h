#pragma once

#include <string>

#include "separatrix/base/fields.h"

namespace separatrix {

// What constructions read of their tasks' configurations, each shared by several of them. What
// re-checks a certificate reads the configuration by itself.

struct DyckParameters {
  Index types = 2, depth = 2;
  std::string mode = "recognition";
  bool recognition() const { return mode == "recognition"; }
};
template <class V>
void visit(V& v, DyckParameters& c) {
  v("types", c.types, "kinds of brackets");
  v("depth", c.depth, "deepest nesting allowed");
  v("mode", c.mode, "recognition or next-token");
}

struct EqualityParameters {
  Index alphabet = 2;
  std::string layout = "halves";
};
template <class V>
void visit(V& v, EqualityParameters& c) {
  v("alphabet", c.alphabet, "number of symbols");
  v("layout", c.layout, "order of the two strings' symbols: halves or interleaved");
}

struct DisjointnessParameters {
  std::string layout = "halves";
};
template <class V>
void visit(V& v, DisjointnessParameters& c) {
  v("layout", c.layout, "order of the two sets' bits: halves or interleaved");
}

}  // namespace separatrix
