#include "separatrix/bounds/closed_forms/rules/rule.h"

namespace separatrix {
namespace {

/// Points 0, 1, .. with any labels; whatever comes later is point 0 again, which changes nothing as
/// the earliest of equally near points counts.
class NearestNeighborRule final : public Rule {
 public:
  NearestNeighborRule(const RuleRequest& r, Tokens points, Tokens labels)
      : length_(r.length),
        split_(r.split),
        points_(std::move(points)),
        labels_(std::move(labels)) {}

  std::vector<ClassGroup> groups() const override {
    if (answered()) return {{Index(labels_.size()), 1}};
    return {{Index(labels_.size()), std::min(split_ / 2, Index(points_.size()))}};
  }
  Tokens prefix(const ClassName& name) const override {
    Tokens out;
    for (Index t = 0; t < split_; ++t) {
      const std::size_t i = std::size_t(t / 2);
      const bool listed = i < name.digits.size();
      if (t % 2 == 0)
        out.push_back(points_[listed ? i : 0]);
      else
        out.push_back(labels_[listed ? std::size_t(name.digits[i]) : 0]);
    }
    return out;
  }
  Tokens suffix(const ClassName& a, const ClassName& b) const override {
    if (answered()) return {};
    const auto at =
        std::mismatch(a.digits.begin(), a.digits.end(), b.digits.begin()).first - a.digits.begin();
    Tokens out;
    for (Index t = split_; t < 2 * length_; ++t)
      out.push_back(t % 2 == 0 ? points_[0] : labels_[0]);
    out.push_back(points_[std::size_t(at)]);
    return out;
  }
  void complete(Tokens& tokens) const override {
    while (Index(tokens.size()) <= 2 * length_)
      tokens.push_back(tokens.size() % 2 == 0 ? points_[0] : labels_[0]);
  }
  /// Before the end there are more classes than these; there, the answer is all that is left.
  std::optional<ClassName> classify(const Tokens& prefix) const override {
    if (split_ == 0) return ClassName{};
    if (!answered()) return std::nullopt;
    const auto far = [&](Token point) {
      Index bits = 0;
      for (auto x = std::uint32_t(point) ^ std::uint32_t(prefix.back()); x != 0; x &= x - 1) ++bits;
      return bits;
    };
    std::size_t nearest = 0;
    for (std::size_t i = 2; i + 1 < prefix.size(); i += 2)
      if (far(prefix[i]) < far(prefix[nearest])) nearest = i;
    return ClassName{
        0, {std::find(labels_.begin(), labels_.end(), prefix[nearest + 1]) - labels_.begin()}};
  }

 private:
  bool answered() const { return split_ == 2 * length_ + 1; }
  Index length_, split_;
  Tokens points_, labels_;
};

}  // namespace

std::unique_ptr<Rule> nearest_neighbor_rule(const RuleRequest& r) {
  if (r.n_tokens() != 2 * r.length + 1) return nullptr;
  Rule::Tokens points = r.task.legal_next({}, r.length);
  if (points.empty()) return nullptr;
  Rule::Tokens labels = r.task.legal_next(std::span(points).first(1), r.length);
  if (labels.size() < 2) return nullptr;
  return std::make_unique<NearestNeighborRule>(r, std::move(points), std::move(labels));
}

}  // namespace separatrix
