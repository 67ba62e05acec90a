/* LD_PRELOAD library of the fault tests: calls on files below FAULTS_DIR fail as the control file FAULTS_CONTROL says, and the wall
 * clock is ahead by as much as it says. The control file is an array of 64-bit numbers that both sides map:
 *   0 calls  which calls count, a bit each: 1 write, 2 sync, 4 ftruncate, 8 open
 *   1 from   how many of them pass before the first fails
 *   2 times  how many fail then
 *   3 errno  what they fail with; 0 is a short write: half of the bytes are written, and the next call fails with EIO
 *   4 seen   how many calls were counted since the test set it to 0
 *   5 failed how many of them failed
 *   6 clock  nanoseconds that CLOCK_REALTIME is ahead
 */
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
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CALLS, FROM, TIMES, ERRNO, SEEN, FAILED, CLOCK, NUMBERS };
enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, OPEN = 8 };

static volatile long long *control;
static char dir[4096];
static size_t dir_length;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL"), *below = getenv("FAULTS_DIR");
    if (!path || !below || !realpath(below, dir)) return;
    dir_length = strlen(dir);
    int (*open_file)(const char *, int, ...) = (int (*)(const char *, int, ...))real("open");
    int fd = open_file(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void *map = mmap(NULL, NUMBERS * sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    close(fd);
    control = map;
}

static int below(const char *path) {
    return control && path && strncmp(path, dir, dir_length) == 0 && path[dir_length] == '/';
}

/* The errno that this call fails with, 0 for a short write, -1 when it passes. */
static int fault(int call) {
    if (!(control[CALLS] & call)) return -1;
    long long number = __sync_fetch_and_add(&control[SEEN], 1);
    if (number < control[FROM] || number >= control[FROM] + control[TIMES]) return -1;
    __sync_fetch_and_add(&control[FAILED], 1);
    int error = (int)control[ERRNO];
    if (error == 0 && (call != WRITE || number > control[FROM])) return EIO;
    return error;
}

static int fault_of(int call, int fd) {
    if (!control || !(control[CALLS] & call)) return -1;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return -1;
    path[length] = 0;
    return below(path) ? fault(call) : -1;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*go)(int, const void *, size_t);
    if (!go) go = (ssize_t (*)(int, const void *, size_t))real("write");
    int error = fault_of(WRITE, fd);
    if (error > 0) return refuse(error);
    return go(fd, bytes, error == 0 ? count / 2 : count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    static ssize_t (*go)(int, const void *, size_t, off64_t);
    if (!go) go = (ssize_t (*)(int, const void *, size_t, off64_t))real("pwrite64");
    int error = fault_of(WRITE, fd);
    if (error > 0) return refuse(error);
    return go(fd, bytes, error == 0 ? count / 2 : count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

static int sync_with(const char *name, int fd) {
    int error = fault_of(SYNC, fd);
    return error >= 0 ? refuse(error) : ((int (*)(int))real(name))(fd);
}

int fsync(int fd) { return sync_with("fsync", fd); }
int fdatasync(int fd) { return sync_with("fdatasync", fd); }

int ftruncate64(int fd, off64_t length) {
    int error = fault_of(TRUNCATE, fd);
    return error >= 0 ? refuse(error) : ((int (*)(int, off64_t))real("ftruncate64"))(fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int open_with(const char *name, const char *path, int flags, mode_t mode) {
    int error = below(path) ? fault(OPEN) : -1;
    return error >= 0 ? refuse(error) : ((int (*)(const char *, int, ...))real(name))(path, flags, mode);
}

#define MODE(flags) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_with("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_with("open64", path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*go)(clockid_t, struct timespec *);
    if (!go) go = (int (*)(clockid_t, struct timespec *))real("clock_gettime");
    int result = go(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && control) {
        long long ns = now->tv_nsec + control[CLOCK] % 1000000000;
        now->tv_sec += control[CLOCK] / 1000000000 + (ns >= 1000000000) - (ns < 0);
        now->tv_nsec = ns + (ns < 0 ? 1000000000 : 0) - (ns >= 1000000000 ? 1000000000 : 0);
    }
    return result;
}
