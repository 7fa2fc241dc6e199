// Loaded into the browser (LD_PRELOAD): logs what it writes and syncs below IndexedDB, so that `images.ts` can tell what had
// reached the disk at any moment. Data goes to the disk as ever. POWER_LOG names the log. POWER_FAULT names a file: while that
// begins with E, writes and syncs fail (EIO); while it begins with S, they stand still.
//
// A record: u64 time in ns, u32 operation, u32 length of path, u64 offset, u64 length of data, path, data. Little-endian.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 3, RENAME = 4, UNLINK = 5 };

static int log_file = -2;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int is_ours(const char *path) { return strstr(path, "/IndexedDB/") != 0; }

static char fault(void) {
  static const char *name = 0;
  if (!name) name = getenv("POWER_FAULT") ? getenv("POWER_FAULT") : "";
  char what = 0;
  if (!*name) return what;
  int file = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY);
  if (file < 0) return what;
  if (syscall(SYS_read, file, &what, 1) < 1) what = 0;
  syscall(SYS_close, file);
  return what;
}

/** Whether the disk fails now; waits while it stands still. */
static int is_sick(void) {
  char what;
  while ((what = fault()) == 'S') {
    struct timespec pause = {0, 20000000};
    syscall(SYS_nanosleep, &pause, 0);
  }
  return what == 'E';
}

/** For a rename, data is the new path; for a sync, offset is when it began. */
static void record(uint32_t operation, const char *path, uint64_t offset, const void *data, uint64_t length) {
  struct __attribute__((packed)) {
    uint64_t time;
    uint32_t operation, path_length;
    uint64_t offset, length;
  } header = {0, operation, (uint32_t)strlen(path), offset, length};
  pthread_mutex_lock(&mutex);
  if (log_file == -2) {
    const char *name = getenv("POWER_LOG");
    log_file = name ? syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
  }
  header.time = now();
  struct iovec parts[3] = {{&header, sizeof header}, {(void *)path, header.path_length}, {(void *)data, length}};
  if (log_file >= 0) syscall(SYS_writev, log_file, parts, 3);
  pthread_mutex_unlock(&mutex);
}

/** Whether the open file is one of IndexedDB, and its path. */
static int path_of(int file, char *path) {
  if (file <= 2) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  int saved = errno;
  int length = syscall(SYS_readlinkat, AT_FDCWD, link, path, 1000);
  errno = saved;
  if (length <= 0) return 0;
  path[length] = 0;
  return is_ours(path);
}

ssize_t write(int file, const void *data, size_t length) {
  char path[1024];
  int ours = path_of(file, path);
  off_t offset = 0;
  if (ours && is_sick()) {
    errno = EIO;
    return -1;
  }
  if (ours) {
    int is_append = syscall(SYS_fcntl, file, F_GETFL, 0) & O_APPEND;
    offset = syscall(SYS_lseek, file, 0, is_append ? SEEK_END : SEEK_CUR);
  }
  ssize_t written = syscall(SYS_write, file, data, length);
  int saved = errno;
  if (ours && written > 0) record(WRITE, path, offset, data, written);
  errno = saved;
  return written;
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset) {
  char path[1024];
  int ours = path_of(file, path);
  if (ours && is_sick()) {
    errno = EIO;
    return -1;
  }
  ssize_t written = syscall(SYS_pwrite64, file, data, length, offset);
  int saved = errno;
  if (ours && written > 0) record(WRITE, path, offset, data, written);
  errno = saved;
  return written;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return pwrite64(file, data, length, offset); }

static int synced(long call, int file) {
  char path[1024];
  int ours = path_of(file, path);
  if (ours && is_sick()) {
    errno = EIO;
    return -1;
  }
  uint64_t begun = now();
  int result = syscall(call, file);
  int saved = errno;
  if (ours && result == 0) record(SYNC, path, begun, 0, 0);
  errno = saved;
  return result;
}

int fdatasync(int file) { return synced(SYS_fdatasync, file); }
int fsync(int file) { return synced(SYS_fsync, file); }

int ftruncate64(int file, off64_t length) {
  char path[1024];
  int ours = path_of(file, path);
  int result = syscall(SYS_ftruncate, file, length);
  int saved = errno;
  if (ours && result == 0) record(TRUNCATE, path, length, 0, 0);
  errno = saved;
  return result;
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

int rename(const char *from, const char *to) {
  int result = syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  int saved = errno;
  if (result == 0 && is_ours(from)) record(RENAME, from, 0, to, strlen(to));
  errno = saved;
  return result;
}

int unlink(const char *path) {
  int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  int saved = errno;
  if (result == 0 && is_ours(path)) record(UNLINK, path, 0, 0, 0);
  errno = saved;
  return result;
}

int unlinkat(int folder, const char *name, int flags) {
  char path[1024];
  int length = 0;
  if (name[0] != '/' && folder != AT_FDCWD) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, 700);
    if (length > 0) path[length++] = '/';
    else length = 0;
  }
  snprintf(path + length, sizeof path - length, "%s", name);
  int result = syscall(SYS_unlinkat, folder, name, flags);
  int saved = errno;
  if (result == 0 && is_ours(path)) record(UNLINK, path, 0, 0, 0);
  errno = saved;
  return result;
}
