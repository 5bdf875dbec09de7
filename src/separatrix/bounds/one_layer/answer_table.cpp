#include "separatrix/bounds/one_layer/answer_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <map>

#include "separatrix/bounds/one_layer/communication.h"

namespace separatrix::one_layer {
namespace {

std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}
std::uint64_t hash_entry(std::uint64_t code, Token answer) {
  return mixed(mixed(code + 0x9e3779b97f4a7c15) ^ (std::uint64_t(std::uint32_t(answer)) << 17));
}

/// Sums per key, in one open table.
class Sums {
 public:
  explicit Sums(std::size_t n) : slots_(std::bit_ceil(2 * n + 2)) {}
  void add(std::uint64_t key, std::uint64_t value) {
    std::size_t at = mixed(key) & (slots_.size() - 1);
    while (slots_[at].used && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    slots_[at].used = true;
    slots_[at].key = key;
    slots_[at].sum += value;
  }
  /// (sum, key) of every key met.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all() const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    for (const Slot& slot : slots_)
      if (slot.used) out.emplace_back(slot.sum, slot.key);
    return out;
  }

 private:
  struct Slot {
    std::uint64_t key = 0, sum = 0;
    bool used = false;
  };
  std::vector<Slot> slots_;
};

/// Counts how many combinations of the symbols under `mask` there are, up to 2^63.
double combinations(const AnswerTable& table, std::uint64_t mask) {
  double out = 1;
  for (std::size_t t = 0; t < table.masks.size(); ++t)
    if (table.masks[t] != 0 && (table.masks[t] & mask) != 0) out *= double(table.symbols[t].size());
  return out;
}

/// The smallest combination of symbols under `mask` that is not in the sorted list.
std::uint64_t first_missing(const AnswerTable& table, std::uint64_t mask,
                            const std::vector<std::uint64_t>& present) {
  std::vector<std::size_t> places;
  for (std::size_t t = 0; t < table.masks.size(); ++t)
    if (table.masks[t] != 0 && (table.masks[t] & mask) != 0) places.push_back(t);
  std::vector<std::size_t> digits(places.size(), 0);
  for (;;) {
    std::uint64_t code = 0;
    for (std::size_t i = 0; i < places.size(); ++i)
      code |= std::uint64_t(digits[i]) << std::countr_zero(table.masks[places[i]]);
    if (!std::binary_search(present.begin(), present.end(), code)) return code;
    std::size_t i = places.size();
    while (i-- > 0 && ++digits[i] == table.symbols[places[i]].size()) digits[i] = 0;
    assert(i < places.size());
  }
}

}  // namespace

std::uint64_t AnswerTable::mask(std::span<const Index> positions) const {
  std::uint64_t out = 0;
  for (const Index t : positions) out |= masks[std::size_t(t)];
  return out;
}

std::vector<Index> AnswerTable::free_positions() const {
  std::vector<Index> out;
  for (Index t = 0; t < Index(masks.size()); ++t)
    if (masks[std::size_t(t)] != 0) out.push_back(t);
  return out;
}

std::vector<Token> AnswerTable::decode(std::uint64_t code, std::span<const Index> positions) const {
  std::vector<Token> out;
  for (const Index t : positions) {
    const std::uint64_t m = masks[std::size_t(t)];
    const std::size_t digit = m == 0 ? 0 : std::size_t((code & m) >> std::countr_zero(m));
    out.push_back(symbols[std::size_t(t)][digit]);
  }
  return out;
}

namespace {

/// What the first walk over all inputs finds out about those with one token at the asked position.
struct Survey {
  Index n_instances = 0;
  std::vector<bool> met;           ///< [position, token]
  std::map<Token, Index> answers;  ///< of every 61st input
};

/// Bits of the code per position; false when 64 do not do.
bool lay_out(AnswerTable& table, const Survey& survey, Index vocab) {
  const Index n_tokens = Index(survey.met.size()) / vocab;
  int used = 0;
  double product = 1;
  for (Index t = 0; t < n_tokens; ++t) {
    std::vector<Token> symbols;
    for (Token token = 0; token < vocab; ++token)
      if (survey.met[std::size_t(t * vocab + token)]) symbols.push_back(token);
    const int bits = int(std::bit_width(symbols.size() - 1));
    if (used + bits > 64) return false;
    table.masks.push_back(bits == 0 ? 0 : (~std::uint64_t{0} >> (64 - bits)) << used);
    used += bits;
    product *= double(symbols.size());
    table.symbols.push_back(std::move(symbols));
  }
  table.n_instances = survey.n_instances;
  table.total = product == double(survey.n_instances);
  table.common = std::max_element(survey.answers.begin(), survey.answers.end(), [](auto a, auto b) {
                   return a.second < b.second;
                 })->first;
  return true;
}

/// What each token at each position adds to the code, [position, token].
std::vector<std::uint64_t> code_parts(const AnswerTable& table, Index vocab) {
  std::vector<std::uint64_t> out(table.symbols.size() * std::size_t(vocab), 0);
  for (std::size_t t = 0; t < table.symbols.size(); ++t)
    for (std::size_t digit = 0; digit < table.symbols[t].size() && table.masks[t] != 0; ++digit)
      out[t * std::size_t(vocab) + std::size_t(table.symbols[t][digit])] =
          std::uint64_t(digit) << std::countr_zero(table.masks[t]);
  return out;
}

/// A table that is filled in the second walk.
struct Filling {
  AnswerTable table;
  std::vector<std::uint64_t> parts;
};

/// The second walk. False: some table was taken for total, and is not.
bool fill(const BoundRequest& request, std::map<Token, Filling>& fillings) {
  const TaskInfo info = request.task.info(request.length);
  std::vector<Token> targets(std::size_t(info.n_tokens));
  const std::size_t asked = std::size_t(fillings.begin()->second.table.asked);
  Index n = 0;
  bool good = true;
  for_each_instance(request.task, request.length, [&](auto tokens) {
    if (++n % 4096 == 0) throw_if_stopped(request);
    const auto it = fillings.find(tokens[asked]);
    if (it == fillings.end()) return true;
    auto& [table, parts] = it->second;
    request.task.label(tokens, targets);
    const Token answer = targets[asked];
    if (table.total && answer == kIgnore) return good = table.total = false;
    if (answer == (table.total ? table.common : kIgnore)) return true;
    std::uint64_t code = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t)
      code |= parts[t * std::size_t(info.vocab_size) + std::size_t(tokens[t])];
    table.entries.push_back({code, answer});
    return true;
  });
  return good;
}

}  // namespace

