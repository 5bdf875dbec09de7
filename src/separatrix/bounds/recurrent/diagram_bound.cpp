#include "separatrix/bounds/recurrent/diagram_bound.h"

#include <algorithm>
#include <map>

#include "separatrix/bounds/recurrent/distinguish.h"
#include "separatrix/bounds/recurrent/prefixes_and_suffixes.h"
#include "separatrix/bounds/recurrent/pulse.h"

namespace separatrix {
namespace {

using Classes = std::vector<std::int32_t>;

/// Reads suffixes from many classes of a level at once; classes that meet go on as one.
class Reader {
 public:
  Reader(const ResidualDiagram& diagram, Index level) : diagram_(diagram), level_(level) {
    Index most = 0;
    for (const ResidualLevel& l : diagram.levels) most = std::max(most, l.n_classes());
    place_.assign(std::size_t(most), -1);
  }
  /// The target at the last token of the suffix, for each start; kIgnore where it is not legal.
  std::vector<Token> targets(const Classes& starts, const std::vector<Token>& suffix) {
    Classes at = starts;                                // different classes still read from
    std::vector<std::int32_t> of_start(starts.size());  // index into at, or -1
    for (std::size_t i = 0; i < starts.size(); ++i) of_start[i] = std::int32_t(i);
    Index t = level_;
    for (const Token token : suffix) {
      const ResidualLevel& level = diagram_.levels[std::size_t(t++)];
      Classes next;
      std::vector<std::int32_t> moved(at.size());
      std::int32_t menu = -1;
      std::ptrdiff_t place = -1;  // of the token in the menu; -1: not in it
      for (std::size_t i = 0; i < at.size(); ++i) {
        if (level.menu(at[i]) != menu) {
          menu = level.menu(at[i]);
          const std::vector<Token>& tokens = level.menu_tokens(menu);
          const auto found = std::lower_bound(tokens.begin(), tokens.end(), token);
          place = found == tokens.end() || *found != token ? -1 : found - tokens.begin();
        }
        const std::int32_t child = place < 0 ? -1 : level.children(at[i])[std::size_t(place)];
        if (child >= 0 && place_[std::size_t(child)] < 0) {
          place_[std::size_t(child)] = std::int32_t(next.size());
          next.push_back(child);
        }
        moved[i] = child < 0 ? -1 : place_[std::size_t(child)];
      }
      for (const std::int32_t c : next) place_[std::size_t(c)] = -1;
      if (next.size() < at.size())  // some met: the starts must be told
        for (std::int32_t& i : of_start) i = i < 0 ? -1 : moved[std::size_t(i)];
      at.swap(next);
    }
    std::vector<Token> out(starts.size(), kIgnore);
    for (std::size_t i = 0; i < starts.size(); ++i)
      if (of_start[i] >= 0)
        out[i] = diagram_.levels[std::size_t(t)].target(at[std::size_t(of_start[i])]);
    return out;
  }

 private:
  const ResidualDiagram& diagram_;
  Index level_;
  std::vector<std::int32_t> place_;
};

/// Suffixes that tell every two classes of a total level apart: a suffix for two classes of a group
/// that is still together splits all groups, until every class is alone.
std::vector<std::vector<Token>> split_all(const ResidualDiagram& diagram, Index level,
                                          Classes classes, const Pulse& pulse) {
  Distinguisher distinguisher(diagram, 0);
  Reader reader(diagram, level);
  std::vector<std::vector<Token>> suffixes;
  std::vector<std::int32_t> group(classes.size(), 0);  // of each class; those alone are dropped
  while (classes.size() > 1) {
    pulse.check_stop();
    const auto same = std::find(group.begin() + 1, group.end(), group[0]) - group.begin();
    suffixes.push_back(*distinguisher.suffix(level, classes[0], classes[std::size_t(same)]));
    const std::vector<Token> targets = reader.targets(classes, suffixes.back());
    std::map<std::pair<std::int32_t, Token>, std::pair<std::int32_t, Index>> parts;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      auto& part =
          parts.try_emplace({group[i], targets[i]}, std::int32_t(parts.size()), 0).first->second;
      group[i] = part.first;
      ++part.second;
    }
    std::vector<Index> sizes(parts.size());
    for (const auto& [key, part] : parts) sizes[std::size_t(part.first)] = part.second;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < classes.size(); ++i)
      if (sizes[std::size_t(group[i])] > 1) {
        classes[kept] = classes[i];
        group[kept++] = group[i];
      }
    classes.resize(kept);
    group.resize(kept);
  }
  return suffixes;
}

