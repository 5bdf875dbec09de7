#pragma once

#include <vector>

#include "separatrix/kernels/kernels.h"
#include "separatrix/nn/buffer.h"
#include "separatrix/nn/model.h"
#include "separatrix/nn/program.h"
#include "separatrix/tasks/batch.h"

namespace separatrix {

/// A few sequences on their way through the model, and the memory they need. The rows that somebody
/// reads are found first, from the head down; everything else is computed on those rows only.
class Tile {
 public:
  /// Memory for training on up to `sequences` of T tokens, whatever is asked in them. Allocates
  /// only if more than ever before is needed.
  void reserve(const Program& program, Index sequences, Index T);

  /// Takes the part's sequences; false if nothing is asked in them.
  bool enter(const Program& program, const Batch& batch, const TrainingPart& part);
  /// After enter, instead of reserve: memory for a forward that no backward follows. Where few rows
  /// are asked it is much less: linear in T.
  void reserve_forward(const Program& program);

  /// Logits at the asked rows. w: all parameters.
  void forward(const Program& program, const float* w);
  std::span<const float> logits() const { return {logits_, std::size_t(n_asked() * n_classes_)}; }

  /// Sum of the cross-entropies in nats; the logits become scale times its gradient.
  double loss(float scale);
  /// dw += gradient of what loss() returned times its scale. After forward and loss.
  void backward(const Program& program, const float* w, float* dw);

 private:
  /// What enters layer i (or, at the end, the head).
  struct Stage {
    float *x = nullptr, *normed = nullptr;  ///< [B, T, D]; the same where the model has no norms
    float* stats = nullptr;                 ///< [B, T, 2]
    float* cache = nullptr;                 ///< the block's own
    Index cache_size = 0;
    Live live;  ///< rows of x that somebody reads
    std::vector<Index> storage;
  };

  /// How the arena is divided, beside the stages' caches; sizes in floats.
  struct Sizes {
    Index rows = 0, asked = 0, scratch = 0;
    bool kept = true;  ///< gradients, too
  };
  void lay_out(const Program& program, const Sizes& sizes);

  /// x[rows, D] *= the dropout factors of the embedding.
  void drop_embedding(float* x) const;
  Slots slots(std::size_t layer) const;
  void normalize(const Program& program, Stage& stage, const float* gain) const;
  void forward_layer(const Program& program, std::size_t i, const float* w);
  void forward_head(const Program& program, const float* w);
  void backward_head(const Program& program, const float* w, float* dw);
  void backward_layer(const Program& program, std::size_t i, const float* w, float* dw);
  void backward_norm(const Program& program, const Stage& stage, const float* gain, float* dgain);

  Index n_asked() const { return Index(targets_.size()); }
  Rows rows(Live live) const {
    return {live.count(shape_), live.all() ? nullptr : live.rows.data()};
  }

  Shape shape_;
  Index first_sequence_ = 0;  ///< in the batch
  ModelDropout dropout_;
  Index n_classes_ = 0;
  Embedding input_;
  std::vector<Index> asked_;
  std::vector<Token> targets_;  ///< at the asked rows
  Buffer arena_;
  bool kept_ = true;                               ///< a backward may follow
  std::vector<Stage> stages_;                      ///< one per layer, and the head's
  float* scratch_ = nullptr;                       ///< the largest any block wants
  float *features_ = nullptr, *logits_ = nullptr;  ///< of the asked rows only
  float *dx_ = nullptr, *dnormed_ = nullptr;       ///< gradients of one stage, [B, T, D]
};

}  // namespace separatrix