std::vector<AnswerTable> tabulate(const BoundRequest& request, Index asked, Index max_instances,
                                  Index max_last) {
  constexpr Index kMaxSymbols = Index{1} << 24, kMaxPartial = Index{1} << 20;
  const TaskInfo info = request.task.info(request.length);
  if (info.n_tokens * info.vocab_size > kMaxSymbols) return {};
  std::map<Token, Survey> surveys;
  std::vector<Token> targets(std::size_t(info.n_tokens));
  Index n = 0;
  const bool fits = for_each_instance(request.task, request.length, [&](auto tokens) {
    if (++n > max_instances) return false;
    if (n % 4096 == 0) throw_if_stopped(request);
    const Token last = tokens[std::size_t(asked)];
    auto it = surveys.find(last);
    if (it == surveys.end()) {
      if (Index(surveys.size()) == max_last) return true;
      it = surveys.try_emplace(last).first;
      it->second.met.resize(std::size_t(info.n_tokens * info.vocab_size), false);
    }
    Survey& survey = it->second;
    for (std::size_t t = 0; t < tokens.size(); ++t)
      survey.met[t * std::size_t(info.vocab_size) + std::size_t(tokens[t])] = true;
    if (survey.n_instances++ % 61 != 0) return true;
    request.task.label(tokens, targets);
    ++survey.answers[targets[std::size_t(asked)]];
    return true;
  });
  if (!fits) return {};
  std::map<Token, Filling> fillings;
  for (const auto& [last, survey] : surveys) {
    Filling& filling = fillings[last];
    filling.table.asked = asked;
    filling.table.last = last;
    if (!lay_out(filling.table, survey, info.vocab_size)) return {};
    if (!filling.table.total && survey.n_instances > kMaxPartial) return {};
    filling.parts = code_parts(filling.table, info.vocab_size);
  }
  while (!fill(request, fillings))
    for (auto& [last, filling] : fillings) filling.table.entries.clear();
  std::vector<AnswerTable> out;
  for (auto& [last, filling] : fillings)
    if (!filling.table.entries.empty() || filling.table.total)
      out.push_back(std::move(filling.table));
  return out;
}

RowClasses row_classes(const AnswerTable& table, std::uint64_t alice, bool representatives) {
  Sums sums(table.entries.size());
  for (const AnswerTable::Entry& entry : table.entries)
    sums.add(entry.code & alice, hash_entry(entry.code & ~alice, entry.answer));
  std::vector<std::pair<std::uint64_t, std::uint64_t>> rows = sums.all();
  std::sort(rows.begin(), rows.end());
  const bool plain = table.total && double(rows.size()) < combinations(table, alice);
  std::vector<std::uint64_t> present;
  if (plain && representatives) {
    for (const auto& [sum, key] : rows) present.push_back(key);
    std::sort(present.begin(), present.end());
  }
  RowClasses out;
  std::uint64_t previous = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0 && rows[i].first == previous) continue;
    previous = rows[i].first;
    ++out.count;
    if (representatives) out.representatives.push_back(rows[i].second);
  }
  if (plain) {  // the row in which every answer is the common one
    ++out.count;
    if (representatives) out.representatives.push_back(first_missing(table, alice, present));
  }
  std::sort(out.representatives.begin(), out.representatives.end());
  return out;
}

Index pairwise_different_rows(const AnswerTable& table, std::uint64_t alice, Index max_rows) {
  using Row = std::vector<std::pair<std::uint64_t, Token>>;  // Bob's code, answer
  std::map<std::uint64_t, Row> rows;
  for (const AnswerTable::Entry& entry : table.entries)
    rows[entry.code & alice].emplace_back(entry.code & ~alice, entry.answer);
  const auto differ = [](const Row& a, const Row& b) {
    for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
      if (i->first == j->first && i->second != j->second) return true;
      const bool step_a = i->first <= j->first, step_b = j->first <= i->first;
      if (step_a) ++i;
      if (step_b) ++j;
    }
    return false;
  };
  std::vector<const Row*> kept;
  Index seen = 0;
  for (auto& entry : rows) {
    Row& row = entry.second;
    if (++seen > max_rows) break;
    std::sort(row.begin(), row.end());
    if (std::all_of(kept.begin(), kept.end(), [&](const Row* k) { return differ(*k, row); }))
      kept.push_back(&row);
  }
  return Index(kept.size());
}

}  // namespace separatrix::one_layer
