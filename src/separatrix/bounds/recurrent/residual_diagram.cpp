#include "separatrix/bounds/recurrent/residual_diagram.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace separatrix {
namespace {

/// The level with its classes in the order in which `number` (old -> new, -1: not yet) of their
/// parents meets them; numbers the classes below in passing.
ResidualLevel in_order(const ResidualLevel& level, const std::vector<std::int32_t>& order,
                       std::vector<std::int32_t>& number_below,
                       std::vector<std::int32_t>& order_below) {
  ResidualLevel out;
  std::vector<std::int32_t> children;
  for (const std::int32_t c : order) {
    children.clear();
    for (const std::int32_t child : level.children(c)) {
      std::int32_t& number = number_below[std::size_t(child)];
      if (number < 0) {
        number = std::int32_t(order_below.size());
        order_below.push_back(child);
      }
      children.push_back(number);
    }
    out.append(level.target(c), out.menu_of(level.tokens(c)), children);
  }
  return out;
}

/// Shapes of a level from those one level down; empty when there is only one.
std::vector<std::int32_t> shapes_of(const ResidualLevel& level,
                                    const std::vector<std::int32_t>& below) {
  std::vector<std::int32_t> shapes, key;
  TupleTable known;
  const auto find = [&](Index c) {
    key.assign({std::int32_t(level.target(c) != kIgnore), level.menu(c)});
    if (!below.empty())
      for (const std::int32_t child : level.children(c)) key.push_back(below[std::size_t(child)]);
    return known.intern(key);
  };
  for (Index c = 0; c < level.n_classes(); ++c) {
    const std::int32_t shape = find(c);
    if (shape == 0 && shapes.empty()) continue;
    if (shapes.empty()) shapes.assign(std::size_t(c), 0);
    shapes.push_back(shape);
  }
  return shapes;
}

}  // namespace

std::int32_t ResidualLevel::child(Index c, Token token) const {
  const std::vector<Token>& menu = tokens(c);
  const auto at = std::lower_bound(menu.begin(), menu.end(), token);
  if (at == menu.end() || *at != token) return -1;
  return children(c)[std::size_t(at - menu.begin())];
}

std::int32_t ResidualLevel::menu_of(const std::vector<Token>& tokens) {
  if (last_menu_ >= 0 && menus_[std::size_t(last_menu_)] == tokens) return last_menu_;
  if (menus_.size() == 1) menu_numbers_.emplace(menus_[0], 0);
  const auto number = std::int32_t(menus_.size());
  if (!menus_.empty()) {
    const auto [at, fresh] = menu_numbers_.try_emplace(tokens, number);
    if (!fresh) return last_menu_ = at->second;
    menu_bytes_ += Index(tokens.size() * sizeof(Token)) + 64;
  }
  menus_.push_back(tokens);
  menu_bytes_ += Index(tokens.size() * sizeof(Token)) + 24;
  return last_menu_ = number;
}

std::span<const std::int32_t> ResidualLevel::tuple(Token target, std::int32_t menu,
                                                   std::span<const std::int32_t> children) {
  scratch_.assign({target, menu});
  scratch_.insert(scratch_.end(), children.begin(), children.end());
  return scratch_;
}

std::int32_t ResidualLevel::intern(Token target, std::int32_t menu,
                                   std::span<const std::int32_t> children) {
  return classes_.intern(tuple(target, menu, children));
}

void ResidualLevel::append(Token target, std::int32_t menu,
                           std::span<const std::int32_t> children) {
  classes_.append(tuple(target, menu, children));
}

void ResidualLevel::drop_index() {
  classes_.drop_index();
  menu_numbers_.clear();
}

std::vector<std::int32_t> absorb(ResidualLevel& into, const ResidualLevel& from,
                                 std::span<const std::int32_t> below) {
  std::vector<std::int32_t> numbers, children;
  numbers.reserve(std::size_t(from.n_classes()));
  for (Index c = 0; c < from.n_classes(); ++c) {
    children.clear();
    for (const std::int32_t child : from.children(c)) children.push_back(below[std::size_t(child)]);
    numbers.push_back(into.intern(from.target(c), into.menu_of(from.tokens(c)), children));
  }
  return numbers;
}

ResidualDiagram finish(std::vector<ResidualLevel> levels) {
  assert(!levels.empty() && levels[0].n_classes() == 1);
  ResidualDiagram out;
  std::vector<std::int32_t> order = {0};
  for (std::size_t t = 0; t < levels.size(); ++t) {
    const std::size_t n_below = t + 1 < levels.size() ? std::size_t(levels[t + 1].n_classes()) : 0;
    std::vector<std::int32_t> number_below(n_below, -1), order_below;
    order_below.reserve(n_below);
    levels[t].drop_index();
    out.levels.push_back(in_order(levels[t], order, number_below, order_below));
    out.levels.back().drop_index();
    levels[t] = {};
    order = std::move(order_below);
  }
  out.shapes.resize(out.levels.size());
  for (std::size_t t = out.levels.size(); t-- > 0;)
    out.shapes[t] = shapes_of(
        out.levels[t], t + 1 < out.levels.size() ? out.shapes[t + 1] : std::vector<std::int32_t>{});
  return out;
}

std::vector<std::vector<Token>> first_prefixes(const ResidualDiagram& diagram, Index level,
                                               std::span<const std::int32_t> classes) {
  // Classes are numbered by their first prefixes: the first edge met that leads to a class is the
  // last step of its first prefix.
  struct Step {
    std::int32_t parent = -1;
    Token token = 0;
  };
  std::vector<std::vector<Step>> steps(std::size_t(level + 1));
  for (Index t = 0; t < level; ++t) {
    const ResidualLevel& from = diagram.levels[std::size_t(t)];
    auto& to = steps[std::size_t(t + 1)];
    to.resize(std::size_t(diagram.levels[std::size_t(t + 1)].n_classes()));
    for (Index c = 0; c < from.n_classes(); ++c) {
      const auto children = from.children(c);
      for (std::size_t i = 0; i < children.size(); ++i)
        if (Step& step = to[std::size_t(children[i])]; step.parent < 0)
          step = {std::int32_t(c), from.tokens(c)[i]};
    }
  }
  std::vector<std::vector<Token>> out;
  for (std::int32_t c : classes) {
    std::vector<Token> prefix(std::size_t(level), 0);
    for (Index t = level; t > 0; --t) {
      const Step& step = steps[std::size_t(t)][std::size_t(c)];
      prefix[std::size_t(t - 1)] = step.token;
      c = step.parent;
    }
    out.push_back(std::move(prefix));
  }
  return out;
}

}  // namespace separatrix
