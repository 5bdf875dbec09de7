#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "separatrix/bounds/recurrent/tuple_table.h"
#include "separatrix/tasks/task.h"

namespace separatrix {

/// Classes of the prefixes of one length: what remains to be said after each. A class is the tuple
/// (target at the last token read, menu, class of the longer prefix for each token of the menu).
class ResidualLevel {
 public:
  Index n_classes() const { return classes_.size(); }
  Token target(Index c) const { return classes_[c][0]; }
  std::int32_t menu(Index c) const { return classes_[c][1]; }
  /// The tokens that may follow, ascending.
  const std::vector<Token>& tokens(Index c) const { return menus_[std::size_t(menu(c))]; }
  /// [tokens(c).size()]: classes one level down.
  std::span<const std::int32_t> children(Index c) const { return classes_[c].subspan(2); }
  /// The class after `token`, or -1 when it may not follow.
  std::int32_t child(Index c, Token token) const;

  const std::vector<Token>& menu_tokens(std::int32_t menu) const {
    return menus_[std::size_t(menu)];
  }
  /// The number of this set of tokens; few different ones are expected.
  std::int32_t menu_of(const std::vector<Token>& tokens);
  /// The number of the class (target, menu, children). `append` does not look for an equal one.
  std::int32_t intern(Token target, std::int32_t menu, std::span<const std::int32_t> children);
  void append(Token target, std::int32_t menu, std::span<const std::int32_t> children);
  void drop_index();
  Index bytes() const { return classes_.bytes() + menu_bytes_; }

 private:
  std::span<const std::int32_t> tuple(Token target, std::int32_t menu,
                                      std::span<const std::int32_t> children);

  std::vector<std::vector<Token>> menus_;
  std::map<std::vector<Token>, std::int32_t> menu_numbers_;  ///< only while several are known
  std::int32_t last_menu_ = -1;
  Index menu_bytes_ = 0;
  TupleTable classes_;
  std::vector<std::int32_t> scratch_;
};

/// The residual functions of all prefixes of the instances of one length, a level per number of
/// tokens read. Level 0 is the empty prefix. docs/theory.md, "Recurrent state".
struct ResidualDiagram {
  std::vector<ResidualLevel> levels;  ///< [n_tokens + 1]
  /// Per level, per class: the number of its shape, which is what may follow and where it is asked.
  /// Two different classes of one shape are distinguishable. Empty: all have one shape.
  std::vector<std::vector<std::int32_t>> shapes;

  Index n_tokens() const { return Index(levels.size()) - 1; }
  /// Every prefix of this many tokens may be followed by the same suffixes and is asked at the same
  /// places: then the classes are the states that are needed, exactly.
  bool is_total(Index level) const { return shapes[std::size_t(level)].empty(); }
  bool same_shape(Index level, Index a, Index b) const {
    const auto& shape = shapes[std::size_t(level)];
    return shape.empty() || shape[std::size_t(a)] == shape[std::size_t(b)];
  }
};

/// Adds the classes of `from` (whose children are numbers that `below` maps) to `into` and returns
/// their numbers there.
std::vector<std::int32_t> absorb(ResidualLevel& into, const ResidualLevel& from,
                                 std::span<const std::int32_t> below);

/// Numbers the classes of every level by their first prefix in lexicographic order, so that the
/// diagram does not depend on the order in which it was built; finds the shapes.
ResidualDiagram finish(std::vector<ResidualLevel> levels);

/// The first prefix, in lexicographic order, of each of these classes of a level.
std::vector<std::vector<Token>> first_prefixes(const ResidualDiagram& diagram, Index level,
                                               std::span<const std::int32_t> classes);

}  // namespace separatrix
