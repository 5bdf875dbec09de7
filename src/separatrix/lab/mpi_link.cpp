// The only file that knows MPI; mpi_absent.cpp stands in for it where there is none.

#include "separatrix/lab/mpi_link.h"

#include <chrono>
#include <thread>

#include <mpi.h>

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kChunkBytes = std::size_t(64) << 20;
constexpr auto kSilence = std::chrono::seconds(60);  ///< then the other side is gone

void check(int code) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(ErrorKind::io, "MPI cannot be used: " + std::string(text), "mpirun",
              "start the command again; everything recorded so far is safe");
}

}  // namespace

std::optional<MpiMessage> poll_mpi(int from, MpiTag kind) {
  const int source = from == kAnyRank ? MPI_ANY_SOURCE : from, tag = int(kind);
  int there = 0;
  MPI_Status status;
  check(MPI_Iprobe(source, tag, MPI_COMM_WORLD, &there, &status));
  if (there == 0) return std::nullopt;
  int size = 0;
  check(MPI_Get_count(&status, MPI_BYTE, &size));
  MpiMessage message{status.MPI_SOURCE, std::string(std::size_t(size), '\0')};
  check(MPI_Recv(message.bytes.data(), size, MPI_BYTE, status.MPI_SOURCE, tag, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE));
  return message;
}

void wait_for_mpi() { std::this_thread::sleep_for(std::chrono::microseconds(500)); }

void send_mpi(int to, MpiTag tag, std::string_view bytes) {
  check(MPI_Send(bytes.data(), int(bytes.size()), MPI_BYTE, to, int(tag), MPI_COMM_WORLD));
}

void send_chunks(int to, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += kChunkBytes)
    send_mpi(to, MpiTag::chunk, bytes.substr(at, kChunkBytes));
}

std::optional<std::string> receive_chunks(int source, std::size_t size) {
  std::string bytes;
  auto heard = Clock::now();
  while (bytes.size() < size) {
    if (const auto chunk = poll_mpi(source, MpiTag::chunk)) {
      bytes += chunk->bytes;
      heard = Clock::now();
    } else if (Clock::now() - heard > kSilence) {
      return std::nullopt;
    } else {
      wait_for_mpi();
    }
  }
  return bytes;
}

MpiJob::MpiJob() {
  if (!started_by_mpirun()) return;
  int level = 0;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level));
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (level < MPI_THREAD_SERIALIZED)
    throw Error(ErrorKind::io, "MPI cannot be used: it was built without threads", "mpirun",
                "install Open MPI with threads");
  link_ = std::make_unique<Link>();
  MPI_Comm_rank(MPI_COMM_WORLD, &link_->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &link_->size);
}

/// Rank 0 sends everybody home first: MPI_Finalize waits for all.
MpiJob::~MpiJob() {
  if (!link_) return;
  try {
    auto heard = Clock::now();
    while (link_->rank == 0 && int(link_->left.size() + link_->lost.size()) < link_->size - 1) {
      if (const auto message = poll_mpi(kAnyRank, MpiTag::request)) {
        heard = Clock::now();
        const Json request = Json::parse(message->bytes);
        link_->lost.erase(message->source);
        if (const std::size_t bytes = request.value("bytes", std::size_t(0)); bytes > 0)
          receive_chunks(message->source, bytes);
        if (request.at("do") == "bye") link_->left.insert(message->source);
        send_mpi(message->source, MpiTag::answer, Json({{"end", true}, {"halt", true}}).dump());
      } else if (Clock::now() - heard > kSilence) {
        break;
      } else {
        wait_for_mpi();
      }
    }
  } catch (const std::exception&) {
    // The job is over either way, and a destructor must not throw.
  }
  const bool everybody = link_->rank != 0 || int(link_->left.size()) == link_->size - 1;
  if (everybody) MPI_Finalize();  // it would wait for ever for one that is gone
}

int MpiJob::rank() const { return link_ ? link_->rank : 0; }
int MpiJob::size() const { return link_ ? link_->size : 1; }

}  // namespace separatrix
