#include "separatrix/tasks/line_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "separatrix/base/error.h"

namespace separatrix {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kErrorsKept = 4096;

void close_if_open(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

/// Both ends of a pipe; those not taken are closed at the end of the scope.
struct Pipe {
  int read = -1, write = -1;

  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    // Not among 0 to 2, so that what the child's are made from is never one of them.
    read = ::fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
    write = ::fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~Pipe() {
    close_if_open(read);
    close_if_open(write);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  bool open() const { return read >= 0 && write >= 0; }
};

/// Takes an end over, for use with poll.
int take(int& fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return std::exchange(fd, -1);
}

/// posix_spawn, which is safe among threads and reports what exec says. Returns errno's value.
int spawn(const std::vector<std::string>& command, int in, int out, int err, pid_t& pid) {
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  // A group of its own: killing it takes along whatever a wrapper script has started, and Ctrl-C
  // comes to this program alone.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGXFSZ}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error =
      posix_spawn(&pid, command.front().c_str(), &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/// write() whose EPIPE comes without the signal, which would end this program.
ssize_t write_quietly(int fd, const char* bytes, std::size_t size) {
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  const bool was_pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t n = ::write(fd, bytes, size);
  const int error = errno;
  if (n < 0 && error == EPIPE && !was_pending) {
    const timespec at_once{};
    sigtimedwait(&pipe_signal, nullptr, &at_once);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return n;
}

std::string cannot_start_hint(int error, const std::string& path) {
  if (error == ENOENT)
    return ::access(path.c_str(), F_OK) == 0 ? "the interpreter named on its first line is missing"
                                             : "check the path";
  if (error == EACCES) return "make it executable: chmod +x " + path;
  if (error == ENOEXEC) return "begin it with a line such as #!/usr/bin/env python3";
  return {};
}

std::string ending(int status) {
  if (WIFSIGNALED(status))
    return "was ended by signal " + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  return "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

std::string shown_line(const std::string& text) {
  constexpr std::size_t kLongest = 80;
  std::string out = text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
  for (char& c : out)
    if (c < ' ' || c > '~') c = '?';
  return out;
}

LineProcess::LineProcess(const std::vector<std::string>& command) : path_(command.front()) {
  Pipe in, out, err;
  const int error = in.open() && out.open() && err.open()
                        ? spawn(command, in.read, out.write, err.write, pid_)
                        : errno;
  if (error != 0)
    throw Error(ErrorKind::io, std::string("cannot start the program: ") + std::strerror(error),
                path_, cannot_start_hint(error, path_));
  in_ = take(in.write);
  out_ = take(out.read);
  err_ = take(err.read);
}

LineProcess::~LineProcess() {
  for (int* fd : {&in_, &out_, &err_}) close_if_open(*fd);
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::string LineProcess::ask(const std::string& line, std::chrono::duration<double> limit,
                             std::size_t longest) {
  receive_some();  // what came since; at its end, the loop below finds out again
  if (!received_.empty())
    fail("more than one line came back for the input before", line,
         "answer each line with exactly one: it also wrote " + shown_line(received_));
  const std::string message = line + '\n';
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit);
  std::size_t sent = 0, searched = 0;
  bool takes_input = send_some(message, sent);
  for (;;) {
    if (const std::size_t end = received_.find('\n', searched); end != std::string::npos) {
      std::string answer = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (!answer.empty() && answer.back() == '\r') answer.pop_back();
      return answer;
    }
    searched = received_.size();
    if (searched > longest)
      fail("no end of line among " + std::to_string(searched) + " bytes", line,
           "it begins with " + shown_line(received_));
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    const bool more = takes_input && sent < message.size();
    std::array<pollfd, 3> fds = {pollfd{more ? in_ : -1, POLLOUT, 0}, pollfd{out_, POLLIN, 0},
                                 pollfd{err_, POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), int(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno != EINTR) fail(std::strerror(errno), line, {});
    if (ready <= 0) {
      if (Clock::now() < deadline) continue;
      drain_errors();
      const std::string words = last_words();
      std::string seconds = std::to_string(limit.count());
      seconds.erase(seconds.find_last_not_of('0') + 1);
      if (seconds.back() == '.') seconds.pop_back();
      fail("no answer within " + seconds + " s", line,
           words.empty() ? "flush the output after every line, or raise --timeout" : words);
    }
    if (fds[2].revents != 0) drain_errors();
    if (fds[0].revents != 0) takes_input = send_some(message, sent);
    if (fds[1].revents != 0 && !receive_some()) fail_at_end(line);
  }
}

/// False when nobody reads any more: then the end of its output will say why.
bool LineProcess::send_some(const std::string& line, std::size_t& sent) {
  while (sent < line.size()) {
    const ssize_t n = write_quietly(in_, line.data() + sent, line.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    sent += std::size_t(n);
  }
  return true;
}

/// False at the end of its output.
bool LineProcess::receive_some() {
  std::array<char, 1 << 14> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled below
  const ssize_t n = ::read(out_, chunk.data(), chunk.size());
  if (n > 0) received_.append(chunk.data(), std::size_t(n));
  return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

void LineProcess::drain_errors() {
  std::array<char, kErrorsKept> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  for (int rounds = 0; rounds < 64 && err_ >= 0; ++rounds) {
    const ssize_t n = ::read(err_, chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return close_if_open(err_);
    errors_.append(chunk.data(), std::size_t(n));
    if (errors_.size() > kErrorsKept) errors_.erase(0, errors_.size() - kErrorsKept);
  }
}

/// "it said: ..." with the last line of its standard error that has text; empty without one.
std::string LineProcess::last_words() const {
  const std::size_t last = errors_.find_last_not_of(" \r\n\t");
  if (last == std::string::npos) return {};
  const std::size_t begin = errors_.find_last_of('\n', last) + 1;  // npos + 1 == 0
  return "it said: " + shown_line(errors_.substr(begin, last + 1 - begin));
}

void LineProcess::fail(const std::string& what, const std::string& asked,
                       const std::string& hint) const {
  throw Error(ErrorKind::io, what + ", asked " + shown_line(asked), path_, hint);
}

/// Its output has ended: waits a moment for it to end as well, to say how it did.
void LineProcess::fail_at_end(const std::string& asked) {
  const auto patience = Clock::now() + std::chrono::seconds(1);
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < patience)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  drain_errors();
  if (ended == pid_) {
    ::kill(-pid_, SIGKILL);  // what it started
    pid_ = -1;
  }
  const std::string words = last_words();
  fail("the program " + (ended > 0 ? ending(status) : "closed its output") + " without an answer",
       asked, words.empty() ? "run it by hand with that line as input" : words);
}

}  // namespace separatrix
