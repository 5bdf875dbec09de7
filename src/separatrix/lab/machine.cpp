#include "separatrix/lab/machine.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "separatrix/kernels/kernels.h"
#include "separatrix/lab/commit.h"

namespace separatrix {
namespace {

/// The whole of a small file under /proc; empty where there is none.
std::string slurp(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// When a process started, in clock ticks since boot; empty when it is gone or a zombie.
std::string start_time(const std::string& pid) {
  const std::string stat = slurp("/proc/" + pid + "/stat");
  const std::size_t name_end = stat.rfind(')');  // the name may hold spaces and brackets
  if (name_end == std::string::npos) return {};
  std::istringstream fields(stat.substr(name_end + 1));
  std::vector<std::string> values;
  for (std::string value; fields >> value;) values.push_back(value);
  if (values.size() < 20 || values[0] == "Z" || values[0] == "X") return {};
  return values[19];
}

/// Where a process number means the same process; empty where /proc does not say.
std::string place() {
  const std::string boot = slurp("/proc/sys/kernel/random/boot_id").substr(0, 8);
  std::error_code ignored;
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", ignored).string();
  if (boot.empty() || space.empty()) return {};
  return boot + "." + space;  // "0a1b2c3d.pid:[4026531836]"
}

}  // namespace

Json describe_machine() {
  std::string cpu = "unknown";
  std::istringstream lines(slurp("/proc/cpuinfo"));
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("model name", 0) == 0) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  return {{"cpu", cpu},
          {"cores", std::thread::hardware_concurrency()},
          {"compiler", SEPARATRIX_COMPILER},
          {"simd", simd_target()},
          {"version", SEPARATRIX_VERSION},
          {"commit", SEPARATRIX_COMMIT}};
}

std::string this_process() {
  const std::string pid = std::to_string(::getpid());
  return place() + "#" + pid + "#" + start_time(pid);
}

bool process_is_here(const std::string& worker) {
  const std::string here = place();
  return !here.empty() && worker.starts_with(here + "#");
}

std::string file_identity(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return std::to_string(status.st_dev) + "." + std::to_string(status.st_ino);
}

bool process_has_ended(const std::string& worker) {
  if (!process_is_here(worker)) return false;
  std::istringstream rest(worker.substr(place().size() + 1));
  std::string pid, started;
  std::getline(rest, pid, '#');
  std::getline(rest, started, '/');
  if (pid.empty() || started.empty()) return false;
  return start_time(pid) != started;
}

}  // namespace separatrix
