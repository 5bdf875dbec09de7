#pragma once

#include <optional>
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

struct LookupParameters {
  Index alphabet = 64;
  std::string query = "last";
};
template <class V>
void visit(V& v, LookupParameters& c) {
  v("alphabet", c.alphabet, "number of symbols");
  v("query", c.query, "where the position token stands");
}
/// nullopt when the query comes first: the constructions that ask this are not for that order.
inline std::optional<LookupParameters> read_lookup(const Json& task_config) {
  const auto read = read_config<LookupParameters>(task_config, "index-lookup");
  if (read.query != "last" || read.alphabet < 1) return std::nullopt;
  return read;
}

}  // namespace separatrix
