// A file system that fails: loaded before the C library (LD_PRELOAD), it counts every write, rename, fsync and the like
// below one folder, and at the count that it was armed for kills the process, interrupts it, or returns an error; or it
// stops at each, with a line about it, so that whoever watches can look at what a kill would leave.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = 1, INTERRUPT, FAIL, FAIL_FROM_NOW_ON, WATCH };

static char root[4096];
static long at = -1;
static int how, error;  // `error`: of FAIL an errno, of INTERRUPT a signal, of WATCH where its lines go
static _Atomic long count;
static _Thread_local const char *target = "";  // of the rename at hand

void faults_arm(const char *folder, long point, int what, int number) {
    strncpy(root, folder, sizeof root - 1);
    at = point;
    how = what;
    error = number;
    count = 0;
}

long faults_count(void) { return count; }

// The report is no part of what a run must not lose: it is written again.
static int of_report(const char *rest) {
    return strncmp(rest, "/report", 7) == 0 || strncmp(rest, "/.partial-report", 16) == 0;
}

static int below(const char *path) {
    return at >= 0 && path && strncmp(path, root, strlen(root)) == 0 && !of_report(path + strlen(root));
}

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t found = readlink(link, path, size - 1);
    if (found < 0) return 0;
    path[found] = 0;
    return 1;
}

static int below_fd(int fd) {
    char path[4096];
    return at >= 0 && path_of(fd, path, sizeof path) && below(path);
}

// 1: do not do it, errno is set. Does not return where the process is to die.
static int struck(const char *call, int fd, const char *path) {
    char found[4096];
    long now = ++count;
    if (how == WATCH) {
        if (!path) path = path_of(fd, found, sizeof found) ? found : "?";
        dprintf(error, "%s\t%s\t%s\n", call, path, target);
        target = "";
        kill(getpid(), SIGSTOP);
        return 0;
    }
    if (now != at && !(how == FAIL_FROM_NOW_ON && now > at)) return 0;
    if (how == KILL) {
        kill(getpid(), SIGKILL);
        pause();
    }
    if (how == INTERRUPT) {
        kill(getpid(), error);
        return 0;
    }
    errno = error;
    return 1;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

// A write that is killed has written half.
ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (below_fd(fd)) {
        if (how == KILL && count + 1 == at) real(fd, data, size / 2);
        if (struck("write", fd, NULL)) return -1;
    }
    return real(fd, data, size);
}

ssize_t writev(int fd, const struct iovec *parts, int many) {
    REAL(writev);
    if (below_fd(fd) && struck("writev", fd, NULL)) return -1;
    return real(fd, parts, many);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t place) {
    REAL(pwrite);
    if (below_fd(fd) && struck("pwrite", fd, NULL)) return -1;
    return real(fd, data, size, place);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t place) {
    REAL(pwrite64);
    if (below_fd(fd) && struck("pwrite", fd, NULL)) return -1;
    return real(fd, data, size, place);
}

#define OF_FD(name, declared, ...)                    \
    int name declared {                               \
        REAL(name);                                   \
        if (below_fd(fd) && struck(#name, fd, NULL)) return -1; \
        return real(__VA_ARGS__);                     \
    }
// `where`: to which a rename is.
#define OF_PATH(name, declared, where, ...)                                   \
    int name declared {                                                       \
        REAL(name);                                                           \
        if (below(path) && (target = where, struck(#name, 0, path))) return -1; \
        return real(__VA_ARGS__);                                             \
    }
// Calls with a folder's handle: the path may be relative to it.
#define OF_EITHER(name, declared, where, ...)                                         \
    int name declared {                                                               \
        REAL(name);                                                                   \
        if (path[0] == '/' ? below(path) && (target = where, struck(#name, 0, path))  \
                           : below_fd(fd) && (target = where, struck(#name, fd, NULL))) \
            return -1;                                                                \
        return real(__VA_ARGS__);                                                     \
    }

OF_FD(fsync, (int fd), fd)
OF_FD(fdatasync, (int fd), fd)
OF_FD(ftruncate, (int fd, off_t size), fd, size)
OF_FD(ftruncate64, (int fd, off64_t size), fd, size)
OF_PATH(rename, (const char *path, const char *to), to, path, to)
OF_PATH(unlink, (const char *path), "", path)
OF_PATH(rmdir, (const char *path), "", path)
OF_PATH(mkdir, (const char *path, mode_t mode), "", path, mode)
OF_EITHER(renameat, (int fd, const char *path, int other, const char *to), to, fd, path, other, to)
OF_EITHER(renameat2, (int fd, const char *path, int other, const char *to, unsigned flags), to, fd, path, other, to, flags)
OF_EITHER(unlinkat, (int fd, const char *path, int flags), "", fd, path, flags)
OF_EITHER(mkdirat, (int fd, const char *path, mode_t mode), "", fd, path, mode)
