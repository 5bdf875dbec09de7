#include "separatrix/bounds/recurrent/rows.h"

#include <algorithm>
#include <set>
#include <utility>

#include "separatrix/base/error.h"

namespace separatrix {
namespace {

constexpr Index kMaxInstances = Index{1} << 24, kMaxTokensInAll = Index{1} << 30;

/// 128 bits of a sequence. Two sequences with one digest could only make a count smaller.
class Digest {
 public:
  void add(std::int32_t word) {
    a_ = (a_ ^ std::uint32_t(word)) * 0xff51afd7ed558ccd;
    a_ ^= a_ >> 32;
    b_ = (b_ + std::uint32_t(word)) * 0x9fb21c651e98df25;
    b_ ^= b_ >> 29;
  }
  std::pair<std::uint64_t, std::uint64_t> take() {
    const std::pair out(a_, b_);
    *this = {};
    return out;
  }

 private:
  std::uint64_t a_ = 0x9e3779b97f4a7c15, b_ = 0xc4ceb9fe1a85ec53;
};

}  // namespace

std::optional<Rows> count_rows(const BoundRequest& request, Index split) {
  const Task& task = request.task;
  const Index n_tokens = task.info(request.length).n_tokens;
  const Index most = std::min(kMaxInstances, kMaxTokensInAll / n_tokens);
  double on_one_path = 1;  // far too many: do not even begin
  std::vector<Token> current, targets(std::size_t(n_tokens), 0);
  while (Index(current.size()) < n_tokens && on_one_path <= 1024 * double(most)) {
    const std::vector<Token> next = task.legal_next(current, request.length);
    on_one_path *= double(next.size());
    current.push_back(next[next.size() / 2]);
  }
  if (on_one_path > 1024 * double(most)) return std::nullopt;

  std::set<std::pair<std::uint64_t, std::uint64_t>> rows, shapes;
  Digest row, shape;
  Index instances = 0;
  const auto cut = std::ptrdiff_t(split), from = std::max<std::ptrdiff_t>(cut - 1, 0);
  const auto finish_row = [&] {
    rows.insert(row.take());
    shapes.insert(shape.take());
  };
  const bool few = for_each_instance(task, request.length, [&](std::span<const Token> tokens) {
    if (++instances > most) return false;
    if (instances % 1024 == 0 && request.stop && *request.stop)
      throw Error(ErrorKind::io, "stopped", request.task_name);
    if (instances > 1 && !std::equal(tokens.begin(), tokens.begin() + cut, current.begin()))
      finish_row();
    current.assign(tokens.begin(), tokens.begin() + cut);
    task.label(tokens, targets);
    for (auto t = std::size_t(cut); t < tokens.size(); ++t) {
      row.add(tokens[t]);
      shape.add(tokens[t]);
    }
    for (auto t = std::size_t(from); t < tokens.size(); ++t) {
      row.add(targets[t]);
      shape.add(targets[t] == kIgnore ? 0 : 1);
    }
    return true;
  });
  if (!few) return std::nullopt;
  finish_row();
  return Rows{Index(rows.size()), shapes.size() == 1};
}

}  // namespace separatrix
