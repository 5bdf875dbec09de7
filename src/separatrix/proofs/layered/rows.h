#pragma once

#include <string>
#include <vector>

#include "separatrix/proofs/layered/cover.h"
#include "separatrix/proofs/layered/network.h"

namespace separatrix::layered {

/// The residual stream before the last attention, for every input at once: the row of a position is
/// what its window says plus what its position says.
struct Rows {
  std::vector<Index> class_of;   ///< [T]: positions with the same rows, address coordinates aside
  std::vector<int> kind;         ///< [class]
  std::vector<bool> is_address;  ///< [D]: depends on the position only, the same in all inputs
  Matrix address;                ///< [T, D]: those coordinates
  std::vector<Index> kept;       ///< the other coordinates that anything reads later
  std::vector<std::vector<Box>> view;  ///< [class][view][kept]
  /// [class][asker][kept], empty for classes that are not asked; [class][read-out][kept], empty for
  /// those of other kinds.
  std::vector<std::vector<Box>> asker, read_out;
  double worst_leak = 0;  ///< largest share that the first attention gives outside a window

  /// The whole row [D]; the address coordinates from `position`.
  Box whole(const Box& some, Index position, Index D) const {
    auto out = Box(static_cast<std::size_t>(D));
    for (std::size_t i = 0; i < kept.size(); ++i) out[std::size_t(kept[i])] = some[i];
    for (Index d = 0; d < D; ++d)
      if (is_address[std::size_t(d)]) out[std::size_t(d)] = FastInterval(address(position, d));
    return out;
  }
};

/// Certificate C: the first attention's scores depend on positions only, so its weights are
/// constants of the position: what stands in the window counts with its share, all else with the
/// rest as an interval; then the MLPs. nullopt with `why` when the weights are not of that kind.
std::optional<Rows> rows_of(const Network& net, const Cover& cover, const Numbers& numbers,
                            std::string& why);

}  // namespace separatrix::layered
