#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gmpxx.h>

#include "separatrix/base/registry.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// What a bound limits, and what a model is measured by.
enum class Resource {
  recurrent_state_bits,        ///< bits carried between time steps (RNN, SSM, retention)
  one_layer_transformer_bits,  ///< bits with which one layer sums up half of its input
};
std::string to_string(Resource resource);  ///< "recurrent_state_bits": the JSON name

/// The numbers of a one-layer transformer in the inequalities of docs/theory.md ("One layer").
struct OneLayerNumbers {
  Index precision = 32;   ///< p: bits of a number that the attention keeps
  Index heads = 1;        ///< H
  Index value_width = 0;  ///< d_v of a head; 0: not given, the smallest possible one is asked
  double value = 1;       ///< V >= |v| in the sup norm
  double score = 16;      ///< S >= |score|
  double lipschitz = 1;   ///< Lambda: of the read-out, sup norm over all head outputs
  double margin = 0.5;    ///< mu: by which the right answer beats every other
};
template <class V>
void visit(V& v, OneLayerNumbers& n) {
  v("precision", n.precision, "one layer: p, bits of a number that the attention keeps");
  v("heads", n.heads, "one layer: H");
  v("value_width", n.value_width, "one layer: d_v of a head; 0 = ask for the smallest");
  v("value_bound", n.value, "one layer, margin: V, the largest entry of a value");
  v("score_bound", n.score, "one layer, margin: S, the largest score");
  v("lipschitz", n.lipschitz, "one layer, margin: Lambda of what follows the heads");
  v("margin", n.margin, "one layer, margin: mu, by which the right answer wins");
}
/// Throws Error(usage) naming the flag unless all are finite and positive (value_width: not
/// negative), and widths, heads and precision at most 2^20.
void check_numbers(const OneLayerNumbers& numbers);

/// What is asked of a method.
struct BoundRequest {
  const Task& task;
  std::string task_name;              ///< as registered
  Json task_config = Json::object();  ///< all defaults written out
  Index length = 0;                   ///< check_length was called
  OneLayerNumbers one_layer = {};
  double accuracy = 1;  ///< mean accuracy over uniform inputs that the machine is to reach
  int threads = 1;      ///< never changes a result
  /// Called now and then with what goes on and the share done, in [0, 1]; may be empty.
  std::function<void(const std::string& doing, double share)> progress = {};
  const std::atomic<bool>* stop = nullptr;  ///< looked at now and then; set: Error(io, "stopped")
};

/// States that a machine reading left to right needs after `split` tokens.
struct CutCount {
  Index split = 0;
  mpz_class count;
  bool exact = false;  ///< the minimum; otherwise that many prefixes are pairwise distinguishable
};

/// left(H, d_v, p, ...) >= needed, for one kind of arithmetic and one division of the input.
struct Inequality {
  std::string arithmetic;    ///< the machines it is about, in words
  std::string partition;     ///< who holds what: "the first 50 tokens | the rest"
  std::string formula;       ///< with the numbers filled in: "H (d_v + 2) 32 >= 50"
  Index needed = 0;          ///< right side, in bits
  Index smallest_width = 0;  ///< least H d_v that is not impossible, with the request's H heads
  std::optional<bool> satisfied;  ///< by the request's d_v; absent when none was given
};

/// "Any machine that solves the task at `length` needs log2(count) bits of `resource`."
struct Bound {
  std::string method;   ///< name in the registry
  std::string theorem;  ///< bibliography key + number
  Resource resource{};
  Index length = 0;        ///< the task's own measure
  Index split = 0;         ///< tokens before the cut between prefix and suffix (one layer: Alice's)
  mpz_class count = 1;     ///< classes at the cut; rows, leaves of a protocol
  bool exact = false;      ///< count is the minimum, not only a lower bound on it
  std::string scope = {};  ///< the machines it is about, when not all that solve this length
  std::string formula = {};  ///< of count, where one is known: "q^N"
  /// Every cut, 0 .. n_tokens; empty for one layer, and where they would take more than 2^26 bits.
  std::vector<CutCount> cuts = {};
  std::optional<Inequality> inequality = {};  ///< one layer only
  Json witness = {};  ///< enough to re-check without trusting the method that found it

  /// ceil(log2 count): bits without which the task is impossible.
  Index bits() const;
};

/// How a witness was checked: everything it says, or a stated random part of it.
struct WitnessCheck {
  bool valid = false;  ///< nothing wrong was found
  std::string how;     ///< "all 2016 pairs" / "rule on 1000 random pairs, seed 0"
  bool covers = true;  ///< what was checked shows the count; otherwise a smaller one only
};

class BoundMethod {
 public:
  virtual ~BoundMethod() = default;
  /// Empty when the method does not apply to this task; Error(spec) naming the size it would need
  /// when it applies but will not fit.
  virtual std::vector<Bound> compute(const BoundRequest& request) const = 0;
  /// Re-checks bound.witness against task.label only; shares no code with compute(). The bound may
  /// come from a stranger's file: any text is answered, none is trusted.
  virtual WitnessCheck check(const BoundRequest& request, const Bound& bound) const = 0;
};

void register_bounds(Registry<BoundMethod>& bounds);  // bounds/all.cpp

/// The JSON that `bound --json` prints and the store keeps (count as a decimal string).
Json to_json(const Bound& bound);
/// Reads it back, for --check of a file. Throws Error(spec) with `where`.
Bound read_bound(const Json& json, const std::string& where);

}  // namespace separatrix
