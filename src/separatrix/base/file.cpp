#include "separatrix/base/file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

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
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

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

AtomicFile::AtomicFile(const std::string& name) {
  // A link is followed, so that it is its target that is replaced; devices and pipes never are.
  std::error_code ignored;
  const std::filesystem::path target = std::filesystem::is_symlink(name, ignored)
                                           ? std::filesystem::weakly_canonical(name)
                                           : std::filesystem::path(name);
  path_ = target.string();
  if (std::filesystem::exists(target, ignored) &&
      !std::filesystem::is_regular_file(target, ignored))
    throw Error(ErrorKind::io, "not a regular file", name, "choose the name of a file");
  temporary_ = path_ + ".tmp" + std::to_string(::getpid());
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) fail("create", path_, errno);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::abandon(const char* action, int error) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  ::unlink(temporary_.c_str());
  fail(action, path_, error);
}

void AtomicFile::reserve(std::uint64_t bytes) {
  if (bytes > std::uint64_t(std::numeric_limits<off_t>::max())) abandon("write", EFBIG);
  if (const int error = ::posix_fallocate(fd_, 0, off_t(bytes)); error != 0)
    abandon("write", error);
}

void AtomicFile::append(std::string_view bytes) {
  write_at(end_, bytes);
  end_ += bytes.size();
}

void AtomicFile::write_at(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd_, bytes.data(), bytes.size(), off_t(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) abandon("write", errno);
    bytes.remove_prefix(std::size_t(n));
    offset += std::uint64_t(n);
  }
}

void AtomicFile::commit(bool durable) {
  if (durable && ::fsync(fd_) != 0) abandon("write", errno);
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) abandon("write", errno);
  if (!durable) return;
  const std::filesystem::path parent = std::filesystem::path(path_).parent_path();
  const std::string folder = parent.empty() ? "." : parent.string();
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.append(bytes);
  file.commit();
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("create the folder", path, error.value());
}

}  // namespace separatrix
