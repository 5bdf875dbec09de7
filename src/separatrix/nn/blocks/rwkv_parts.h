#pragma once

#include <functional>

#include "separatrix/nn/blocks/sequence_runs.h"
#include "separatrix/nn/state_format.h"

// What both blocks of RWKV version 4 are made of.

namespace separatrix {

/// For each position the input before it, x^, as the state carries it: rounded to the state format,
/// and 0 at the start of a sequence.
class ShiftedInputs {
 public:
  static Index cache_size(Shape s, const StateFormat& format) {
    return format.is_float32() ? 0 : s.rows() * s.D;
  }
  static Index scratch_size(Shape s) { return 2 * s.D; }
  ShiftedInputs(Shape s, const StateFormat& format, const float* x, float* cache, float* scratch);

  /// In forward, before mix: rounds what the rows of the run look back at.
  void remember(const Run& run) const;
  /// mixed [n, D] = mu x + (1 - mu) x^ at the rows of the run.
  void mix(const Run& run, const float* mu, float* mixed) const;
  /// dx += and dmu += from dmixed [n, D]; the rounding is passed straight through.
  void mix_backward(const Run& run, const float* mu, const float* dmixed, float* dx,
                    float* dmu) const;

 private:
  Shape shape_;
  const StateFormat& format_;
  const float* x_;
  float *rounded_, *zeros_, *unread_;
};

/// mu x + (1 - mu) x^ of one position; references.
template <class S>
std::vector<S> mix_reference(const S* x, const std::vector<S>& before, const double* mu) {
  std::vector<S> mixed = before;
  for (std::size_t i = 0; i < mixed.size(); ++i)
    mixed[i] = stored(x[i] * mu[i] + (S(1.0) - mu[i]) * before[i]);
  return mixed;
}

/// How deep layer l of L stands: r0 = l / (L - 1) rises from 0 to 1 (0 where L = 1), r1 = 1 - l / L
/// falls from 1 to 1 / L.
struct RwkvDepth {
  explicit RwkvDepth(LayerPlace place);
  double r0 = 0, r1 = 1;
};
/// [D], element i starts at f(depth, i).
ParamSpec rwkv_vector(const char* name, Index D, std::function<double(RwkvDepth, Index)> f);
/// [in, out], a random matrix with orthonormal rows or columns, times sqrt(out / in) if that is
/// more than 1.
ParamSpec rwkv_orthogonal(const char* name, Index in, Index out);
/// Every matrix is one of a linear layer, and `output` adds to the stream: what ModelSpec::init may
/// replace.
void give_roles(const std::string& output, std::vector<ParamSpec>& params);

}  // namespace separatrix
