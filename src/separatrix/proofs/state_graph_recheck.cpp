#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include <gmpxx.h>

#include "separatrix/base/hash.h"
#include "separatrix/model/arithmetic.h"
#include "separatrix/nn/model.h"
#include "separatrix/proofs/state_graph.h"

// The same statement from the equations of docs/format.md, in plain doubles, depth first; and runs
// of whole instances against Task::label.

namespace separatrix {
namespace {

using Vector = std::vector<double>;

/// Exponent of the last binary digit that any of the values has; nullopt for infinity and NaN.
/// Zeros have no digits: kNone.
constexpr int kNone = 1 << 20;
std::optional<int> last_digit(const Vector& values) {
  int last = kNone;
  for (const double v : values) {
    if (!std::isfinite(v)) return std::nullopt;
    if (v == 0) continue;
    const int exponent = std::ilogb(v) - 52;
    const auto digits = std::uint64_t(std::abs(std::llround(std::scalbn(v, -exponent))));
    last = std::min(last, exponent + std::countr_zero(digits));
  }
  return last;
}

/// h = bit(relu(x W_x + h_before W_h + b)), logits = h head + head_bias.
class Net {
 public:
  /// Why not, or empty.
  std::string read(const Weights& w, Arithmetic arithmetic) {
    const ModelSpec& spec = w.spec;
    if (spec.layers.size() != 1 || spec.layers[0].block != "rnn" || spec.layers[0].residual ||
        spec.norm != "none" || spec.positions != "none" ||
        spec.layers[0].config.value("activation", "tanh") != "relu")
      return "the model is not one recurrent ReLU layer";
    D = std::size_t(spec.d_model);
    C = std::size_t(spec.n_classes);
    arithmetic_ = arithmetic;
    const std::string format = spec.layers[0].config.value("state_format", "float32");
    if (format != "bit" && format != "float32") return "the state is rounded to " + format;
    bits = format == "bit";
    const auto values = [&](const char* name) {
      Vector out;
      for (const float v : w[name])
        out.push_back(is_emulated(arithmetic) ? round_to(arithmetic, double(v)) : double(v));
      return out;
    };
    const Vector embedding = values("embedding"), w_x = values("layers.0.rnn.w_x");
    w_h_ = values("layers.0.rnn.w_h");
    bias_ = values("layers.0.rnn.bias");
    head_ = values("head");
    head_bias_ = values("head_bias");
    const auto e = last_digit(embedding), x = last_digit(w_x), h = last_digit(w_h_),
               b = last_digit(bias_), o = last_digit(head_), ob = last_digit(head_bias_);
    if (!e || !x || !h || !b || !o || !ob) return "a weight is not finite";
    input_digit_ = std::min(*e == kNone || *x == kNone ? kNone : *e + *x, *b);
    h_digit_ = *h;
    head_digit_ = *o;
    head_bias_digit_ = *ob;
    for (std::size_t v = 0; v * D < embedding.size(); ++v) {
      Vector in(bias_), size(D);
      for (std::size_t u = 0; u < D; ++u) size[u] = std::abs(bias_[u]);
      for (std::size_t i = 0; i < D; ++i)
        if (const double xi = embedding[v * D + i]; xi != 0)
          for (std::size_t u = 0; u < D; ++u) {
            in[u] += xi * w_x[i * D + u];
            size[u] += std::abs(xi * w_x[i * D + u]);
          }
      inputs_.push_back(std::move(in));
      largest_input_ = std::max(largest_input_, *std::max_element(size.begin(), size.end()));
    }
    bits_fit_ = fits(0, 1);
    return {};
  }

  /// x W_x + b + h W_h is a sum that float32 holds in whatever order; so are the logits.
  bool is_exact_at(const Vector& h) const {
    if (bits) return bits_fit_;
    const auto digit = last_digit(h);
    return digit && fits(*digit, *std::max_element(h.begin(), h.end()));
  }
  Vector carried(const Vector& h) const {
    Vector sums(D);
    for (std::size_t i = 0; i < D; ++i)
      for (std::size_t u = 0; u < D && h[i] != 0; ++u) sums[u] += h[i] * w_h_[i * D + u];
    return sums;
  }
  void step(const Vector& carried, Token token, Vector& h) const {
    const Vector& in = inputs_[std::size_t(token)];
    for (std::size_t u = 0; u < D; ++u) {
      const double sum = in[u] + carried[u];
      h[u] = bits ? double(sum >= 0.5) : sum > 0 ? round_to(arithmetic_, sum) : 0;
    }
  }
  double margin(const Vector& h, Token target) const {
    Vector y(head_bias_);
    for (std::size_t i = 0; i < D; ++i)
      for (std::size_t c = 0; c < C && h[i] != 0; ++c) y[c] += h[i] * head_[i * C + c];
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t c = 0; c < C; ++c)
      if (Token(c) != target)
        least = std::min(
            least, round_to(arithmetic_, y[std::size_t(target)]) - round_to(arithmetic_, y[c]));
    return least;
  }

