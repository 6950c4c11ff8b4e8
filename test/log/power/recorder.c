/* Preloaded into processes, writes down every call that changes files below FIELDGATE_POWER_ROOT, in one order and with its
 * data, to FIELDGATE_POWER_TRACE. A write to the file FIELDGATE_POWER_MARKS is written down as a mark: what the process was
 * promised by then. FIELDGATE_POWER_SYNC_US: a sync takes up to so long, as on a disk. FIELDGATE_POWER_KILL: the process ends
 * by SIGKILL once it has written so many records; after an odd number of them, within a write under O_DSYNC. recording.ts reads
 * what is written here. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, WRITTEN, TRUNCATE, SYNC, SYNCED, CLOSE, RENAME, UNLINK, MKDIR, RMDIR, LINK, MARK, UNKNOWN };
enum { CREATED = 1, TRUNCATED = 2, EACH_SYNCED = 4 };

struct head {
  uint8_t kind, flags;
  uint16_t path, other;
  uint16_t none;
  int32_t fd, id;
  uint32_t data;
  uint32_t process;
  uint64_t at;
};

#define MOST_FDS 4096
/* Of an fd that is written down: below the root or the marks. */
static struct {
  char known, marks, synced, appends;
} fds[MOST_FDS];

static pthread_mutex_t threads = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *marks;
static size_t root_length;
static int trace = -1;
static long sync_us, kill_after, records;
static int32_t ids;
/* Writes under O_DSYNC that are written down and not done. */
static int under_way;

static long (*call)(long, ...);

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FIELDGATE_POWER_TRACE");
  call = REAL(syscall);
  root = getenv("FIELDGATE_POWER_ROOT");
  marks = getenv("FIELDGATE_POWER_MARKS");
  if (path == NULL || root == NULL || marks == NULL) {
    root = NULL;
    return;
  }
  root_length = strlen(root);
  if (getenv("FIELDGATE_POWER_SYNC_US") != NULL) sync_us = atol(getenv("FIELDGATE_POWER_SYNC_US"));
  if (getenv("FIELDGATE_POWER_KILL") != NULL) kill_after = atol(getenv("FIELDGATE_POWER_KILL"));
  trace = (int)call(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (trace < 0) abort();
}

/* One step at a time: of the threads, and of the processes that write the same trace. */
static void begin_step(void) {
  pthread_mutex_lock(&threads);
  while (flock(trace, LOCK_EX) != 0) continue;
}
static void end_step(void) {
  int error = errno;
  flock(trace, LOCK_UN);
  pthread_mutex_unlock(&threads);
  errno = error;
}

/* Within a step. */
static void record(struct head head, const char *path, const char *other, const struct iovec *data, int pieces) {
  struct iovec parts[3 + 64];
  size_t all = sizeof head, payload = 0;
  head.path = path == NULL ? 0 : (uint16_t)strlen(path);
  head.other = other == NULL ? 0 : (uint16_t)strlen(other);
  head.process = (uint32_t)getpid();
  if (pieces > 64) abort();
  for (int piece = 0; piece < pieces; piece++) payload += data[piece].iov_len;
  head.data = (uint32_t)payload;
  parts[0] = (struct iovec){&head, sizeof head};
  parts[1] = (struct iovec){(void *)path, head.path};
  parts[2] = (struct iovec){(void *)other, head.other};
  for (int piece = 0; piece < pieces; piece++) parts[3 + piece] = data[piece];
  all += head.path + head.other + payload;
  /* Only where what was done and what was written down are the same. */
  if (kill_after > 0 && records >= kill_after && under_way == 0 && (kill_after % 2 == 0 || head.kind == WRITTEN) &&
      (head.kind == WRITE || head.kind == WRITTEN || head.kind == SYNC || head.kind == SYNCED || head.kind == MARK)) {
    call(SYS_kill, call(SYS_getpid), SIGKILL);
    for (;;) call(SYS_pause);
  }
  records++;
  if (call(SYS_writev, trace, parts, 3 + pieces) != (long)all) abort();
}

