#include "separatrix/proofs/prefix_scan/form.h"

#include <algorithm>
#include <cmath>

#include <gmpxx.h>

#include "separatrix/base/rng.h"
#include "separatrix/nn/plain_attention.h"
#include "separatrix/proofs/task_parameters.h"

namespace separatrix::prefix_scan {
namespace {

/// The definition once more, against Task::label: on random inputs of the task's own distribution.
bool agrees(const DyckForm& form, Index depth, const Task& task) {
  constexpr Index kInputs = 32;
  Rng rng(0, RngUse::search);
  std::vector<Token> tokens(std::size_t(form.length + 2)), targets(tokens.size());
  for (Index i = 0; i < kInputs; ++i) {
    task.sample(rng, tokens);
    task.label(tokens, targets);
    std::vector<Token> open;
    bool valid = tokens.front() == form.bos() && tokens.back() == form.eos();
    for (Index t = 0; t <= form.length && valid; ++t) {
      const Token token = tokens[std::size_t(t)];
      if (t > 0 && form.opens(token)) open.push_back(token);
      if (t > 0 && form.closes(token)) {
        valid = !open.empty() && open.back() == token - form.types;
        if (valid) open.pop_back();
      }
      valid = valid && Index(open.size()) <= depth;
      const Token top =
          open.empty() ? Token(0) : Token(1 + 2 * open.back() + (Index(open.size()) == depth));
      if (targets[std::size_t(t)] != (form.recognise ? kIgnore : top)) return false;
    }
    const Token answer = form.recognise ? Token(valid && open.empty()) : kIgnore;
    if (targets.back() != answer || (!form.recognise && !valid)) return false;
  }
  return true;
}

std::vector<Column> columns(const Weights& w, const std::string& name, Index rows,
                            Arithmetic arithmetic) {
  const auto values = w[name];
  const Index cols = Index(values.size()) / rows;
  std::vector<Column> out{std::size_t(cols)};
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) {
      const double weight = round_to(arithmetic, double(values[std::size_t(i * cols + j)]));
      if (weight != 0) out[std::size_t(j)].push_back({i, weight});
    }
  return out;
}

std::vector<double> numbers_of(const Weights& w, const std::string& name, Arithmetic arithmetic) {
  std::vector<double> out;
  for (const float value : w[name]) out.push_back(round_to(arithmetic, double(value)));
  return out;
}

Matrix table(const Weights& w, const std::string& name, Index rows, Arithmetic arithmetic) {
  Matrix out = to_matrix(w[name], rows);
  for (double& value : out.data) value = round_to(arithmetic, value);
  return out;
}

AttentionPart read_attention(const Weights& w, std::size_t layer, Arithmetic arithmetic) {
  const Json& config = w.spec.layers[layer].config;
  const std::string prefix = "layers." + std::to_string(layer) + ".attention.";
  AttentionPart a;
  a.heads = config.value("n_heads", Index(1));
  a.q = columns(w, prefix + "q", w.spec.d_model, arithmetic);
  a.k = columns(w, prefix + "k", w.spec.d_model, arithmetic);
  a.v = columns(w, prefix + "v", w.spec.d_model, arithmetic);
  a.o = columns(w, prefix + "o", Index(a.v.size()), arithmetic);
  a.dk = Index(a.q.size()) / a.heads;
  a.dv = Index(a.v.size()) / a.heads;
  a.causal = config.value("causal", true);
  a.scale = attention_scale(config, a.dk);
  return a;
}

MlpPart read_mlp(const Weights& w, std::size_t layer, Arithmetic arithmetic) {
  const std::string prefix = "layers." + std::to_string(layer) + ".mlp.";
  MlpPart m;
  m.in = columns(w, prefix + "in", w.spec.d_model, arithmetic);
  m.out = columns(w, prefix + "out", Index(m.in.size()), arithmetic);
  m.in_bias.assign(m.in.size(), 0);
  m.out_bias.assign(m.out.size(), 0);
  if (w.spec.layers[layer].config.value("bias", true)) {
    m.in_bias = numbers_of(w, prefix + "in_bias", arithmetic);
    m.out_bias = numbers_of(w, prefix + "out_bias", arithmetic);
  }
  return m;
}

}  // namespace

