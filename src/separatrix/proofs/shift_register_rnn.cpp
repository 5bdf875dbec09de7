#include <bit>
#include <cmath>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/construction.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

struct ShiftRegisterRnnConfig {};
template <class V>
void visit(V&, ShiftRegisterRnnConfig&) {}

constexpr double kMaxBytes = 0x1p30;

/// A ring register: slot 0 takes in a symbol's bits while slot j - 1 moves to j and the last slot,
/// empty until the query comes, to slot 0. The query then clears every slot but the one its symbol
/// has just reached. State: N Ls bits, the lower bound when the alphabet is a power of two.
/// docs/theory.md, "Ring register".
class ShiftRegisterRnn final : public Construction {
 public:
  using Config = ShiftRegisterRnnConfig;
  explicit ShiftRegisterRnn(const Config&) {}

  std::string task() const override { return "index-lookup"; }
  ModelClass model_class() const override { return ModelClass::recurrent; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto& [task_config, length, arithmetic] = request;
    if (is_emulated(arithmetic)) return std::nullopt;
    const auto lookup = read_lookup(task_config);
    if (!lookup || length < 1) return std::nullopt;
    const Index q = lookup->alphabet;
    const double D = double(length) * double(code_bits(q));
    // w_x and w_h, embedding, head.
    const double bytes = 4 * (2 * D * D + D * (double(q) + double(length)) + D * double(q));
    if (bytes > kMaxBytes)
      throw Error(ErrorKind::spec,
                  "the dense weights of the register take " +
                      std::to_string(std::llround(bytes / 0x1p20)) + " MiB; the limit is " +
                      std::to_string(std::llround(kMaxBytes / 0x1p20)) + " MiB",
                  "shift-register-rnn", "take a shorter length or a smaller alphabet");
    return Claim{.task = task(),
                 .task_config = task_config,
                 .length = length,
                 .margin = 1,
                 .arithmetic = arithmetic,
                 .theorem = "docs/theory.md, Ring register"};
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const Index length = request.length, q = read_lookup(request.task_config)->alphabet;
    const Index Ls = code_bits(q), D = length * Ls;
    Weights w = zeros({.vocab_size = q + length,
                       .n_classes = q,
                       .d_model = D,
                       .max_length = length + 1,
                       .positions = "none",
                       .norm = "none",
                       .layers = {{.block = "rnn",
                                   .config = {{"activation", "relu"}, {"state_format", "bit"}},
                                   .residual = false}}},
                      blocks);
    const auto unit = [&](Index slot, Index bit) { return slot * Ls + bit; };
    const auto embedding = w["embedding"], w_x = w["layers.0.rnn.w_x"], w_h = w["layers.0.rnn.w_h"];
    const auto head = w["head"], head_bias = w["head_bias"];
    for (Index d = 0; d < D; ++d) w_x[std::size_t(d * D + d)] = 1;
    for (Index slot = 0; slot < length; ++slot)
      for (Index i = 0; i < Ls; ++i)
        w_h[std::size_t(unit(slot, i) * D + unit((slot + 1) % length, i))] = 1;
    for (Index s = 0; s < q; ++s)
      for (Index i = 0; i < Ls; ++i) embedding[std::size_t(s * D + unit(0, i))] = float(s >> i & 1);
    for (Index p = 0; p < length; ++p)  // symbol p is in slot (N - p) mod N after the last shift
      for (Index slot = 0; slot < length; ++slot)
        for (Index i = 0; i < Ls && slot != (length - p) % length; ++i)
          embedding[std::size_t((q + p) * D + unit(slot, i))] = -1;
    for (Index s = 0; s < q; ++s)
      for (Index i = 0; i < Ls; ++i) {
        const float sign = code_sign(s, i);
        // sum over bits of sign (bit - 1/2): its maximum at the right symbol, 1 less per wrong bit.
        for (Index slot = 0; slot < length; ++slot) head[std::size_t(unit(slot, i) * q + s)] = sign;
        head_bias[std::size_t(s)] -= sign / 2;
      }
    std::vector<Slot> slots;
    for (Index slot = 0; slot < length; ++slot)
      slots.push_back({"symbol " + std::to_string(slot), unit(slot, 0), Ls, Slot::Code::bits});
    return {.weights = std::move(w), .slots = std::move(slots)};
  }
};

}  // namespace

void register_shift_register_rnn(Registry<Construction>& constructions) {
  constructions.add<ShiftRegisterRnn>("shift-register-rnn",
                                      "recurrent ring register that meets the lower bound");
}

}  // namespace separatrix
