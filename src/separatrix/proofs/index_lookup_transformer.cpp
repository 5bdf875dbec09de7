#include <cmath>

#include "separatrix/nn/model.h"
#include "separatrix/proofs/construction.h"
#include "separatrix/proofs/position_only.h"
#include "separatrix/proofs/symbol_code.h"

namespace separatrix {
namespace {

struct IndexLookupTransformerConfig {
  double temperature = 4;
};
template <class V>
void visit(V& v, IndexLookupTransformerConfig& c) {
  v("temperature", c.temperature, "score lost per wrong address bit, halved");
}

/// One head finds position p by its binary address: score c <bin(p), bin(j)>, so that all other
/// positions together get at most (1 + e^-2c)^L - 1 of its weight. Slots of the residual stream:
/// sym [Ls] key [L] out [Ls]. docs/theory.md, "Index lookup".
class IndexLookupTransformer final : public Construction {
 public:
  using Config = IndexLookupTransformerConfig;
  explicit IndexLookupTransformer(Config config) : c_(config.temperature) {
    if (!(c_ > 0 && c_ <= 64) || double(float(c_)) != c_)
      throw Error(ErrorKind::spec, "the temperature must be a float32 number in (0, 64]",
                  "index-lookup-transformer/temperature", "take 4");
  }

  std::string task() const override { return "index-lookup"; }
  ModelClass model_class() const override { return ModelClass::transformer; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto& [task_config, length, arithmetic] = request;
    const auto lookup = read_lookup(task_config);
    if (!lookup || length < 1) return std::nullopt;
    const Index L = code_bits(length), Ls = code_bits(lookup->alphabet);
    const double leak = std::expm1(double(L) * std::log1p(std::exp(-2 * c_)));
    const double margin = margin_of(leak, length, Ls, arithmetic);
    if (margin <= 0)
      throw Error(ErrorKind::spec,
                  "at length " + std::to_string(length) +
                      " and this temperature the other "
                      "positions outweigh the right one",
                  "index-lookup-transformer/temperature", "take 4");
    const double bytes = 4 * double(L + 2 * Ls) * double(2 * length + lookup->alphabet + 1);
    if (bytes > kMaxBytes)
      throw Error(ErrorKind::spec,
                  "the address tables take " + std::to_string(std::llround(bytes / 0x1p20)) +
                      " MiB; the limit is " + std::to_string(std::llround(kMaxBytes / 0x1p20)),
                  "index-lookup-transformer", "take a shorter length");
    return Claim{.task = task(),
                 .task_config = task_config,
                 .length = length,
                 .margin = margin,
                 .arithmetic = arithmetic,
                 .theorem = "bhattamishra2024 (docs/theory.md, Index lookup)"};
  }

  Built build(const ConstructionRequest& request, const Registry<Block>& blocks) const override {
    const Index length = request.length, q = read_lookup(request.task_config)->alphabet;
    const Index L = code_bits(length), Ls = code_bits(q), D = L + 2 * Ls;
    const Index sym = 0, key = Ls, out = Ls + L;
    Weights w = zeros({.vocab_size = q + length,
                       .n_classes = q,
                       .d_model = D,
                       .max_length = length + 1,
                       .positions = "learned",
                       .norm = "none",
                       .layers = {{.block = "attention",
                                   .config = {{"n_heads", 1},
                                              {"d_head", L},
                                              {"d_value", Ls},
                                              {"causal", true},
                                              {"scale", "none"}},
                                   .residual = true}}},
                      blocks);
    const auto embedding = w["embedding"], positions = w["positions"], head = w["head"];
    for (Index s = 0; s < q; ++s)
      for (Index i = 0; i < Ls; ++i) embedding[std::size_t(s * D + sym + i)] = code_sign(s, i);
    for (Index p = 0; p < length; ++p)
      for (Index i = 0; i < L; ++i)  // row N, the query's own, stays without an address
        embedding[std::size_t((q + p) * D + key + i)] = positions[std::size_t(p * D + key + i)] =
            code_sign(p, i);
    const auto w_q = w["layers.0.attention.q"], w_k = w["layers.0.attention.k"];
    const auto w_v = w["layers.0.attention.v"], w_o = w["layers.0.attention.o"];
    for (Index i = 0; i < L; ++i) {
      w_q[std::size_t((key + i) * L + i)] = float(c_);
      w_k[std::size_t((key + i) * L + i)] = 1;
    }
    for (Index i = 0; i < Ls; ++i) {
      w_v[std::size_t((sym + i) * Ls + i)] = 1;
      w_o[std::size_t(i * D + out + i)] = 1;
      // +-1/2: two symbols that differ in one bit are |out_i| apart.
      for (Index s = 0; s < q; ++s) head[std::size_t((out + i) * q + s)] = code_sign(s, i) / 2;
    }
    return {.weights = std::move(w),
            .slots = {{"symbol", sym, Ls, Slot::Code::signs},
                      {"address", key, L, Slot::Code::signs},
                      {"answer", out, Ls, Slot::Code::signs}},
            .temperature = c_};
  }

 private:
  static constexpr double kMaxBytes = 0x1p30;
  /// What rounding may take away: docs/theory.md, with every constant rounded up.
  static double margin_of(double leak, Index length, Index Ls, Arithmetic arithmetic) {
    const double u = 0x1p-24;
    if (!is_emulated(arithmetic) && length <= kLookupExactUpTo)
      return (1 - leak) / (2 + leak) - double(Ls) * (6 * double(length) + 512) * u;
    const double share = (1 - 3 * leak) / (2 + 3 * leak) - double(Ls) * 512 * u;
    if (!is_emulated(arithmetic)) return share;
    return share - (2 * double(Ls) + 1) * number_format(arithmetic).unit();
  }
  double c_;
};

}  // namespace

void register_index_lookup_transformer(Registry<Construction>& constructions) {
  constructions.add<IndexLookupTransformer>("index-lookup-transformer",
                                            "one layer, one head, binary addresses");
}

}  // namespace separatrix
