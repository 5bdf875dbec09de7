#pragma once

#include <string>

#include "separatrix/report/data.h"

namespace separatrix {

/// results.csv: a line of column names, then one line for each trial in the order of enqueueing.
/// Absent values are empty. Columns:
///   trial              SHA-256 of the trial's specification
///   task, length       what was learned
///   model, layers, width, state_bits   state_bits is empty where all positions are kept
///   lr, seed, batch_size, steps_limit, target_accuracy
///   status             pending, running, done, diverged, failed
///   outcome            solved, unsolved, diverged, or the status of a trial that did not end
///   step               optimiser steps taken
///   train_loss         nats per asked position, mean since the evaluation before the last
///   token_accuracy, sequence_accuracy   fractions, on inputs never trained on
///   seconds, tokens_per_second          of training, on the machine that ran it
///   error              text, where the status is failed
std::string results_csv(const ReportData& data);

}  // namespace separatrix
