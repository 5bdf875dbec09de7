#include "separatrix/lab/explain.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "separatrix/tasks/spelling.h"

namespace separatrix {
namespace {

/// Beyond this the walk along the tree of instances, quadratic for some tasks, is not worth it.
constexpr std::size_t kMostChecked = 2000;

std::vector<Index> rows_to_show(std::span<const Token> targets) {
  const auto T = Index(targets.size());
  std::vector<Index> rows;
  if (T <= Explanation::kMostRows) {
    rows.resize(std::size_t(T));
    std::iota(rows.begin(), rows.end(), Index{0});
    return rows;
  }
  for (Index t = T; t-- > 0 && Index(rows.size()) < Explanation::kMostRows;)
    if (targets[std::size_t(t)] != kIgnore) rows.push_back(t);
  if (rows.empty()) rows.push_back(T - 1);
  std::reverse(rows.begin(), rows.end());
  return rows;
}

Explanation::Answer answer_of(std::span<const double> logits, Token target) {
  const auto best = [&](Token except) {
    Token found = kIgnore;
    for (Token c = 0; c < Token(logits.size()); ++c)
      if (c != except && (found == kIgnore || logits[std::size_t(c)] > logits[std::size_t(found)]))
        found = c;
    return found;
  };
  Explanation::Answer answer{.target = target, .prediction = best(kIgnore), .margin = {}};
  if (target == kIgnore) return answer;
  answer.rival = best(target);
  if (answer.rival != kIgnore)
    answer.margin = logits[std::size_t(target)] - logits[std::size_t(answer.rival)];
  return answer;
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// [positions][slots], or null where the slots name something else.
Json slots_json(const Explanation& e, std::size_t stage) {
  if (!e.named(stage)) return nullptr;
  Json rows = Json::array();
  for (std::size_t row = 0; row < e.trace.rows.size(); ++row) {
    Json cells = Json::array();
    for (const Slot& slot : e.slots) {
      const auto entries = e.entries(stage, row, slot);
      cells.push_back(to_json(decode(slot, entries), entries));
    }
    rows.push_back(std::move(cells));
  }
  return rows;
}

Json attention_json(const Explanation& e, const Trace::Layer& layer) {
  Json heads = Json::array();
  for (Index h = 0; h < layer.heads; ++h) {
    Json rows = Json::array();
    for (std::size_t row = 0; row < e.trace.rows.size(); ++row) {
      const auto weights = e.attention(layer, row, h);
      rows.push_back(std::vector<double>(weights.begin(), weights.end()));
    }
    heads.push_back(std::move(rows));
  }
  return heads;
}

}  // namespace

bool Explanation::named(std::size_t stage) const {
  if (slots.empty()) return false;
  return std::all_of(trace.layers.begin() + std::ptrdiff_t(stage), trace.layers.end(),
                     [](const Trace::Layer& layer) { return layer.residual; });
}

std::span<const double> Explanation::entries(std::size_t stage, std::size_t row,
                                             const Slot& slot) const {
  const std::vector<double>& stream = stage == 0 ? trace.embedded : trace.layers[stage - 1].stream;
  return std::span(stream).subspan(row * std::size_t(width()) + std::size_t(slot.begin),
                                   std::size_t(slot.width));
}

std::string Explanation::text(std::size_t stage, std::size_t row, const Slot& slot) const {
  const auto held = entries(stage, row, slot);
  return to_text(decode(slot, held), held);
}

std::vector<Slot> Explanation::changed(std::size_t stage) const {
  std::vector<Slot> out;
  if (!named(stage)) return out;
  const bool first = stage == 0 || !named(stage - 1);
  for (const Slot& slot : slots) {
    bool differs = false;
    for (std::size_t row = 0; row < trace.rows.size() && !differs; ++row) {
      const auto now = entries(stage, row, slot);
      differs = first ? std::any_of(now.begin(), now.end(), [](double a) { return a != 0; })
                      : !std::equal(now.begin(), now.end(), entries(stage - 1, row, slot).begin());
    }
    if (differs) out.push_back(slot);
  }
  return out;
}

std::span<const double> Explanation::attention(const Trace::Layer& layer, std::size_t row,
                                               Index head) const {
  const std::size_t T = tokens.size();
  return std::span(layer.attention)
      .subspan((row * std::size_t(layer.heads) + std::size_t(head)) * T, T);
}

Explanation explain(const ExplainSubject& subject, std::span<const Token> tokens,
                    std::vector<Index> rows) {
  const ModelSpec& spec = subject.weights.spec;
  check_slots(subject.slots, spec.d_model, "slots");
  Explanation e{.length = subject.length,
                .tokens = {tokens.begin(), tokens.end()},
                .spelled = {},
                .slots = subject.slots,
                .trace = {},
                .answers = {}};
  for (const Token token : tokens) e.spelled.push_back(subject.task.spell(token, subject.length));
  std::vector<Token> targets(tokens.size());
  subject.task.label(tokens, targets);
  e.n_asked = Index(targets.size()) - std::count(targets.begin(), targets.end(), kIgnore);
  if (tokens.size() <= kMostChecked) e.illegal = find_illegal(subject.task, subject.length, tokens);
  if (rows.empty()) rows = rows_to_show(targets);
  e.trace = trace(subject.weights, subject.blocks, tokens, rows);
  const auto C = std::size_t(spec.n_classes);
  for (std::size_t row = 0; row < rows.size(); ++row)
    e.answers.push_back(
        answer_of(std::span(e.trace.logits).subspan(row * C, C), targets[std::size_t(rows[row])]));
  return e;
}

Json to_json(const Explanation& e) {
  const std::size_t rows = e.trace.rows.size();
  Json slots = Json::array(), layers = Json::array(), logits = Json::array(),
       prediction = Json::array(), target = Json::array(), margin = Json::array();
  for (const Slot& slot : e.slots) slots.push_back(to_json(slot));
  for (std::size_t i = 0; i < e.trace.layers.size(); ++i) {
    const Trace::Layer& layer = e.trace.layers[i];
    layers.push_back({{"block", layer.block},
                      {"attention", attention_json(e, layer)},
                      {"slots", slots_json(e, i + 1)}});
  }
  const std::size_t C = e.trace.logits.size() / rows;
  for (std::size_t row = 0; row < rows; ++row) {
    Json line = Json::array();
    for (std::size_t c = 0; c < C; ++c) line.push_back(number_or_null(e.trace.logits[row * C + c]));
    logits.push_back(std::move(line));
    const Explanation::Answer& answer = e.answers[row];
    prediction.push_back(answer.prediction);
    target.push_back(answer.target == kIgnore ? Json(nullptr) : Json(answer.target));
    margin.push_back(answer.margin ? number_or_null(*answer.margin) : Json(nullptr));
  }
  return {{"length", e.length},       {"tokens", e.tokens},
          {"spelled", e.spelled},     {"positions", e.trace.rows},
          {"slots", slots},           {"embedding", {{"slots", slots_json(e, 0)}}},
          {"layers", layers},         {"logits", logits},
          {"prediction", prediction}, {"target", target},
          {"margin", margin}};
}

std::vector<Slot> slots_of(const ModelFile& file, const std::string& path) {
  std::vector<Slot> slots;
  if (!file.provenance.is_object() || !file.provenance.contains("slots")) return slots;
  for (const Json& slot : file.provenance.at("slots"))
    slots.push_back(read_slot(slot, path + ", slots/" + std::to_string(slots.size())));
  check_slots(slots, file.weights.spec.d_model, path);
  return slots;
}

}  // namespace separatrix
