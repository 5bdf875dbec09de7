#include "separatrix/proofs/pair_recheck.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace separatrix::pair_recheck {
namespace {

/// The exponent of the last binary digit in any of the numbers; kNoDigit for zeros, nullopt when
/// one is not finite.
constexpr int kNoDigit = 1 << 16;
template <class Numbers>
std::optional<int> finest(const Numbers& numbers) {
  int finest = kNoDigit;
  for (const auto& item : numbers) {
    const auto number = double(item);
    if (!std::isfinite(number)) return std::nullopt;
    if (number == 0) continue;
    int e = std::ilogb(number) - 23;  // all are float32 numbers
    while (std::fmod(number, std::ldexp(1.0, e + 1)) == 0) ++e;
    while (std::fmod(number, std::ldexp(1.0, e)) != 0) --e;
    finest = std::min(finest, e);
  }
  return finest;
}

/// Whether float32 adds terms of that last digit and sum of magnitudes without rounding.
bool adds_exactly(int digit, double magnitude) {
  if (magnitude == 0) return true;
  return digit > -126 && digit < kNoDigit && magnitude < 0x1p126 &&
         std::ldexp(magnitude, -digit) <= 0x1p24;
}

/// A nonzero of a matrix.
struct Entry {
  std::size_t row = 0, column = 0;
  double weight = 0;
  explicit operator double() const { return weight; }
};

/// For each unit what each token brings to its sum; returned: the largest sum of magnitudes.
std::vector<double> read_drives(Net& net, const std::vector<double>& embedding,
                                const std::vector<Entry>& w_x) {
  std::vector<std::vector<Net::Wire>> rows(net.D);
  for (const Entry& e : w_x) rows[e.row].push_back({e.column, e.weight});
  std::vector<double> largest(net.D, 0.0);
  const std::size_t vocabulary = embedding.size() / net.D;
  for (std::size_t token = 0; token < vocabulary; ++token) {
    std::map<std::size_t, double> magnitude;
    for (std::size_t i = 0; i < net.D; ++i) {
      const double x = embedding[token * net.D + i];
      if (x == 0) continue;
      for (const auto& [u, weight] : rows[i]) {
        magnitude[u] += std::abs(x * weight);
        net.drive.try_emplace(u, vocabulary, 0.0).first->second[token] += x * weight;
      }
    }
    for (const auto& [u, m] : magnitude) largest[u] = std::max(largest[u], m);
  }
  return largest;
}

}  // namespace

std::string Net::read(const Weights& weights, Arithmetic arithmetic) {
  const ModelSpec& spec = weights.spec;
  if (spec.layers.size() != 1 || spec.layers[0].block != "rnn" || spec.layers[0].residual ||
      spec.norm != "none" || spec.positions != "none" ||
      spec.layers[0].config.value("activation", "tanh") != "relu" ||
      spec.layers[0].config.value("state_format", "float32") != "bit")
    return "the model is not one recurrent ReLU layer with a state of bits";
  D = std::size_t(spec.d_model);
  C = std::size_t(spec.n_classes);
  const auto stored = [&](float v) {
    return is_emulated(arithmetic) ? round_to(arithmetic, double(v)) : double(v);
  };
  const auto numbers = [&](const char* name) {
    std::vector<double> out;
    for (const float v : weights[name]) out.push_back(stored(v));
    return out;
  };
  const auto entries = [&](const char* name) {
    const auto values = weights[name];
    std::vector<Entry> out;
    for (std::size_t at = 0; at < values.size(); ++at)
      if (values[at] != 0) out.push_back({at / D, at % D, stored(values[at])});
    return out;
  };
  const auto embedding = numbers("embedding");
  const auto w_x = entries("layers.0.rnn.w_x"), w_h = entries("layers.0.rnn.w_h");
  bias = numbers("layers.0.rnn.bias");
  head = numbers("head");
  head_bias = numbers("head_bias");
  const auto e = finest(embedding), x = finest(w_x), h = finest(w_h), b = finest(bias),
             o = finest(head), ob = finest(head_bias);
  if (!e || !x || !h || !b || !o || !ob) return "a weight is not finite";
  into.resize(D);
  for (const Entry& entry : w_h) into[entry.column].push_back({entry.row, entry.weight});
  const std::vector<double> largest = read_drives(*this, embedding, w_x);
  const int inputs = *e == kNoDigit || *x == kNoDigit ? kNoDigit : *e + *x;
  for (std::size_t u = 0; u < D; ++u) {
    double magnitude = largest[u] + std::abs(bias[u]);
    for (const Wire& wire : into[u]) magnitude += std::abs(wire.weight);
    if (!adds_exactly(std::min({inputs, *h, *b}), magnitude)) return "its sums may be rounded";
  }
  for (std::size_t c = 0; c < C; ++c) {
    double magnitude = std::abs(head_bias[c]);
    for (std::size_t u = 0; u < D; ++u) magnitude += std::abs(head[u * C + c]);
    if (!adds_exactly(std::min(*o, *ob), magnitude)) return "its sums may be rounded";
  }
  return {};
}

