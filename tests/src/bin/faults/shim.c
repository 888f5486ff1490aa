/* Makes one call of the program fail, or ends the program there. Loaded by LD_PRELOAD, driven by
   the environment:

   FAULT_UNDER=FOLDER  only files below it (and relative names) count
   FAULT_SET=change    calls that change the disk: write fsync rename create mkdir unlink rmdir
             look      calls that look at it: open read stat list
             thread    calls that start a thread
   FAULT_AT=N          the N-th call of the set, counted from 1, ...
   FAULT_DO=kill|EIO|ENOSPC|EAGAIN   ... kills the process, or fails so
   FAULT_STAY=1        and so does each one after it (a delete still works)
   FAULT_BYTES=N       a disk that is full after N more bytes
   FAULT_LOG=FILE      a line a call: set, kind, path; before a write's, its bytes */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum set { CHANGE, LOOK, THREAD };
static const char *const SETS[] = {"change", "look", "thread"};

static const char *under;
static int chosen = -1, stay, log_to = -1, with;
static long at;
static atomic_long seen, room = LONG_MAX;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void) {
    const char *set = getenv("FAULT_SET"), *what = getenv("FAULT_DO"), *log = getenv("FAULT_LOG");
    under = getenv("FAULT_UNDER");
    for (int i = 0; set && i < 3; i++)
        if (!strcmp(set, SETS[i])) chosen = i;
    at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
    stay = getenv("FAULT_STAY") != NULL;
    if (what)
        with = !strcmp(what, "EIO") ? EIO : !strcmp(what, "ENOSPC") ? ENOSPC : !strcmp(what, "EAGAIN") ? EAGAIN : 0;
    if (getenv("FAULT_BYTES")) room = atol(getenv("FAULT_BYTES"));
    if (log) log_to = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int ours(const char *path) {
    pthread_once(&once, begin);
    return under && path && (path[0] != '/' || !strncmp(path, under, strlen(under)));
}

/* The path behind a descriptor, if it is one of ours. */
static const char *behind(int fd, char *path) {
    char link[64];
    pthread_once(&once, begin);
    if (fd <= 2 || fd == log_to) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (n <= 0) return NULL;
    path[n] = 0;
    return path[0] == '/' && ours(path) ? path : NULL;
}

/* Counts a call; whether it fails, with errno set. */
static int strikes(enum set set, const char *kind, const char *path) {
    if (log_to >= 0) {
        char line[PATH_MAX + 64];
        int n = snprintf(line, sizeof line, "%s\t%s\t%s\n", SETS[set], kind, path);
        syscall(SYS_write, log_to, line, (size_t)n);
    }
    if ((int)set != chosen) return 0;
    long number = atomic_fetch_add(&seen, 1) + 1;
    int deletes = kind[0] == 'u' || !strcmp(kind, "rmdir");
    if (number != at && !(stay && number > at && !deletes)) return 0;
    if (with == 0) {
        kill(getpid(), SIGKILL);
        pause();
    }
    errno = with;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_PATH(type, name, set, kind, path, parameters, arguments) \
    type name parameters {                                          \
        static __typeof__(&name) real;                              \
        if (!real) real = REAL(name);                               \
        if (ours(path) && strikes(set, kind, path)) return (type)-1; \
        return real arguments;                                      \
    }
#define ON_FILE(type, name, set, kind, parameters, arguments)                      \
    type name parameters {                                                         \
        static __typeof__(&name) real;                                             \
        char found[PATH_MAX];                                                      \
        if (!real) real = REAL(name);                                              \
        const char *path = behind(fd, found);                                      \
        if (path && strikes(set, kind, path)) return (type)-1;                     \
        return real arguments;                                                     \
    }

ON_PATH(int, rename, CHANGE, "rename", to, (const char *from, const char *to), (from, to))
ON_PATH(int, renameat, CHANGE, "rename", to, (int a, const char *from, int b, const char *to), (a, from, b, to))
ON_PATH(int, renameat2, CHANGE, "rename", to, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
ON_PATH(int, mkdir, CHANGE, "mkdir", path, (const char *path, mode_t mode), (path, mode))
ON_PATH(int, unlink, CHANGE, "unlink", path, (const char *path), (path))
ON_PATH(int, unlinkat, CHANGE, flags ? "rmdir" : "unlink", path, (int fd, const char *path, int flags), (fd, path, flags))
ON_PATH(int, rmdir, CHANGE, "rmdir", path, (const char *path), (path))
ON_PATH(int, statx, LOOK, "stat", path, (int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict to), (fd, path, flags, mask, to))
ON_PATH(int, stat64, LOOK, "stat", path, (const char *restrict path, struct stat64 *restrict to), (path, to))
ON_PATH(int, lstat64, LOOK, "stat", path, (const char *restrict path, struct stat64 *restrict to), (path, to))
ON_FILE(int, fsync, CHANGE, "fsync", (int fd), (fd))
ON_FILE(int, fdatasync, CHANGE, "fsync", (int fd), (fd))
ON_FILE(int, ftruncate64, CHANGE, "write", (int fd, off64_t length), (fd, length))
ON_FILE(ssize_t, read, LOOK, "read", (int fd, void *to, size_t n), (fd, to, n))
ON_FILE(ssize_t, pread64, LOOK, "read", (int fd, void *to, size_t n, off64_t from), (fd, to, n, from))
ON_FILE(ssize_t, readv, LOOK, "read", (int fd, const struct iovec *to, int n), (fd, to, n))
ON_FILE(ssize_t, writev, CHANGE, "write", (int fd, const struct iovec *from, int n), (fd, from, n))

ssize_t write(int fd, const void *from, size_t n) {
    static __typeof__(&write) real;
    char found[PATH_MAX];
    if (!real) real = REAL(write);
    const char *path = behind(fd, found);
    if (!path) return real(fd, from, n);
    if (log_to >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "bytes\t%zu\t-\n", n);
        syscall(SYS_write, log_to, line, (size_t)length);
    }
    if (strikes(CHANGE, "write", path)) return -1;
    long left = atomic_fetch_sub(&room, (long)n);
    if (left <= 0 && n) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, from, (long)n > left ? (size_t)left : n);
}

DIR *opendir(const char *path) {
    static __typeof__(&opendir) real;
    if (!real) real = REAL(opendir);
    if (ours(path) && strikes(LOOK, "list", path)) return NULL;
    return real(path);
}

static int opens(const char *path, int flags) {
    int writes = flags & (O_WRONLY | O_RDWR | O_CREAT);
    return ours(path) && strikes(writes ? CHANGE : LOOK, writes ? "create" : "open", path);
}
#define OPEN(name)                                  \
    int name(const char *path, int flags, ...) {    \
        static __typeof__(&name) real;              \
        va_list more;                               \
        va_start(more, flags);                      \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
        va_end(more);                               \
        if (!real) real = REAL(name);               \
        return opens(path, flags) ? -1 : real(path, flags, mode); \
    }
#define OPENAT(name)                                \
    int name(int fd, const char *path, int flags, ...) { \
        static __typeof__(&name) real;              \
        va_list more;                               \
        va_start(more, flags);                      \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
        va_end(more);                               \
        if (!real) real = REAL(name);               \
        return opens(path, flags) ? -1 : real(fd, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict how, void *(*start)(void *), void *restrict with_it) {
    static __typeof__(&pthread_create) real;
    if (!real) real = REAL(pthread_create);
    pthread_once(&once, begin);
    if (strikes(THREAD, "thread", "-")) return errno;
    return real(thread, how, start, with_it);
}
