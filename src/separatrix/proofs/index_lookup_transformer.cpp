#include <cmath>

#include "separatrix/codes/address_code.h"
#include "separatrix/nn/model.h"
#include "separatrix/proofs/construction.h"
#include "separatrix/proofs/position_only.h"
#include "separatrix/proofs/symbol_code.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix {
namespace {

struct IndexLookupTransformerConfig {
  std::string code = "binary";
  double temperature = 0;
};
template <class V>
void visit(V& v, IndexLookupTransformerConfig& c) {
  v("code", c.code, "of the addresses: one of `separatrix list codes`");
  v("temperature", c.temperature,
    "factor of the scores; 0 = the least power of two at which the others together get at most "
    "1/64 of the right one's weight");
}

/// One head finds position p by its address: score c <query(p), key(j)>, so that all other
/// positions together get at most `leak` times its weight; (1 + e^-2c)^L - 1 for the binary code.
/// Slots of the residual stream: sym [Ls] key [W] (qry [W] if queries are not keys) out [Ls].
/// docs/theory.md, "Index lookup".
class IndexLookupTransformer final : public Construction {
 public:
  using Config = IndexLookupTransformerConfig;
  explicit IndexLookupTransformer(const Config& config) : temperature_(config.temperature) {
    Registry<AddressCode> codes("code");
    register_codes(codes);
    const auto& entry = codes.find(config.code, "index-lookup-transformer/code");
    name_ = entry.name;
    code_ = codes.make(name_);
    if (!(temperature_ >= 0 && temperature_ <= 0x1p20) ||
        double(float(temperature_)) != temperature_)
      throw Error(ErrorKind::spec, "the temperature must be a float32 number from 0 to 2^20",
                  "index-lookup-transformer/temperature", "take 0 for the code's own");
  }

  std::string task() const override { return "index-lookup"; }
  ModelClass model_class() const override { return ModelClass::transformer; }

  std::optional<Claim> claim(const ConstructionRequest& request) const override {
    const auto& [task_config, length, arithmetic] = request;
    const auto lookup = read_lookup(task_config);
    if (!lookup || length < 1) return std::nullopt;
    // Beyond, only the binary code's sums have a bound that costs less than N^2.
    if (!is_binary() && length > kLookupExactUpTo) return std::nullopt;
    const CodeNumbers numbers = code_->numbers(length, arithmetic);
    if (!numbers.fits()) return std::nullopt;
    const Index W = numbers.width, Ls = code_bits(lookup->alphabet);
    const double leak = code_->leak(numbers, temperature(numbers));
    double margin = margin_of(leak, length, Ls, arithmetic);
    if (!numbers.exact) margin /= 2;  // for scores that are rounded
    if (margin <= 0)
      throw Error(ErrorKind::spec,
                  "at length " + std::to_string(length) +
                      " and this temperature the other "
                      "positions outweigh the right one",
                  "index-lookup-transformer/temperature", "take 0 for the code's own");
    const double bytes = 4 * double(2 * W + 2 * Ls) * double(2 * length + lookup->alphabet + 1);
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
    const CodeNumbers numbers = code_->numbers(length, request.arithmetic);
    const auto book = code_->codebook(length, request.arithmetic);
    const double c = temperature(numbers);
    const Index W = numbers.width, Ls = code_bits(q), sym = 0, key = Ls;
    const Index qry = numbers.one_length ? key : key + W, out = qry + W, D = out + Ls;
    Weights w = zeros({.vocab_size = q + length,
                       .n_classes = q,
                       .d_model = D,
                       .max_length = length + 1,
                       .positions = "learned",
                       .norm = "none",
                       .layers = {{.block = "attention",
                                   .config = {{"n_heads", 1},
                                              {"d_head", W},
                                              {"d_value", Ls},
                                              {"causal", true},
                                              {"scale", "none"}},
                                   .residual = true}}},
                      blocks);
    const auto embedding = w["embedding"], positions = w["positions"], head = w["head"];
    for (Index s = 0; s < q; ++s)
      for (Index i = 0; i < Ls; ++i) embedding[std::size_t(s * D + sym + i)] = code_sign(s, i);
    for (Index p = 0; p < length; ++p) {  // row N, the query's own, stays without an address
      book->query(p, embedding.subspan(std::size_t((q + p) * D + qry), std::size_t(W)));
      book->key(p, positions.subspan(std::size_t(p * D + key), std::size_t(W)));
    }
    const auto w_q = w["layers.0.attention.q"], w_k = w["layers.0.attention.k"];
    const auto w_v = w["layers.0.attention.v"], w_o = w["layers.0.attention.o"];
    for (Index i = 0; i < W; ++i) {
      w_q[std::size_t((qry + i) * W + i)] = float(c);
      w_k[std::size_t((key + i) * W + i)] = 1;
    }
    for (Index i = 0; i < Ls; ++i) {
      w_v[std::size_t((sym + i) * Ls + i)] = 1;
      w_o[std::size_t(i * D + out + i)] = 1;
      // +-1/2: two symbols that differ in one bit are |out_i| apart.
      for (Index s = 0; s < q; ++s) head[std::size_t((out + i) * q + s)] = code_sign(s, i) / 2;
    }
    const auto spelled = is_binary() ? Slot::Code::signs : Slot::Code::number;
    std::vector<Slot> slots = {{"symbol", sym, Ls, Slot::Code::signs},
                               {"address", key, W, spelled}};
    if (qry != key) slots.push_back({"asks for", qry, W, spelled});
    slots.push_back({"answer", out, Ls, Slot::Code::signs});
    return {.weights = std::move(w), .slots = std::move(slots), .temperature = c};
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
  bool is_binary() const { return name_ == "binary"; }
  double temperature(const CodeNumbers& numbers) const {
    return temperature_ > 0 ? temperature_ : code_->power_of_two_temperature(numbers, kUsualLeak);
  }

  std::string name_;
  std::unique_ptr<AddressCode> code_;
  double temperature_;
};

}  // namespace

void register_index_lookup_transformer(Registry<Construction>& constructions) {
  constructions.add<IndexLookupTransformer>("index-lookup-transformer",
                                            "one layer, one head, addresses of any code");
}

}  // namespace separatrix