  std::size_t D = 0, C = 0;
  bool bits = false;

 private:
  bool fits(int state_digit, double top) const {
    Vector carried(D), read(C);
    for (std::size_t i = 0; i < w_h_.size(); ++i) carried[i % D] += std::abs(w_h_[i]);
    for (std::size_t i = 0; i < head_.size(); ++i) read[i % C] += std::abs(head_[i]);
    for (std::size_t c = 0; c < C; ++c) read[c] = top * read[c] + std::abs(head_bias_[c]);
    const auto holds = [](double sum, int digit) {
      return sum == 0 || (digit > -126 && sum < 0x1p126 && std::scalbn(sum, -digit) <= 0x1p24);
    };
    return holds(largest_input_ + top * *std::max_element(carried.begin(), carried.end()),
                 std::min(input_digit_, h_digit_ + state_digit)) &&
           holds(*std::max_element(read.begin(), read.end()),
                 std::min(head_bias_digit_, head_digit_ + state_digit));
  }

  Arithmetic arithmetic_ = Arithmetic::float32;
  Vector w_h_, bias_, head_, head_bias_;
  std::vector<Vector> inputs_;  ///< [vocab_size][D]: x W_x + b
  double largest_input_ = 0;
  int input_digit_ = 0, h_digit_ = 0, head_digit_ = 0, head_bias_digit_ = 0;
  bool bits_fit_ = false;  ///< whatever the state, if it is bits
};

/// A pair as text: the numbers of the task's state, then the model's.
std::string key_of(const std::vector<std::int32_t>& machine, const Vector& h, bool bits) {
  std::string key(machine.size() * 4, '\0');
  if (!machine.empty()) std::memcpy(key.data(), machine.data(), key.size());
  if (bits) {
    const std::size_t begin = key.size();
    key.resize(begin + h.size());
    for (std::size_t u = 0; u < h.size(); ++u) key[begin + u] = h[u] != 0 ? '1' : '0';
  } else {
    key.append(reinterpret_cast<const char*>(h.data()), h.size() * sizeof(double));
  }
  return key;
}

std::uint64_t hash_of(Index t, const std::vector<std::int32_t>& machine, const Vector& h) {
  std::vector<std::int32_t> text{std::int32_t(t), std::int32_t(machine.size())};
  text.insert(text.end(), machine.begin(), machine.end());
  for (const double v : h) text.push_back(std::bit_cast<std::int32_t>(float(v)));
  return hash_tokens(text);
}

/// What the evidence must say.
struct Found {
  std::string wrong;  ///< not empty: nothing else counts
  Index pairs = 1, steps = 0;
  std::uint64_t digest = 0;
  double margin = std::numeric_limits<double>::infinity();
  std::string inputs;

  void look(const Net& net, const Vector& h, Token target) {
    if (target != kIgnore) margin = std::min(margin, net.margin(h, target));
  }
};

struct Node {
  std::vector<std::int32_t> machine;
  Vector h;
  std::vector<Token> word;  ///< only at one length
  mpz_class count;          ///< only at one length
};

Found walk_every_length(const Net& net, const Dfa& dfa) {
  Found found;
  std::unordered_set<std::string> seen;
  std::vector<Node> open;
  open.push_back({.machine = {0}, .h = Vector(net.D), .word = {}, .count = 0});
  // Not seen yet: nothing is asked before the first token, but where a token leads back, it is.
  found.digest = hash_of(0, {0}, open[0].h);
  Vector h(net.D);
  while (!open.empty()) {
    const Node node = std::move(open.back());
    open.pop_back();
    if (!net.is_exact_at(node.h)) return {.wrong = "its sums may be rounded", .inputs = {}};
    const Vector carried = net.carried(node.h);
    for (Token token = 0; token < dfa.alphabet; ++token) {
      if (!dfa.is_legal(node.machine[0], token)) continue;
      ++found.steps;
      net.step(carried, token, h);
      const auto state = std::int32_t(dfa.step(node.machine[0], token));
      if (!seen.insert(key_of({state}, h, net.bits)).second) continue;
      ++found.pairs;
      found.digest += hash_of(0, {state}, h);
      if (!net.is_exact_at(h)) return {.wrong = "its sums may be rounded", .inputs = {}};
      found.look(net, h, dfa.output[std::size_t(state)]);
      open.push_back({.machine = {state}, .h = h, .word = {}, .count = 0});
    }
  }
  found.inputs = kEveryLength;
  return found;
}

Found walk_one_length(const Net& net, const Task& task, Index length) {
  Found found;
  const auto reference = task.streaming(length);
  if (!reference) return {.wrong = "the task has no streaming reference", .inputs = {}};
  std::vector<Node> layer;
  layer.push_back({.machine = reference->start(), .h = Vector(net.D), .word = {}, .count = 1});
  const Index n_tokens = task.info(length).n_tokens;
  for (Index t = 0; t < n_tokens; ++t) {
    std::vector<Node> next;
    std::unordered_map<std::string, std::size_t> seen;
    Vector h(net.D);
    for (const Node& node : layer) {
      if (!net.is_exact_at(node.h)) return {.wrong = "its sums may be rounded", .inputs = {}};
      const Vector carried = net.carried(node.h);
      for (const Token token : task.legal_next(node.word, length)) {
        ++found.steps;
        net.step(carried, token, h);
        auto machine = reference->step(node.machine, token, t);
        const auto [it, is_new] = seen.try_emplace(key_of(machine, h, net.bits), next.size());
        if (is_new) {
          found.digest += hash_of(t, machine, h);
          if (!net.is_exact_at(h)) return {.wrong = "its sums may be rounded", .inputs = {}};
          found.look(net, h, reference->output(machine, t));
          next.push_back({.machine = std::move(machine), .h = h, .word = node.word, .count = 0});
          next.back().word.push_back(token);
        }
        next[it->second].count += node.count;
      }
    }
    found.pairs += Index(next.size());
    layer = std::move(next);
  }
  mpz_class inputs = 0;
  for (const Node& node : layer) inputs += node.count;
  found.inputs = inputs.get_str();
  return found;
}

/// The model alone against Task::label: no machine of the task is asked.
bool answers_rightly(const Net& net, const Task& task, std::span<const Token> tokens,
                     double margin) {
  std::vector<Token> targets(tokens.size());
  task.label(tokens, targets);
  Vector h(net.D);
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    net.step(net.carried(h), tokens[t], h);
    if (targets[t] != kIgnore && !(net.margin(h, targets[t]) >= margin)) return false;
  }
  return true;
}

