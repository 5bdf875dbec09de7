// Stands in for mpi_queue.cpp in a build without MPI.

#include <cstdlib>

#include "separatrix/lab/mpi_queue.h"

namespace separatrix {

struct MpiJob::Link {};
struct MpiService::State {};

MpiJob::MpiJob() {
  const char* const size = std::getenv("OMPI_COMM_WORLD_SIZE");
  if (size != nullptr && std::atoi(size) > 1)
    throw Error(ErrorKind::usage, "started by mpirun, but this program was built without MPI",
                "OMPI_COMM_WORLD_SIZE=" + std::string(size),
                "build it where Open MPI is installed, or start plain processes on one store");
}
MpiJob::~MpiJob() = default;
int MpiJob::rank() const { return 0; }
int MpiJob::size() const { return 1; }

void work_for_rank_zero(const MpiJob&, const Catalogue&, const RunOptions&) {}

MpiService::MpiService(const MpiJob&, const StoreQueue&, Desk&, Pool&) {}
MpiService::~MpiService() = default;
bool MpiService::busy() const { return false; }
void MpiService::run() {}
void MpiService::close() {}

}  // namespace separatrix
