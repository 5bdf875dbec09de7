#include "separatrix/nn/model.h"

namespace separatrix {

double Block::flops(Shape s, Live outputs) const {
  std::vector<Index> storage;
  storage.reserve(std::size_t(s.rows()));
  const double rows = double(needs(s, outputs, storage).count(s));
  double elements = 0;
  for (const ParamSpec& p : params(s.D))
    if (p.shape.size() == 2) elements += double(p.size());
  return 2 * elements * rows;
}

double training_flops(const ModelSpec& spec, const Registry<Block>& blocks, const Batch& batch) {
  const Shape s{batch.B, batch.T, spec.d_model};
  std::vector<Index> rows, storage;
  for (Index i = 0; i < s.rows(); ++i)
    if (batch.targets[std::size_t(i)] != kIgnore) rows.push_back(i);
  if (rows.empty()) return 0;
  double forward = 2.0 * double(rows.size()) * double(spec.d_model) * double(spec.n_classes);
  for (auto layer = spec.layers.rbegin(); layer != spec.layers.rend(); ++layer) {
    const auto block = blocks.make(layer->block, layer->config);
    forward += block->flops(s, {rows});
    storage.clear();
    storage.reserve(std::size_t(s.rows()));
    const Live needed = block->needs(s, {rows}, storage);
    std::vector<Index> below;
    for (Index i = 0; i < needed.count(s); ++i) below.push_back(needed.row(i));
    rows = std::move(below);
  }
  return 3 * forward;
}

}  // namespace separatrix
