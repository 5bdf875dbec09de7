#pragma once

#include <string>

#include "separatrix/lab/summary.h"
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
///   experiment         its name in the store
///   task_config        the task's parameters, JSON
///   parameters         numbers that the model learns
///   chance, scaled_accuracy, cross_entropy, bits_recalled, state_efficiency
///                      at the trained length (train/metrics.h)
std::string results_csv(const ReportData& data);
std::string results_header();
std::string results_line(const std::string& experiment, const StoredTrial& trial,
                         const Registry<Block>& blocks);

/// lengths.csv: one line for each trial and length at which it was judged, the trained one first:
///   trial, experiment, length, examples, then the names of metric_definitions().
std::string lengths_header();
std::string lengths_lines(const std::string& experiment, const StoredTrial& trial);

}  // namespace separatrix
