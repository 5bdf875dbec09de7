#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "separatrix/lab/mpi_queue.h"

namespace separatrix {

/// Messages between the processes of one job. Every message of another rank is a request, which
/// rank 0 answers; a rank has one request under way at a time. Requests and answers are JSON; the
/// weights of a finished trial follow their request in chunks. Everything here throws Error(io)
/// when MPI fails.
struct MpiJob::Link {
  int rank = 0, size = 1;
  std::mutex mutex;    ///< ranks other than 0: held from request to answer
  std::set<int> left;  ///< rank 0: who has said goodbye
  std::set<int> lost;  ///< rank 0: who fell silent with a trial
};

enum class MpiTag { request = 1, answer = 2, chunk = 3 };
inline constexpr int kAnyRank = -1;

struct MpiMessage {
  int source = 0;
  std::string bytes;
};

/// A message that has arrived, if one has.
std::optional<MpiMessage> poll_mpi(int source, MpiTag tag);
/// Sleeps a little: MPI's own way of waiting would take a core from the training.
void wait_for_mpi();
void send_mpi(int to, MpiTag tag, std::string_view bytes);
void send_chunks(int to, std::string_view bytes);
/// nullopt when the sender falls silent in the middle.
std::optional<std::string> receive_chunks(int source, std::size_t size);

}  // namespace separatrix
