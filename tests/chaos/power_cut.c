/* Writes down, in one order over all processes, what is done to files below $POWER_CUT_UNDER into $POWER_CUT_LOG.
 *
 * Preloaded into the daemon and its children (tests/chaos/power_cut.py reads the log). It changes nothing that it
 * sees. A record is a head, one or two paths, and the bytes; it is written while a lock is held over the operation
 * itself, so the log's order is the order in which things happened.
 *
 * A file is known by its inode, so it does not matter who opened it or how. Memory maps leave no trace here:
 * SQLite's -shm is one, and a power cut leaves nothing of it that counts.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct head {
    uint32_t kind;
    uint32_t path, other; /* lengths */
    uint32_t data;
    uint64_t inode;
    int64_t offset; /* of a write; the length of a truncation */
};

static const char *under;
static size_t under_length;
static int log_file = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("POWER_CUT_LOG");
    under = getenv("POWER_CUT_UNDER");
    if (path == NULL || under == NULL) return;
    under_length = strlen(under);
    log_file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_file >= 0) { /* far from the low numbers, which a child may take for its own */
        int high = fcntl(log_file, F_DUPFD_CLOEXEC, 500);
        syscall(SYS_close, log_file);
        log_file = high;
    }
}

static int ours(const char *path) {
    return log_file >= 0 && strncmp(path, under, under_length) == 0 && path[under_length] == '/';
}

static void hold(void) {
    pthread_mutex_lock(&mutex);
    while (flock(log_file, LOCK_EX) < 0 && errno == EINTR);
}

static void let_go(void) {
    flock(log_file, LOCK_UN);
    pthread_mutex_unlock(&mutex);
}

static void record(char kind, const char *path, const char *other, uint64_t inode, int64_t offset, const void *data,
                   size_t length) {
    struct head head = {(uint32_t)kind, strlen(path), strlen(other), length, inode, offset};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)other, head.other}, {(void *)data, length}};
    size_t whole = sizeof head + head.path + head.other + length;
    /* A log with a hole would prove nothing: rather end loudly. */
    if (syscall(SYS_writev, log_file, parts, 4) != (long)whole) abort();
}

/* The path behind a descriptor, when it is below the folder that counts. */
static int watched(int fd, char *path, struct stat *about) {
    char link[64];
    if (log_file < 0 || fd == log_file) return 0;
    int kept = errno, found = 0;
    if (fstat(fd, about) == 0 && (S_ISREG(about->st_mode) || S_ISDIR(about->st_mode))) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, PATH_MAX - 1);
        if (length > 0) {
            path[length] = 0;
            found = ours(path);
        }
    }
    errno = kept;
    return found;
}

static void whole_path(int folder, const char *path, char *whole) {
    char link[64];
    ssize_t length = 0;
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
        return;
    }
    if (folder == AT_FDCWD) {
        if (getcwd(whole, PATH_MAX) == NULL) whole[0] = 0;
        length = strlen(whole);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        length = readlink(link, whole, PATH_MAX - 1);
        if (length < 0) length = 0;
    }
    snprintf(whole + length, PATH_MAX - length, "/%s", path);
}

#define REAL(result, name, ...)                                       \
    static result (*real)(__VA_ARGS__);                               \
    if (real == NULL) real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* Opening: what may make or empty a file */

static void opened(int fd, int emptied) {
    char path[PATH_MAX];
    struct stat about;
    if (fd >= 0 && watched(fd, path, &about)) record('O', path, "", about.st_ino, emptied, NULL, 0);
}

static int open_at(int folder, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    int fd, counts = 0;
    if (log_file >= 0 && (flags & (O_CREAT | O_TRUNC))) {
        whole_path(folder, name, path);
        counts = ours(path);
    }
    if (counts) hold();
    fd = syscall(SYS_openat, folder, name, flags | O_LARGEFILE, mode);
    if (counts) {
        int kept = errno;
        opened(fd, (flags & O_TRUNC) != 0);
        let_go();
        errno = kept;
    }
    return fd;
}

#define MODE(last)                              \
    mode_t mode = 0;                            \
    if (flags & (O_CREAT | __O_TMPFILE)) {      \
        va_list rest;                           \
        va_start(rest, last);                   \
        mode = va_arg(rest, mode_t);            \
        va_end(rest);                           \
    }