static int within(const char *path) {
  return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

/* The absolute path, when it is to be written down. */
static const char *wanted(int folder, const char *path, char *space) {
  if (root == NULL || path == NULL) return NULL;
  if (path[0] != '/') {
    char link[64];
    ssize_t length;
    if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = call(SYS_readlinkat, AT_FDCWD, link, space, PATH_MAX);
    if (length < 0 || length + strlen(path) + 2 > PATH_MAX) return NULL;
    space[length] = '/';
    strcpy(space + length + 1, path);
    path = space;
  }
  return within(path) ? path : NULL;
}

static int fd_known(int fd) { return root != NULL && fd >= 0 && fd < MOST_FDS && fds[fd].known; }

static int opened(int folder, const char *path, int flags, mode_t mode) {
  char space[PATH_MAX];
  const char *name = wanted(folder, path, space);
  int is_marks = root != NULL && path != NULL && strcmp(path, marks) == 0;
  int before, fd, error;
  if (name == NULL && !is_marks) return (int)call(SYS_openat, folder, path, flags, mode);
  begin_step();
  before = access(name == NULL ? path : name, F_OK) == 0;
  fd = (int)call(SYS_openat, folder, path, flags, mode);
  error = errno;
  if (fd >= 0) {
    if (fd >= MOST_FDS) abort();
    fds[fd].known = 1;
    fds[fd].marks = is_marks != 0;
    fds[fd].synced = (flags & O_DSYNC) != 0;
    fds[fd].appends = (flags & O_APPEND) != 0;
    if (!is_marks) {
      uint8_t told = (uint8_t)((before ? 0 : CREATED) | ((flags & O_TRUNC) ? TRUNCATED : 0) | ((flags & O_DSYNC) ? EACH_SYNCED : 0));
      record((struct head){.kind = OPEN, .flags = told, .fd = fd}, name, NULL, NULL, 0);
    }
  }
  end_step();
  errno = error;
  return fd;
}

#define MODE(flags, mode)                     \
  do {                                        \
    if ((flags) & (O_CREAT | O_TMPFILE)) {    \
      va_list list;                           \
      va_start(list, flags);                  \
      mode = va_arg(list, mode_t);            \
      va_end(list);                           \
    }                                         \
  } while (0)

int open(const char *path, int flags, ...) {
  mode_t mode = 0;
  MODE(flags, mode);
  return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  MODE(flags, mode);
  return opened(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
  mode_t mode = 0;
  MODE(flags, mode);
  return opened(folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...) {
  mode_t mode = 0;
  MODE(flags, mode);
  return opened(folder, path, flags, mode);
}
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* `at` below 0: where the fd stands. */
static ssize_t written(int fd, const struct iovec *data, int pieces, off_t at) {
  ssize_t done, length = 0;
  int error;
  struct head head = {.kind = WRITE, .fd = fd};
  if (!fd_known(fd)) return at < 0 ? call(SYS_writev, fd, data, pieces) : call(SYS_pwritev, fd, data, pieces, (long)at, 0L);
  for (int piece = 0; piece < pieces; piece++) length += (ssize_t)data[piece].iov_len;
  begin_step();
  if (fds[fd].marks) {
    record((struct head){.kind = MARK}, NULL, NULL, data, pieces);
    end_step();
    return length;
  }
  if (at < 0) at = lseek(fd, 0, fds[fd].appends ? SEEK_END : SEEK_CUR);
  head.at = (uint64_t)at;
  head.id = ++ids;
  head.flags = fds[fd].synced ? EACH_SYNCED : 0;
  record(head, NULL, NULL, data, pieces);
  /* While a disk takes its time, others go on. */
  if (head.flags) {
    under_way++;
    end_step();
  }
  done = call(SYS_pwritev, fd, data, pieces, (long)at, 0L);
  error = errno;
  if (done != length) abort();
  lseek(fd, at + done, SEEK_SET);
  if (head.flags) {
    /* Whoever reads the file sees it from now on; it is durable later. */
    if (sync_us > 0) usleep((useconds_t)(random() % sync_us));
    begin_step();
    under_way--;
    record((struct head){.kind = WRITTEN, .fd = fd, .id = head.id}, NULL, NULL, NULL, 0);
  }
  end_step();
  errno = error;
  return done;
}

ssize_t write(int fd, const void *data, size_t length) {
  struct iovec one = {(void *)data, length};
  if (!fd_known(fd)) return call(SYS_write, fd, data, length);
  return written(fd, &one, 1, -1);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  struct iovec one = {(void *)data, length};
  if (!fd_known(fd)) return call(SYS_pwrite64, fd, data, length, at);
  return written(fd, &one, 1, at);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t at) { return pwrite(fd, data, length, at); }
ssize_t writev(int fd, const struct iovec *data, int pieces) { return written(fd, data, pieces, -1); }
ssize_t pwritev(int fd, const struct iovec *data, int pieces, off_t at) { return written(fd, data, pieces, at); }
ssize_t pwritev64(int fd, const struct iovec *data, int pieces, off_t at) { return written(fd, data, pieces, at); }

int ftruncate(int fd, off_t length) {
  int done;
  if (!fd_known(fd)) return (int)call(SYS_ftruncate, fd, length);
  begin_step();
  done = (int)call(SYS_ftruncate, fd, length);
  if (done == 0) record((struct head){.kind = TRUNCATE, .fd = fd, .at = (uint64_t)length, .id = ++ids}, NULL, NULL, NULL, 0);
  end_step();
  return done;
}
int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }

/* What the store is not known to do: a recording that holds one is of no use. */
static void unknown(const char *what) {
  begin_step();
  record((struct head){.kind = UNKNOWN}, what, NULL, NULL, 0);
  end_step();
}
#define UNKNOWN_FOR_FD(name, fd) do { if (fd_known(fd)) unknown(name); } while (0)

int truncate(const char *path, off_t length) {
  char space[PATH_MAX];
  if (wanted(AT_FDCWD, path, space) != NULL) unknown("truncate");
  return REAL(truncate)(path, length);
}
int truncate64(const char *path, off_t length) { return truncate(path, length); }
int fallocate(int fd, int mode, off_t at, off_t length) {
  UNKNOWN_FOR_FD("fallocate", fd);
  return (int)call(SYS_fallocate, fd, mode, at, length);
}
int posix_fallocate(int fd, off_t at, off_t length) {
  UNKNOWN_FOR_FD("posix_fallocate", fd);
  return REAL(posix_fallocate)(fd, at, length);
}
ssize_t sendfile(int to, int from, off_t *at, size_t length) {
  UNKNOWN_FOR_FD("sendfile", to);
  return call(SYS_sendfile, to, from, at, length);
}
ssize_t sendfile64(int to, int from, off_t *at, size_t length) { return sendfile(to, from, at, length); }
ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t length, unsigned flags) {
  UNKNOWN_FOR_FD("copy_file_range", to);
  return call(SYS_copy_file_range, from, from_at, to, to_at, length, flags);
}
int dup(int fd) {
  UNKNOWN_FOR_FD("dup", fd);
  return (int)call(SYS_dup, fd);
}

/* Lock files are written through a map, and nothing in them outlives the boot. */
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t at) {
  if (fd_known(fd) && (flags & MAP_SHARED) && (protection & PROT_WRITE)) {
    char link[64], path[PATH_MAX];
    ssize_t size;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = call(SYS_readlinkat, AT_FDCWD, link, path, sizeof path);
    if (size < 5 || memcmp(path + size - 5, "-lock", 5) != 0) unknown("mmap");
  }
  return (void *)call(SYS_mmap, address, length, protection, flags, fd, at);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t at) {
  return mmap(address, length, protection, flags, fd, at);
}

