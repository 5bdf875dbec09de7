#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "separatrix/base/fields.h"

namespace separatrix {

/// ceil(log2 n), at least 1: binary digits that tell n things apart.
inline Index code_bits(Index n) {
  return std::max<Index>(1, Index(std::bit_width(std::uint64_t(n - 1))));
}
/// Digit i of n as -1 or +1.
inline float code_sign(Index n, Index i) { return (n >> i & 1) != 0 ? 1.0F : -1.0F; }

/// What the constructions for index lookup read of its configuration.
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
