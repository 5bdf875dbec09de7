#include "separatrix/refute/prefix_state.h"

#include <algorithm>
#include <cmath>

namespace separatrix {

void RecurrentState::after(std::span<const Token> prefix, float* state) {
  std::fill_n(state, size(), 0.0F);
  for (std::size_t t = 0; t < prefix.size(); ++t) runner_.read(prefix[t], Index(t), state);
}

void RecurrentState::after_edits(std::span<const Token> prefix, std::span<const Edit> edits,
                                 float* states) {
  const Index n = size(), length = Index(prefix.size());
  path_.assign(std::size_t(n * (length + 1)), 0.0F);
  for (Index t = 0; t < length; ++t) {
    float* before = path_.data() + t * n;
    std::copy_n(before, n, before + n);
    runner_.read(prefix[std::size_t(t)], t, before + n);
  }
  for (std::size_t e = 0; e < edits.size(); ++e) {
    float* state = states + Index(e) * n;
    std::copy_n(path_.data() + edits[e].position * n, n, state);
    runner_.read(edits[e].token, edits[e].position, state);
    for (Index t = edits[e].position + 1; t < length; ++t)
      runner_.read(prefix[std::size_t(t)], t, state);
  }
}

double distance(std::span<const float> a, std::span<const float> b) {
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(double(a[i]) - double(b[i]));
    if (!(difference <= most)) most = difference;  // NaN stays
  }
  return most;
}

}  // namespace separatrix
