#include "separatrix/base/file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "separatrix/base/error.h"

namespace separatrix {
namespace {

/// Closes a descriptor at the end of a scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int close() {
    const int result = fd_ >= 0 ? ::close(fd_) : 0;
    fd_ = -1;
    return result;
  }

 private:
  int fd_;
};

[[noreturn]] void fail(const std::string& action, const std::string& path, int error) {
  const char* hint = "";
  if (error == ENOSPC || error == EDQUOT)
    hint = "free some space; nothing that existed was changed";
  if (error == EACCES || error == EROFS || error == EPERM)
    hint = "choose a folder you may write to";
  if (error == ENOENT) hint = "check the path";
  if (error == ENOTDIR || error == EEXIST) hint = "move the file that is in the way";
  throw Error(ErrorKind::io, "cannot " + action + ": " + std::strerror(error), path, hint);
}

}  // namespace

std::string read_file(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("open", path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail("read", path, errno);
  if (S_ISDIR(status.st_mode)) fail("read", path, EISDIR);
  std::string bytes;
  char chunk[1 << 16];
  for (;;) {
    const ssize_t n = ::read(file.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path, errno);
    if (n == 0) return bytes;
    bytes.append(chunk, std::size_t(n));
  }
}

void write_file_atomic(const std::string& name, std::string_view bytes) {
  // A link is followed, so that it is its target that is replaced; devices and pipes never are.
  std::error_code ignored;
  const std::filesystem::path target = std::filesystem::is_symlink(name, ignored)
                                           ? std::filesystem::weakly_canonical(name)
                                           : std::filesystem::path(name);
  const std::string path = target.string();
  if (std::filesystem::exists(target, ignored) &&
      !std::filesystem::is_regular_file(target, ignored))
    throw Error(ErrorKind::io, "not a regular file", name, "choose the name of a file");
  const std::string folder = target.has_parent_path() ? target.parent_path().string() : ".";
  const std::string temporary = path + ".tmp" + std::to_string(::getpid());
  const auto abandon = [&](const std::string& action, int error) {
    ::unlink(temporary.c_str());
    fail(action, path, error);
  };
  Descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0) fail("create", path, errno);
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) abandon("write", errno);
    bytes.remove_prefix(std::size_t(n));
  }
  if (::fsync(file.get()) != 0 || file.close() != 0) abandon("write", errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) abandon("write", errno);
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("create the folder", path, error.value());
}

}  // namespace separatrix