int open(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_at(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return open_at(folder, name, flags, mode); }
int __open_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }
int __open64_2(const char *name, int flags) { return open_at(AT_FDCWD, name, flags, 0); }
int creat(const char *name, mode_t mode) { return open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return open_at(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }

/* std::ofstream opens through stdio and then writes to the descriptor: hnswlib's way. */
static FILE *file_opened(FILE *file, const char *how, int counts) {
    int kept = errno;
    if (file != NULL && counts) opened(fileno(file), how[0] == 'w');
    if (counts) let_go();
    errno = kept;
    return file;
}

static int may_make(const char *name, const char *how) {
    char path[PATH_MAX];
    if (log_file < 0 || how[0] == 'r') return 0;
    whole_path(AT_FDCWD, name, path);
    if (!ours(path)) return 0;
    hold();
    return 1;
}

FILE *fopen(const char *name, const char *how) {
    REAL(FILE *, "fopen", const char *, const char *);
    int counts = may_make(name, how);
    return file_opened(real(name, how), how, counts);
}

FILE *fopen64(const char *name, const char *how) {
    REAL(FILE *, "fopen64", const char *, const char *);
    int counts = may_make(name, how);
    return file_opened(real(name, how), how, counts);
}

/* Writing */

#define WRITING(call, start)                                                                 \
    char path[PATH_MAX];                                                                     \
    struct stat about;                                                                       \
    ssize_t done;                                                                            \
    if (!watched(fd, path, &about)) return call;                                             \
    hold();                                                                                  \
    done = call;                                                                             \
    int kept = errno;                                                                        \
    if (done > 0) record('W', path, "", about.st_ino, start, data, (size_t)done);            \
    let_go();                                                                                \
    errno = kept;                                                                            \
    return done;

ssize_t write(int fd, const void *data, size_t length) {
    WRITING(syscall(SYS_write, fd, data, length), lseek(fd, 0, SEEK_CUR) - done)
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    WRITING(syscall(SYS_pwrite64, fd, data, length, offset), offset)
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    WRITING(syscall(SYS_pwrite64, fd, data, length, offset), offset)
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(fd, path, &about)) return syscall(SYS_writev, fd, parts, count);
    ssize_t whole = 0;
    for (int i = 0; i < count; i++) { /* one after the other: as good, and easier to write down */
        ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) return whole ? whole : done;
        whole += done;
        if ((size_t)done < parts[i].iov_len) break;
    }
    return whole;
}

static int truncated(int fd, off64_t length) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(fd, path, &about)) return syscall(SYS_ftruncate, fd, length);
    hold();
    int done = syscall(SYS_ftruncate, fd, length), kept = errno;
    if (done == 0) record('T', path, "", about.st_ino, length, NULL, 0);
    let_go();
    errno = kept;
    return done;
}
int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncated(fd, length); }

/* Syncing */

static int synced(int fd, long number) {
    char path[PATH_MAX];
    struct stat about;
    if (!watched(fd, path, &about)) return syscall(number, fd);
    hold();
    int done = syscall(number, fd), kept = errno;
    if (done == 0) record(S_ISDIR(about.st_mode) ? 'F' : 'S', path, "", about.st_ino, 0, NULL, 0);
    let_go();
    errno = kept;
    return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* Names */

#define NAMING(kind, call, first, second)                          \
    int counts = log_file >= 0 && (ours(first) || ours(second));   \
    if (counts) hold();                                            \
    int done = call, kept = errno;                                 \
    if (counts) {                                                  \
        if (done == 0) record(kind, first, second, 0, 0, NULL, 0); \
        let_go();                                                  \
    }                                                              \
    errno = kept;                                                  \
    return done;

int renameat(int from, const char *old, int to, const char *new) {
    char first[PATH_MAX] = "", second[PATH_MAX] = "";
    if (log_file >= 0) whole_path(from, old, first), whole_path(to, new, second);
    NAMING('R', syscall(SYS_renameat2, from, old, to, new, 0), first, second)
}
int rename(const char *old, const char *new) { return renameat(AT_FDCWD, old, AT_FDCWD, new); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char first[PATH_MAX] = "", second[PATH_MAX] = "";
    if (log_file >= 0) whole_path(from, old, first), whole_path(to, new, second);
    NAMING('L', syscall(SYS_linkat, from, old, to, new, flags), first, second)
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

int unlinkat(int folder, const char *name, int flags) {
    char first[PATH_MAX] = "";
    if (log_file >= 0) whole_path(folder, name, first);
    NAMING(flags & AT_REMOVEDIR ? 'D' : 'U', syscall(SYS_unlinkat, folder, name, flags), first, "")
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) { return unlinkat(AT_FDCWD, name, 0) == 0 || (errno == EISDIR && rmdir(name) == 0) ? 0 : -1; }

int mkdirat(int folder, const char *name, mode_t mode) {
    char first[PATH_MAX] = "";
    if (log_file >= 0) whole_path(folder, name, first);
    NAMING('M', syscall(SYS_mkdirat, folder, name, mode), first, "")
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }
