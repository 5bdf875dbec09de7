#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "separatrix/proofs/certificate.h"

namespace separatrix::layered {

/// The tokens first .. last, of which any may stand somewhere.
struct Tokens {
  Token first = 0, last = 0;
  bool contains(Token t) const { return first <= t && t <= last; }
  bool meets(const Tokens& other) const { return first <= other.last && other.first <= last; }
  bool operator==(const Tokens& other) const = default;
  bool operator<(const Tokens& other) const {
    return first != other.first ? first < other.first : last < other.last;
  }
};
/// What stands at the window's positions, the position's own first.
using View = std::vector<Tokens>;

/// Positions that look alike: what may stand in their window. Every window has just one view, and
/// at each place the ranges of two views are equal or have nothing in common.
struct Kind {
  std::vector<View> views;
};

/// Where a target of that kind has such a window, the answer is this.
struct ReadOut {
  Token answer = 0;
  int kind = 0;
  View view = {};
};

/// For each kind and view, whether it may stand there.
using Mask = std::vector<std::vector<std::uint8_t>>;

/// A set of inputs with the same answer, as free choices: each position takes any view that its
/// mask allows, independently. More inputs than the task has may be allowed, never fewer.
struct Case {
  enum class Shape {
    none,     ///< all positions within `before`
    target,   ///< one position within `target`, all before it in `before`, all after in `after`
    counted,  ///< the weights of the views at all positions sum to `count`; asked at one position
  };
  /// As an answer: what the read-outs say of the target. So one case stands for many answers, where
  /// what is found does not depend on what is kept there.
  static constexpr Token kThere = -1;
  Shape shape = Shape::none;
  std::size_t asked = 0;  ///< index into Cover::asked
  std::size_t asker = 0;  ///< index into Cover::askers
  Token answer = 0;
  /// Indices into Cover::masks; `target` before the asked position or at it.
  std::size_t before = 0, target = 0, after = 0;
  std::optional<Index> at = {};  ///< the target stands just there; otherwise anywhere
  Index count = 0;
};

/// What every input of a task at one length looks like from each position's window, and cases that
/// together contain every input. Written from the task's definition, and compared with Task::label
/// (disagreement).
struct Cover {
  std::vector<int> kind;                   ///< [T]
  std::vector<std::vector<Index>> window;  ///< [T]: own position first
  std::vector<Kind> kinds;
  std::vector<Mask> masks;
  std::vector<std::vector<Index>> asked;  ///< positions at which something is asked, ascending
  std::vector<View> askers;               ///< what their windows hold
  std::vector<ReadOut> read_outs;
  std::vector<std::vector<Index>> weights;  ///< [kind][view], for counted cases
  std::vector<Case> cases;
  std::string inputs;  ///< decimal: how many instances there are
  Index n_tokens() const { return Index(kind.size()); }
};

/// The covers by which a task can be looked at, the most promising first; empty with `why` when the
/// task is none of those known here or would need too many views or cases.
std::vector<Cover> covers_of(const Claim& claim, std::string& why);

/// Inputs on which a cover is compared with Task::label: all if there are at most 2^12, else 64.
bool compares_all(const Cover& cover);
/// Empty, or what is wrong on one of these inputs, in words.
std::string disagreement(const Cover& cover, const Task& task, Index length);

}  // namespace separatrix::layered
