/* A disk that fails when told to: preloaded into a process, it lets calls on files under one folder fail.
 * FAILING_DISK_UNDER: the folder. FAILING_DISK_ORDERS: a file of 4096 bytes, mapped, that holds lines
 *     CALL ERROR PER_MILLE [PART_OF_PATH]
 * CALL: write (write, pwrite, writev, pwritev), sync (fsync, fdatasync), truncate, open, rename, unlink, mkdir, read.
 * ERROR: a number of errno; 0: a short write. Of so many calls in 1000, those whose path holds the part. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *orders;
static const char *under;
static unsigned state = 2463534242u;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAILING_DISK_ORDERS");
  under = getenv("FAILING_DISK_UNDER");
  const char *seed = getenv("FAILING_DISK_SEED");
  if (seed != NULL) state ^= (unsigned)atoi(seed) * 2654435761u;
  if (path == NULL || under == NULL) return;
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
  if (file < 0) return;
  void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) orders = map;
  close(file);
}

static unsigned next(void) {
  unsigned x = __atomic_load_n(&state, __ATOMIC_RELAXED);
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  __atomic_store_n(&state, x, __ATOMIC_RELAXED);
  return x;
}

/* The error for this call; -1: none. */
static int fault_at(const char *call, const char *path) {
  if (orders == NULL || orders[0] == 0) return -1;
  if (strncmp(path, under, strlen(under)) != 0) return -1;
  char copy[4096];
  memcpy(copy, orders, sizeof copy);
  copy[sizeof copy - 1] = 0;
  char *rest = NULL;
  for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
    char what[32], part[256] = "";
    int error, per_mille;
    if (sscanf(line, "%31s %d %d %255s", what, &error, &per_mille, part) < 3) continue;
    if (strcmp(what, call) != 0 || strstr(path, part) == NULL) continue;
    if ((int)(next() % 1000) < per_mille) return error;
  }
  return -1;
}

static int fault(const char *call, int file) {
  if (orders == NULL || orders[0] == 0) return -1;
  char link[64], path[1024];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return -1;
  path[size] = 0;
  return fault_at(call, path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FAIL(call, file) \
  do { \
    int error = fault(call, file); \
    if (error > 0) { errno = error; return -1; } \
  } while (0)
#define FAIL_AT(call, path) \
  do { \
    int error = fault_at(call, path); \
    if (error > 0) { errno = error; return -1; } \
  } while (0)

ssize_t write(int file, const void *bytes, size_t size) {
  int error = fault("write", file);
  if (error > 0) { errno = error; return -1; }
  return REAL(write)(file, bytes, error == 0 ? size / 2 : size);
}
ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
  int error = fault("write", file);
  if (error > 0) { errno = error; return -1; }
  return REAL(pwrite64)(file, bytes, error == 0 ? size / 2 : size, at);
}
ssize_t pwrite(int file, const void *bytes, size_t size, off_t at) { return pwrite64(file, bytes, size, at); }
ssize_t writev(int file, const struct iovec *parts, int count) {
  int error = fault("write", file);
  if (error > 0) { errno = error; return -1; }
  return REAL(writev)(file, parts, error == 0 ? 1 : count);
}
ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
  int error = fault("write", file);
  if (error > 0) { errno = error; return -1; }
  return REAL(pwritev64)(file, parts, error == 0 ? 1 : count, at);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) { return pwritev64(file, parts, count, at); }
int fsync(int file) { FAIL("sync", file); return REAL(fsync)(file); }
int fdatasync(int file) { FAIL("sync", file); return REAL(fdatasync)(file); }
int ftruncate64(int file, off64_t size) { FAIL("truncate", file); return REAL(ftruncate64)(file, size); }
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }
ssize_t read(int file, void *into, size_t size) { FAIL("read", file); return REAL(read)(file, into, size); }
ssize_t pread64(int file, void *into, size_t size, off64_t at) { FAIL("read", file); return REAL(pread64)(file, into, size, at); }
ssize_t pread(int file, void *into, size_t size, off_t at) { return pread64(file, into, size, at); }

static int opened(const char *path, int flags, mode_t mode) {
  FAIL_AT("open", path);
  if ((flags & O_ACCMODE) != O_RDONLY) FAIL_AT("create", path);
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
#define MODE \
  mode_t mode = 0; \
  if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE return opened(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return opened(path, flags | O_LARGEFILE, mode); }
int rename(const char *from, const char *to) { FAIL_AT("rename", to); return REAL(rename)(from, to); }
int unlink(const char *path) { FAIL_AT("unlink", path); return REAL(unlink)(path); }
int mkdir(const char *path, mode_t mode) { FAIL_AT("mkdir", path); return REAL(mkdir)(path, mode); }
