#pragma once

#include <optional>
#include <string>
#include <vector>

#include "separatrix/model/model_file.h"
#include "separatrix/nn/trace.h"
#include "separatrix/proofs/decode.h"

namespace separatrix {

/// A model and the task it is read as a solution of.
struct ExplainSubject {
  const Task& task;
  Index length = 0;
  const Weights& weights;
  const Registry<Block>& blocks;
  std::vector<Slot> slots;  ///< named coordinates; empty for a model that was trained
};

/// What a model does with one input, at the positions trace.rows.
struct Explanation {
  struct Answer {
    Token target = kIgnore;        ///< kIgnore: nothing is asked here
    Token prediction = 0;          ///< the class with the largest logit
    Token rival = kIgnore;         ///< the best of the other classes than target, if asked
    std::optional<double> margin;  ///< logit(target) - logit(rival), if there is a rival
  };
  /// How many keys of a row a reader is shown, and from how many tokens on not every row is.
  static constexpr Index kMostRows = 32, kMostKeys = 5;

  Index length = 0;
  std::vector<Token> tokens;
  std::vector<std::string> spelled;
  std::vector<Slot> slots;
  Trace trace;
  std::vector<Answer> answers;  ///< [rows]
  Index illegal = -1;           ///< where the tokens leave the task's instances; -1: nowhere
  Index n_asked = 0;            ///< positions where something is asked, shown or not

  Index width() const { return Index(trace.embedded.size() / trace.rows.size()); }
  /// Stage 0 is the embedding, stage i+1 the stream after layer i.
  std::size_t stages() const { return trace.layers.size() + 1; }
  /// Whether the slots name the coordinates of the stream there: a layer without a residual
  /// connection replaces what was before it.
  bool named(std::size_t stage) const;
  std::span<const double> entries(std::size_t stage, std::size_t row, const Slot& slot) const;
  /// The slot's text at that stage and row of trace.rows.
  std::string text(std::size_t stage, std::size_t row, const Slot& slot) const;
  /// The slots that the stage holds and that differ from the stage before it at some row; at the
  /// first named stage those that hold something.
  std::vector<Slot> changed(std::size_t stage) const;
  /// [T]: the weights of the average that a head of that layer forms at the row.
  std::span<const double> attention(const Trace::Layer& layer, std::size_t row, Index head) const;
};

/// `rows`: the positions to look at, ascending; empty: all of up to kMostRows tokens, else the last
/// kMostRows at which something is asked. Throws Error(spec) when a slot is outside the width.
Explanation explain(const ExplainSubject& subject, std::span<const Token> tokens,
                    std::vector<Index> rows = {});

/// {"length", "tokens", "spelled", "positions", "slots", "embedding": {"slots"}, "layers":
/// [{"block", "attention": [heads][positions][T], "slots": [positions][slots] or null}], "logits",
/// "prediction", "target", "margin": [positions]}; null where nothing is asked.
Json to_json(const Explanation& explanation);

/// The names that a construction gave to the coordinates; empty for other models. Throws
/// Error(spec).
std::vector<Slot> slots_of(const ModelFile& file, const std::string& path);

}  // namespace separatrix
