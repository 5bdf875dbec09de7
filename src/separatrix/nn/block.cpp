#include "separatrix/nn/block.h"

namespace separatrix {
namespace {

/// Rows 0 .. last live row of each sequence; sequences without one contribute nothing.
Live prefixes(Shape s, Live outputs, std::vector<Index>& storage) {
  storage.clear();
  for (std::size_t i = 0; i < outputs.rows.size(); ++i) {
    const Index row = outputs.rows[i];
    const Index start = row / s.T * s.T;
    const bool same_sequence = !storage.empty() && storage.back() >= start;
    for (Index r = same_sequence ? storage.back() + 1 : start; r <= row; ++r) storage.push_back(r);
  }
  if (Index(storage.size()) == s.rows()) return {};
  return {storage};
}

}  // namespace

Live Block::needs(Shape s, Live outputs, std::vector<Index>& storage) const {
  if (outputs.all() || mixing() == Mixing::pointwise) return outputs;
  if (mixing() == Mixing::recurrent) return prefixes(s, outputs, storage);
  return {};
}

}  // namespace separatrix