/// Drawn instances of that length; where `shorter`, also the first instances of short lengths.
std::string run_instances(const Net& net, const Task& task, const Certificate& c, bool shorter) {
  constexpr double kWork = 2e7;
  constexpr Index kShortest = 6, kInstances = 2000;
  const Index T = task.info(c.claim.length).n_tokens;
  const Index vocabulary = task.info(c.claim.length).vocab_size;
  Rng rng(3, RngUse::search);
  std::vector<Token> tokens(static_cast<std::size_t>(T));
  const double cost = double(T) * double(net.D) * double(std::min<std::size_t>(net.D, 64));
  for (Index i = 0; i < std::clamp<Index>(Index(kWork / cost), 4, 256); ++i) {
    task.sample(rng, tokens);
    if (!answers_rightly(net, task, tokens, c.margin)) return "a drawn input is answered wrongly";
  }
  for (Index length = 1; shorter && length <= kShortest; ++length) {
    try {
      task.check_length(length);
    } catch (const Error&) {
      continue;
    }
    if (task.info(length).vocab_size != vocabulary) continue;
    Index left = std::clamp<Index>(Index(kWork / cost), 4, kInstances);
    bool good = true;
    for_each_instance(task, length, [&](std::span<const Token> instance) {
      good = answers_rightly(net, task, instance, c.margin);
      return good && --left > 0;
    });
    if (!good) return "an input of length " + std::to_string(length) + " is answered wrongly";
  }
  return {};
}

}  // namespace

std::string recheck_state_graph(const Certificate& c, const Subject& subject) {
  bool every_length = false;
  Index pairs = 0, steps = 0;
  std::string digest;
  try {
    c.evidence.at("every_length").get_to(every_length);
    c.evidence.at("pairs").get_to(pairs);
    c.evidence.at("steps").get_to(steps);
    c.evidence.at("digest").get_to(digest);
  } catch (const Json::exception&) {
    return "the evidence does not describe a graph";
  }
  Net net;
  if (const std::string why = net.read(subject.weights, c.claim.arithmetic); !why.empty())
    return why;
  const auto dfa = every_length ? subject.task.uniform() : std::nullopt;
  if (every_length && !dfa) return "the task has no automaton for all lengths";
  const Found found =
      dfa ? walk_every_length(net, *dfa) : walk_one_length(net, subject.task, c.claim.length);
  if (!found.wrong.empty()) return found.wrong;
  if (!(found.margin > 0 && found.margin >= c.margin && found.margin >= c.claim.margin))
    return "the margin comes to " + std::to_string(found.margin) + " only";
  if (found.pairs != pairs || found.steps != steps || std::to_string(found.digest) != digest)
    return "the evidence is of another graph: this one has " + std::to_string(found.pairs) +
           " pairs and " + std::to_string(found.steps) + " steps";
  if (found.inputs != c.inputs) return "the inputs covered are " + found.inputs;
  return run_instances(net, subject.task, c, every_length);
}

}  // namespace separatrix