void Net::step(std::vector<double>& state, Token token) const {
  std::vector<double> sums = bias;
  for (std::size_t u = 0; u < D; ++u)
    for (const Wire& wire : into[u]) sums[u] += wire.weight * state[wire.from];
  for (const auto& [u, values] : drive) sums[u] += values[std::size_t(token)];
  for (std::size_t u = 0; u < D; ++u) state[u] = sums[u] >= 0.5 ? 1 : 0;
}

double Net::margin(const std::vector<double>& state, Token target, Arithmetic arithmetic) const {
  std::vector<double> logits = head_bias;
  for (std::size_t u = 0; u < D; ++u)
    for (std::size_t c = 0; c < C; ++c) logits[c] += state[u] * head[u * C + c];
  for (double& logit : logits) logit = round_to(arithmetic, logit);
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < C; ++c) {
    const double difference = logits[std::size_t(target)] - logits[c];
    if (Token(c) != target && !(difference >= least)) least = difference;
  }
  return least;
}

std::string Halves::read_symbols(const Task& task, Index length) {
  const auto T = std::size_t(task.info(length).n_tokens);
  constexpr double kMost = 4e6;
  n = T / 2;
  symbols = task.legal_next({}, length);
  const std::size_t S = symbols.size();
  if (T % 2 == 0 || n == 0 || S == 0 || double(S) * double(S) > kMost)
    return "the task's inputs are not two halves and an end";
  std::vector<Token> word;
  for (std::size_t t = 0; t < 2 * n; ++t) {
    if (task.legal_next(word, length) != symbols) return "the symbols are not free";
    word.push_back(symbols[t % S]);
  }
  const auto last = task.legal_next(word, length);
  if (last.size() != 1) return "the last token is not given";
  end = last[0];
  return {};
}

std::string Halves::learn(const Task& task, Index length) {
  if (std::string why = read_symbols(task, length); !why.empty()) return why;
  const std::size_t S = symbols.size();
  std::vector<Token> word(2 * n, symbols[0]), targets(2 * n + 1);
  word.push_back(end);
  const auto ask = [&] {
    task.label(word, targets);
    return targets.back();
  };
  quiet = ask();
  Rng rng(11, RngUse::search);
  const std::vector<Token> plain = word;
  for (int i = 0; i < 16; ++i) {  // a quiet word of several symbols, if one is drawn
    task.sample(rng, word);
    if (ask() == quiet) break;
    word = plain;
  }
  for (std::size_t v = 0; v < S * S; ++v) {
    Token &x = word[(31 * v + 17) % n], &y = word[n + (31 * v + 17) % n];
    const Token x_before = std::exchange(x, symbols[v / S]),
                y_before = std::exchange(y, symbols[v % S]);
    const Token answer = ask();
    clashes.push_back(answer != quiet);
    if (answer != quiet) broken = answer;
    x = x_before;
    y = y_before;
  }
  return agrees(task, rng);
}

bool Halves::is_quiet(const std::vector<Token>& tokens) const {
  const auto number = [&](Token token) {
    return std::size_t(std::find(symbols.begin(), symbols.end(), token) - symbols.begin());
  };
  for (std::size_t i = 0; i < n; ++i)
    if (clashes[number(tokens[i]) * symbols.size() + number(tokens[n + i])]) return false;
  return true;
}

/// On drawn instances, and on some with one symbol changed; only the end is asked.
std::string Halves::agrees(const Task& task, Rng& rng) const {
  std::vector<Token> tokens(2 * n + 1), targets(tokens.size());
  for (int i = 0; i < 200; ++i) {
    if (i % 2 == 0) task.sample(rng, tokens);
    if (i % 2 == 1)
      tokens[std::size_t(rng.below(Index(2 * n)))] =
          symbols[std::size_t(rng.below(Index(symbols.size())))];
    task.label(tokens, targets);
    const bool alone = std::all_of(targets.begin(), targets.end() - 1,
                                   [](Token target) { return target == kIgnore; });
    if (!alone || targets.back() != (is_quiet(tokens) ? quiet : broken))
      return "the task does not ask whether a pair clashes";
  }
  return {};
}

}  // namespace separatrix::pair_recheck
