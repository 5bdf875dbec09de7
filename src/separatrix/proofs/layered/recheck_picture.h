#pragma once

#include <functional>
#include <string>
#include <vector>

#include <gmpxx.h>

#include "separatrix/proofs/certificate.h"

// What the inputs of a task look like, for recheck_layered; written from docs/tasks.md.

namespace separatrix::relayer {

/// The tokens at the places that a position looks at, its own first.
using Look = std::vector<Token>;

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
  Token answer = 0;
  Allows before = {}, there = {}, after = {};
  Index at = -1;  ///< `one`: it stands just there; -1: anywhere up to the asked position
  Index count = 0;
};

struct Picture {
  std::vector<int> role = {};                   ///< [T]
  std::vector<std::vector<Index>> looks = {};   ///< [T]: places, its own first
  std::vector<std::vector<Look>> options = {};  ///< [role]
  std::vector<Index> asked = {};                ///< ascending
  /// How an asked position looks; questions with the same asker stand together.
  std::vector<std::function<bool(const Look&)>> askers = {};
  std::vector<Question> questions = {};
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
