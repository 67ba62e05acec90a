/* LD_PRELOAD library of the durability test: every sync takes 200 ms longer, and SLOW_SYNC_LOG gets a line
 * "<begin> <end>" (nanoseconds since the Unix epoch) once it has returned. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static unsigned long long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (unsigned long long)t.tv_sec * 1000000000ull + (unsigned long long)t.tv_nsec;
}

static int slow(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    unsigned long long began = now();
    usleep(200000);
    int result = real(fd);
    const char *path = getenv("SLOW_SYNC_LOG");
    if (path) {
        int log = open(path, O_WRONLY | O_APPEND);
        if (log >= 0) {
            char line[64];
            int length = snprintf(line, sizeof line, "%llu %llu\n", began, now());
            if (write(log, line, (size_t)length) != length) abort();
            close(log);
        }
    }
    return result;
}

int fsync(int fd) { return slow("fsync", fd); }
int fdatasync(int fd) { return slow("fdatasync", fd); }