/// The same where the level is not total: a pair is told apart only by a suffix after which both
/// are asked, so pairs are kept, as rows of bits.
std::vector<std::vector<Token>> tell_pairs_apart(const ResidualDiagram& diagram, Index level,
                                                 const Classes& classes, const Pulse& pulse) {
  const std::size_t n = classes.size(), words = (n + 63) / 64;
  Distinguisher distinguisher(diagram, Index{1} << 26);
  Reader reader(diagram, level);
  std::vector<std::uint64_t> apart(n * words, 0);
  std::vector<std::vector<Token>> suffixes;
  const auto use = [&](const std::vector<Token>& suffix) {
    const std::vector<Token> targets = reader.targets(classes, suffix);
    std::map<Token, std::vector<std::uint64_t>> with;
    std::vector<std::uint64_t> asked(words, 0);
    for (std::size_t i = 0; i < n; ++i) {
      if (targets[i] == kIgnore) continue;
      const std::uint64_t bit = std::uint64_t{1} << (i % 64);
      asked[i / 64] |= bit;
      with.try_emplace(targets[i], words, 0).first->second[i / 64] |= bit;
    }
    for (std::size_t i = 0; i < n; ++i) {
      if (targets[i] == kIgnore) continue;
      const std::vector<std::uint64_t>& same = with.at(targets[i]);
      for (std::size_t w = 0; w < words; ++w) apart[i * words + w] |= asked[w] & ~same[w];
    }
    suffixes.push_back(suffix);
  };
  for (std::size_t i = 0; i < n; ++i) {
    pulse.check_stop();
    for (std::size_t j = 0; j < i; ++j)
      if ((apart[i * words + j / 64] >> (j % 64) & 1) == 0)
        if (const auto suffix = distinguisher.suffix(level, classes[j], classes[i])) use(*suffix);
  }
  return suffixes;
}

/// All classes when they fit, otherwise an even choice.
Json find_witness(const BoundRequest& request, const ResidualDiagram& diagram, Index level) {
  const Pulse pulse(request);
  Classes classes = distinguishable_classes(diagram, level);
  const Index n = Index(classes.size());
  const WitnessSize size = prefixes_size(diagram.n_tokens());
  if (n > size.complete) {
    Classes some;
    const Index kept = size.selected;
    for (Index i = 0; i < kept; ++i) some.push_back(classes[std::size_t(i * n / kept)]);
    classes = some;
  }
  const auto suffixes = diagram.is_total(level) ? split_all(diagram, level, classes, pulse)
                                                : tell_pairs_apart(diagram, level, classes, pulse);
  return {{"kind", kPrefixesKind},
          {"prefixes", first_prefixes(diagram, level, classes)},
          {"suffixes", suffixes}};
}

}  // namespace

std::vector<CutCount> count_cuts(const ResidualDiagram& diagram) {
  std::vector<CutCount> cuts;
  for (Index t = 0; t <= diagram.n_tokens(); ++t) {
    const bool total = diagram.is_total(t);
    const Index n = total ? diagram.levels[std::size_t(t)].n_classes()
                          : Index(distinguishable_classes(diagram, t).size());
    cuts.push_back({t, mpz_class(long(n)), total});
  }
  return cuts;
}

Bound diagram_bound(const BoundRequest& request, const std::string& method,
                    const ResidualDiagram& diagram) {
  std::vector<CutCount> cuts = count_cuts(diagram);
  const CutCount worst =
      *std::max_element(cuts.begin(), cuts.end(),
                        [](const CutCount& a, const CutCount& b) { return a.count < b.count; });
  const bool exact = std::all_of(cuts.begin(), cuts.end(), [](const auto& c) { return c.exact; });
  return {.method = method,
          .theorem = "nerode1958 thm 2, per length (docs/theory.md, Recurrent state)",
          .resource = Resource::recurrent_state_bits,
          .length = request.length,
          .split = worst.split,
          .count = worst.count,
          .exact = exact,
          .cuts = std::move(cuts),
          .witness = find_witness(request, diagram, worst.split)};
}

}  // namespace separatrix
