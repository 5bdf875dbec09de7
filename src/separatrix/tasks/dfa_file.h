#pragma once

#include <string>
#include <vector>

#include "separatrix/tasks/dfa.h"

namespace separatrix {

/// An automaton with the names its file gives. Dfa state s is states[s] (the start first, the
/// others in the order of the file), symbol a is symbols[a], class c is classes[c] (in the order in
/// which the states first use them).
struct NamedDfa {
  Dfa dfa;
  std::vector<std::string> states, symbols, classes;
};

/// Reads
///   states: [even, odd]
///   alphabet: [0, 1]
///   start: even
///   transitions:
///     even: {0: even, 1: odd}
///     odd: {0: odd, 1: even}
///   outputs: {even: even, odd: odd}
/// Every state needs a transition for every symbol and an output; states that nothing reaches are
/// allowed. Throws Error(spec) with "where:line" for text that is no YAML, unknown, missing and
/// repeated names and keys.
NamedDfa parse_dfa(const std::string& yaml, const std::string& where);

}  // namespace separatrix