static int synced(int fd, long number) {
  int done, error, known = fd_known(fd);
  int32_t id = 0;
  if (known) {
    begin_step();
    id = ++ids;
    record((struct head){.kind = SYNC, .fd = fd, .id = id}, NULL, NULL, NULL, 0);
    end_step();
    if (sync_us > 0) usleep((useconds_t)(random() % sync_us));
  }
  done = (int)call(number, fd);
  error = errno;
  if (known && done == 0) {
    begin_step();
    record((struct head){.kind = SYNCED, .fd = fd, .id = id}, NULL, NULL, NULL, 0);
    end_step();
  }
  errno = error;
  return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int close(int fd) {
  int done;
  if (!fd_known(fd)) return (int)call(SYS_close, fd);
  begin_step();
  if (!fds[fd].marks) record((struct head){.kind = CLOSE, .fd = fd}, NULL, NULL, NULL, 0);
  memset(&fds[fd], 0, sizeof fds[fd]);
  done = (int)call(SYS_close, fd);
  end_step();
  return done;
}

/* How libuv closes. */
long syscall(long number, ...) {
  long a, b, c, d, e, f;
  va_list list;
  va_start(list, number);
  a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
  d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
  va_end(list);
  if (number == SYS_close) return close((int)a);
  return call(number, a, b, c, d, e, f);
}

/* It closes its fd without our hearing of it. */
int closedir(DIR *folder) {
  int fd = dirfd(folder);
  if (fd_known(fd)) {
    begin_step();
    record((struct head){.kind = CLOSE, .fd = fd}, NULL, NULL, NULL, 0);
    memset(&fds[fd], 0, sizeof fds[fd]);
    end_step();
  }
  return REAL(closedir)(folder);
}

static int changed(uint8_t kind, int folder, const char *path, int other_folder, const char *other, int argument) {
  char space[PATH_MAX], other_space[PATH_MAX];
  const char *name = wanted(folder, path, space);
  const char *other_name = kind == RENAME || kind == LINK ? wanted(other_folder, other, other_space) : NULL;
  int done, error, told = name != NULL || other_name != NULL;
  if (told) begin_step();
  if (kind == RENAME) done = (int)call(SYS_renameat, folder, path, other_folder, other);
  else if (kind == LINK) done = (int)call(SYS_linkat, folder, path, other_folder, other, argument);
  else if (kind == MKDIR) done = (int)call(SYS_mkdirat, folder, path, argument);
  else done = (int)call(SYS_unlinkat, folder, path, kind == RMDIR ? AT_REMOVEDIR : 0);
  error = errno;
  if (told) {
    if (done == 0) record((struct head){.kind = kind}, name, other_name, NULL, 0);
    end_step();
  }
  errno = error;
  return done;
}
int rename(const char *path, const char *other) { return changed(RENAME, AT_FDCWD, path, AT_FDCWD, other, 0); }
int renameat(int folder, const char *path, int other_folder, const char *other) {
  return changed(RENAME, folder, path, other_folder, other, 0);
}
int renameat2(int folder, const char *path, int other_folder, const char *other, unsigned flags) {
  if (flags != 0) unknown("renameat2");
  return changed(RENAME, folder, path, other_folder, other, 0);
}
int link(const char *path, const char *other) { return changed(LINK, AT_FDCWD, path, AT_FDCWD, other, 0); }
int linkat(int folder, const char *path, int other_folder, const char *other, int flags) {
  return changed(LINK, folder, path, other_folder, other, flags);
}
int unlink(const char *path) { return changed(UNLINK, AT_FDCWD, path, AT_FDCWD, NULL, 0); }
int unlinkat(int folder, const char *path, int flags) {
  return changed(flags & AT_REMOVEDIR ? RMDIR : UNLINK, folder, path, AT_FDCWD, NULL, 0);
}
int rmdir(const char *path) { return changed(RMDIR, AT_FDCWD, path, AT_FDCWD, NULL, 0); }
int remove(const char *path) { return unlink(path) == 0 ? 0 : errno == EISDIR ? rmdir(path) : -1; }
int mkdir(const char *path, mode_t mode) { return changed(MKDIR, AT_FDCWD, path, AT_FDCWD, NULL, (int)mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return changed(MKDIR, folder, path, AT_FDCWD, NULL, (int)mode); }
