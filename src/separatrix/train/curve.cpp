#include "separatrix/train/trainer.h"

namespace separatrix {
namespace {

constexpr std::pair<Outcome, const char*> kOutcomes[] = {{Outcome::solved, "solved"},
                                                         {Outcome::unsolved, "unsolved"},
                                                         {Outcome::diverged, "diverged"},
                                                         {Outcome::interrupted, "interrupted"}};

}  // namespace

template <class V>
void visit(V& v, CurvePoint& p) {
  v("step", p.step, "optimiser steps taken");
  v("train_loss", p.train_loss, "mean nats per asked position since the last point");
  v("token_accuracy", p.token_accuracy, "fraction of asked positions answered right");
  v("sequence_accuracy", p.sequence_accuracy, "fraction of inputs answered right everywhere");
  v("lr", p.lr, "learning rate of the last step");
}

Json to_json(const CurvePoint& point) { return write_config(point); }
CurvePoint read_curve_point(const Json& json) { return read_config<CurvePoint>(json, "curve"); }

std::string to_string(Outcome outcome) {
  for (const auto& [value, name] : kOutcomes)
    if (value == outcome) return name;
  return {};
}

Outcome read_outcome(const std::string& text) {
  for (const auto& [value, name] : kOutcomes)
    if (text == name) return value;
  throw Error(ErrorKind::io, "unknown outcome '" + text + "'");
}

}  // namespace separatrix
