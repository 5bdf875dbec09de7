#include "separatrix/kernels/conv.h"

#include <algorithm>
#include <cmath>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/blocks/conv_parts.h"
#include "separatrix/nn/blocks/sequences.h"
#include "separatrix/nn/buffer.h"

namespace separatrix {
namespace {

struct ConvConfig : StateFormatConfig {
  Index kernel = 4;
  bool bias = true;
  std::string activation = "none";
};
template <class V>
void visit(V& v, ConvConfig& c) {
  visit_state_format(v, c);
  v("kernel", c.kernel, "positions that one output sees: its own and the kernel - 1 before it");
  v("bias", c.bias, "add a bias");
  v("activation", c.activation, "none or silu");
}

/// y_t = act(b + sum_{j<K} w_j * x_{t-K+1+j}), channel by channel, with x = 0 before the sequence:
/// w in R^{K x D}, b in R^D. What is carried is x_{t-K+2} .. x_t, rounded to the state format; x_t
/// itself enters y_t unrounded.   [fu2023, gu2023; derivation in docs/derivations/conv.md]
class Conv final : public Plain<Conv, RecurrentBlock> {
 public:
  using Config = ConvConfig;
  explicit Conv(const Config& config) : config_(config), format_(config) {
    const std::vector<std::string> choices = {"none", "silu"};
    if (!contains_name(choices, config.activation))
      throw Error(ErrorKind::spec, "unknown activation '" + config.activation + "'", "activation",
                  did_you_mean(config.activation, choices));
    if (config.kernel < 2)
      throw Error(ErrorKind::spec, "kernel must be at least 2", "kernel",
                  "use 4; with 1 it would carry nothing from one position to the next");
  }

  std::vector<ParamSpec> params(Index D) const override {
    const double width = 1 / std::sqrt(double(config_.kernel));
    std::vector<ParamSpec> list = {{"weight", {config_.kernel, D}, Init::uniform, width}};
    if (config_.bias) list.push_back({"bias", {D}, Init::uniform, width});
    return list;
  }
  Index state_size(Index D) const override { return (config_.kernel - 1) * D; }
  Index state_bits(Index D) const override { return format_.bits() * state_size(D); }
  Index cache_size(Shape) const override { return 0; }
  Index scratch_size(Shape s) const override { return Scratch(s, nullptr).end; }
  double flops(Shape s, Live outputs) const override {
    return 2 * double(config_.kernel * s.D) * double(outputs.count(s));
  }

  void forward(Shape s, Live live, const float* x, float* y, Slots m) const override {
    const Scratch k(s, m.scratch);
    for_each_sequence(s, live, [&](const LiveSequence& q) {
      const CausalConv c = convolution(q, s.D, m.w, x, k.past);
      if (q.live == nullptr) return causal_conv(c, y + q.origin * s.D, s.D);
      causal_conv(c, k.y, s.D);
      for (Index i = 0; i < q.n_live; ++i)
        std::copy_n(k.y + q.time(i) * s.D, s.D, y + q.live[i] * s.D);
    });
  }

  void backward(Shape s, Live live, const float* x, const float* dy, float* dx,
                Slots m) const override {
    const Scratch k(s, m.scratch);
    float* dbias = config_.bias ? m.dw + config_.kernel * s.D : nullptr;
    for_each_sequence(s, live, [&](const LiveSequence& q) {
      std::fill_n(k.y, q.steps * s.D, 0.0F);
      for (Index i = 0; i < q.n_live; ++i)
        std::copy_n(dy + (q.origin + q.time(i)) * s.D, s.D, k.y + q.time(i) * s.D);
      causal_conv_backward(convolution(q, s.D, m.w, x, k.past), k.y, s.D,
                           {dx + q.origin * s.D, s.D, m.dw, dbias});
    });
  }

  void step(Index D, const float* w, float* state, const float* x, float* y) const override {
    conv_step({D, config_.kernel, w, config_.bias ? w + config_.kernel * D : nullptr, silu()},
              format_, state, x, y);
  }

 private:
  friend Plain<Conv, RecurrentBlock>;
  struct Scratch {  // of one sequence
    float *y, *past;
    Index end = 0;
    Scratch(Shape s, float* base) {
      y = slice(base, end, s.T * s.D);
      past = slice(base, end, s.T * s.D);
    }
  };

  bool silu() const { return config_.activation == "silu"; }

  /// Of sequence q; `past` receives its inputs as they are carried, where that differs.
  CausalConv convolution(const LiveSequence& q, Index D, const float* w, const float* x,
                         float* past) const {
    CausalConv c{.T = q.steps, .C = D, .K = config_.kernel, .w = w, .silu = silu()};
    if (config_.bias) c.bias = w + config_.kernel * D;
    c.x = x + q.origin * D;
    c.ldx = D;
    if (format_.is_float32()) return c;
    std::copy_n(c.x, q.steps * D, past);
    format_.round(q.steps * D, past);
    c.past = past;
    c.ld_past = D;
    return c;
  }

  template <class S>
  void run(std::span<const double> w, View<const S, 2> x, View<S, 2> y, Index /*first*/) const {
    const auto [T, D] = x.extent;
    const View<const double, 2> weight{w.data(), {config_.kernel, D}};
    ConvReference<S> conv(weight, config_.bias ? w.data() + weight.size() : nullptr, silu());
    for (Index t = 0; t < T; ++t) conv.step(format_, x.data + t * D, y.data + t * D);
  }

  ConvConfig config_;
  StateFormat format_;
};

}  // namespace

void register_conv(Registry<Block>& blocks) {
  blocks.add<Conv>("conv",
                   "causal convolution, channel by channel; state (kernel - 1) d_model numbers");
}

}  // namespace separatrix
