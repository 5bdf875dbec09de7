#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/plain.h"

namespace separatrix {
namespace {

struct IdentityConfig {};
template <class V>
void visit(V& /*v*/, IdentityConfig& /*c*/) {}

/// y = x. In a model with norms the layer adds norm(x) to the stream: what a pre-norm stack does
/// whose second sublayer was replaced by nothing, as Zoology's models have it [arora2024].
class Identity final : public Plain<Identity> {
 public:
  using Config = IdentityConfig;
  explicit Identity(const Config& /*config*/) {}

  Mixing mixing() const override { return Mixing::pointwise; }
  std::vector<ParamSpec> params(Index /*D*/) const override { return {}; }
  Index cache_size(Shape /*s*/) const override { return 0; }
  Index scratch_size(Shape /*s*/) const override { return 0; }
  double flops(Shape /*s*/, Live /*outputs*/) const override { return 0; }

  void forward(Shape s, Live live, const float* x, float* y, Slots /*slots*/) const override {
    for (Index i = 0; i < live.count(s); ++i)
      std::copy_n(x + live.row(i) * s.D, s.D, y + live.row(i) * s.D);
  }
  void backward(Shape s, Live live, const float* /*x*/, const float* dy, float* dx,
                Slots /*slots*/) const override {
    add_rows({live.count(s), live.all() ? nullptr : live.rows.data()}, s.D, dy, dx);
  }

 private:
  friend Plain<Identity>;
  template <class S>
  void run(std::span<const double> /*w*/, View<const S, 2> x, View<S, 2> y, Index first) const {
    for (Index t = first; t < x.extent[0]; ++t)
      for (Index d = 0; d < x.extent[1]; ++d) y(t, d) = x(t, d);
  }
};

}  // namespace

void register_identity(Registry<Block>& blocks) {
  blocks.add<Identity>("identity", "its input, unchanged: adds norm(x) to the residual stream");
}

}  // namespace separatrix
