// Stands in for mpi_link.cpp in a build without MPI: every process is alone, so nothing below the
// constructor is reached.

#include "separatrix/lab/mpi_link.h"

namespace separatrix {

MpiJob::MpiJob() {
  if (started_by_mpirun())
    throw Error(ErrorKind::usage, "started by mpirun, but this program was built without MPI",
                "mpirun",
                "build it where Open MPI is installed, or start plain processes on one store");
}
MpiJob::~MpiJob() = default;
int MpiJob::rank() const { return 0; }
int MpiJob::size() const { return 1; }

std::optional<MpiMessage> poll_mpi(int, MpiTag) { return std::nullopt; }
void wait_for_mpi() {}
void send_mpi(int, MpiTag, std::string_view) {}
void send_chunks(int, std::string_view) {}
std::optional<std::string> receive_chunks(int, std::size_t) { return std::nullopt; }

}  // namespace separatrix
