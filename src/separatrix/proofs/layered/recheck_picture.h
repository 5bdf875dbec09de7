#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gmpxx.h>

#include "separatrix/proofs/certificate.h"

// What the inputs of a task look like, for recheck_layered; written from docs/tasks.md.

namespace separatrix::relayer {

/// A token between two, both included.
struct Symbol {
  Token least = 0, most = 0;
  static Symbol just(Index token) { return {Token(token), Token(token)}; }
  /// One of n tokens from `first` on.
  static Symbol some(Index first, Index n) { return {Token(first), Token(first + n - 1)}; }
  bool is(Index token) const { return least == Token(token) && most == Token(token); }
  bool overlaps(const Symbol& other) const { return least <= other.most && other.least <= most; }
};
/// What stands at the places that a position looks at, its own first.
using Look = std::vector<Symbol>;
bool overlap(const Look& a, const Look& b);

/// The inputs with one answer for one reason. Every position may look as its predicate allows,
/// freely; so these are all inputs with that reason, and perhaps sequences that are no inputs.
struct Question {
  enum class Shape {
    all,    ///< every position satisfies `before`
    one,    ///< one position satisfies `there`, those before it `before`, those after it `after`
    count,  ///< the weights of all positions add up to `count`
  };
  using Allows = std::function<bool(int role, const Look& look)>;
  Shape shape = Shape::all;
  std::size_t asker = 0;  ///< index into Picture::askers
  bool kept = false;      ///< the answer is what the one position keeps (Picture::kept)
  Token answer = 0;
  Allows before = {}, there = {}, after = {};
  Index at = -1;  ///< `one`: it stands just there; -1: anywhere up to the asked position
  Index count = 0;
};

/// A position of that role that looks so keeps this answer.
struct Kept {
  Token answer = 0;
  int role = 0;
  Look look = {};
};

struct Picture {
  std::vector<int> role = {};                   ///< [T]
  std::vector<std::vector<Index>> looks = {};   ///< [T]: places, its own first
  std::vector<std::vector<Look>> options = {};  ///< [role]
  std::vector<Index> asked = {};                ///< ascending
  /// How an asked position looks; questions with the same asker stand together.
  std::vector<Look> askers = {};
  std::vector<Question> questions = {};
  std::vector<Kept> kept = {};
  std::function<Index(int role, const Look&)> weight = {};
  /// The question to which an input belongs at an asked position, and the place (or -1); question
  /// -1: nothing is asked.
  struct Found {
    Index question = -1, place = -1;
  };
  std::function<Found(std::span<const Token>, Index asked)> find = {};
  mpz_class inputs = 0;
  Index n_tokens() const { return Index(role.size()); }
};

/// The ways to look at a task's inputs; none with `why` for an unknown task.
std::vector<Picture> pictures_of(const Claim& claim, std::string& why);

/// Empty, or an input where Task::label disagrees: all inputs if there are few, else drawn ones.
std::string compare_with_labels(const Picture& picture, const Task& task, Index length);

}  // namespace separatrix::relayer
