// A clock that runs backwards: loaded before the C library (LD_PRELOAD), it takes an hour off the time of day for every
// second that has gone by. How long things take (CLOCK_MONOTONIC) stays as it is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

typedef int (*Clock)(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *now) {
    static Clock real;
    static double start;
    struct timespec passed;
    if (!real) real = (Clock)dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (failed || clock != CLOCK_REALTIME || real(CLOCK_MONOTONIC, &passed)) return failed;
    double seconds = passed.tv_sec + passed.tv_nsec / 1e9;
    if (!start) start = seconds;
    now->tv_sec -= (time_t)(3600 * (seconds - start));
    return 0;
}
