/*
 * Turns the clock of a program that is started with this library in LD_PRELOAD: the file that CLOCK names holds, as eight
 * bytes, by how many seconds. It may change while the program runs. (libfaketime does the same for most programs, but not
 * for one that has jemalloc built in.)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *turned;

__attribute__((constructor)) static void open_clock(void) {
    int file = open(getenv("CLOCK"), O_RDONLY);
    void *page = mmap(NULL, sizeof *turned, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) abort();
    turned = page;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, which, now);
    if (!failed && which == CLOCK_REALTIME && turned) now->tv_sec += *turned;
    return (int)failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}