std::string DyckForm::inputs() const {
  mpz_class count;
  if (recognise) {
    mpz_ui_pow_ui(count.get_mpz_t(), std::uint64_t(2 * types), std::uint64_t(length));
    return count.get_str();
  }
  // Words: paths of the depth that return to 0, times a type for each pair.
  std::vector<mpz_class> paths(std::size_t(limit + 1));
  paths[0] = 1;
  for (Index t = 1; t <= length; ++t)
    for (Index d = t % 2; d <= limit; d += 2) {
      const auto at = [&](Index e) { return 0 <= e && e <= limit ? paths[std::size_t(e)] : 0; };
      paths[std::size_t(d)] = at(d - 1) + at(d + 1);
    }
  mpz_ui_pow_ui(count.get_mpz_t(), std::uint64_t(types), std::uint64_t(length / 2));
  count *= paths[0];
  return count.get_str();
}

std::optional<DyckForm> read_form(const Claim& claim, const Task& task, std::string& why) {
  why = "it speaks of bounded-dyck only";
  if (claim.task != "bounded-dyck") return std::nullopt;
  const auto config = read_config<DyckParameters>(claim.task_config, claim.task);
  const DyckForm form{.types = config.types,
                      .length = claim.length,
                      .limit = std::min(config.depth, claim.length / 2),
                      .full = config.depth <= claim.length / 2,
                      .recognise = config.recognition()};
  why = "the task does not label as bounded-dyck with the claim's parameters does";
  if (task.info(claim.length).vocab_size != 2 * form.types + 2) return std::nullopt;
  if (!agrees(form, config.depth, task)) return std::nullopt;
  why.clear();
  return form;
}

std::optional<Network> read_network(const Weights& weights, Index n_attentions,
                                    Arithmetic arithmetic, std::string& why) {
  const ModelSpec& spec = weights.spec;
  why = "the model is not " + std::to_string(n_attentions) +
        " causal attention layers with ReLU MLPs after them, without norms, residual throughout";
  if (spec.norm != "none" || spec.positions != "learned") return std::nullopt;
  Network net{.D = spec.d_model, .C = spec.n_classes};
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    if (!layer.residual) return std::nullopt;
    if (layer.block == "attention") {
      if (const auto beyond = beyond_plain_attention(layer.config); !beyond.empty()) {
        why = beyond;
        return std::nullopt;
      }
      net.attention.push_back(read_attention(weights, i, arithmetic));
      net.mlps.emplace_back();
      if (!net.attention.back().causal) return std::nullopt;
    } else if (layer.block == "mlp" && !net.mlps.empty() &&
               layer.config.value("activation", std::string("gelu")) == "relu") {
      net.mlps.back().push_back(read_mlp(weights, i, arithmetic));
    } else {
      return std::nullopt;
    }
  }
  if (Index(net.attention.size()) != n_attentions) return std::nullopt;
  for (std::size_t i = 1; i < net.attention.size(); ++i)
    if (net.attention[i].heads != 1) return std::nullopt;
  why = "a weight is not finite, or over 2^40";
  for (const float w : weights.values)
    if (!(std::abs(w) < 0x1p40F)) return std::nullopt;
  why.clear();
  net.tokens = table(weights, "embedding", spec.vocab_size, arithmetic);
  net.positions = table(weights, "positions", spec.max_length, arithmetic);
  net.head = columns(weights, "head", net.D, arithmetic);
  net.head_bias = numbers_of(weights, "head_bias", arithmetic);
  return net;
}

void add_product(const std::vector<Column>& columns, const Box& from, const Numbers& numbers,
                 Box& x) {
  for (std::size_t d = 0; d < columns.size(); ++d)
    if (!columns[d].empty())
      x[d] = numbers.stored(x[d] + numbers.stored(numbers.dot(columns[d], from).value));
}

Box products(const std::vector<Column>& columns, const Box& x, const Numbers& numbers) {
  Box out;
  for (const Column& column : columns) out.push_back(numbers.stored(numbers.dot(column, x).value));
  return out;
}

void join(Box& into, const Box& x) {
  if (into.empty()) into = x;
  for (std::size_t i = 0; i < x.size(); ++i) into[i] = hull(into[i], x[i]);
}

}  // namespace separatrix::prefix_scan
