/*
 * Preloaded into `tapesilo serve`: writes down, in order and with the data, every call that changes what is below
 * $POWERCUT_ROOT, and every sync, to the file $POWERCUT_LOG. replay.py makes of it what a loss of power would have left.
 *
 * A record of the log: struct head, then `name` bytes of a path, then `data` bytes (data of a write, or a second path).
 * Times are CLOCK_MONOTONIC, taken before and after the call; records stand in the order in which the calls ended.
 * A file or directory is known by its inode number, so that several descriptors of it are one file. Calls that failed are left out.
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, SYNC, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, FALLOCATE };
enum { DESCRIPTORS = 65536 };

struct head {
    uint32_t magic, kind;
    uint64_t start, end, inode, at;
    uint32_t name, data;
};

static const char *root;
static size_t root_length;
static int log_descriptor = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t inodes[DESCRIPTORS]; /* of descriptors below the root; 0: not ours */

static void die(const char *why)
{
    dprintf(2, "powercut recorder: %s: %s\n", why, strerror(errno));
    abort();
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

__attribute__((constructor)) static void begin(void)
{
    root = getenv("POWERCUT_ROOT");
    const char *path = getenv("POWERCUT_LOG");
    if (!root || !path)
        die("POWERCUT_ROOT and POWERCUT_LOG must be set");
    root_length = strlen(root);
    log_descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_descriptor < 0)
        die(path);
}

static void *real(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        die(name);
    return function;
}
#define REAL(name) \
    static __typeof__(name) *real_##name; \
    if (!real_##name) \
        real_##name = real(#name)

static int is_ours(const char *path)
{
    return path && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static uint64_t inode_of(int descriptor)
{
    return descriptor >= 0 && descriptor < DESCRIPTORS ? inodes[descriptor] : 0;
}

static void all(const void *bytes, size_t length)
{
    while (length) {
        ssize_t written = syscall(SYS_write, log_descriptor, bytes, length);
        if (written <= 0)
            die("cannot write the log");
        bytes = (const char *)bytes + written;
        length -= (size_t)written;
    }
}

static void note(enum kind kind, uint64_t start, uint64_t inode, uint64_t at, const char *name, const void *data, size_t bytes)
{
    int error = errno;
    struct head head = {0x54435750, kind, start, 0, inode, at, (uint32_t)(name ? strlen(name) : 0), (uint32_t)bytes};
    pthread_mutex_lock(&mutex);
    head.end = now();
    all(&head, sizeof head);
    all(name, head.name);
    all(data, bytes);
    pthread_mutex_unlock(&mutex);
    errno = error;
}

/* After an open of one of our paths: which file it is, and whether it was made or emptied by it. */
static int opened(int descriptor, const char *path, int flags, int was_there, uint64_t start)
{
    struct stat status;
    int error = errno;
    if (descriptor >= DESCRIPTORS || (descriptor >= 0 && fstat(descriptor, &status) < 0))
        die("cannot follow a descriptor");
    if (descriptor >= 0) {
        inodes[descriptor] = status.st_ino;
        if ((flags & O_CREAT) && !was_there)
            note(CREATE, start, status.st_ino, 0, path, NULL, 0);
        else if (flags & O_TRUNC)
            note(TRUNCATE, start, status.st_ino, 0, NULL, NULL, 0);
    }
    errno = error;
    return descriptor;
}

#define OPEN(name, call, path) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list list; \
        va_start(list, flags); \
        mode = va_arg(list, mode_t); \
        va_end(list); \
    } \
    REAL(name); \
    if (!is_ours(path)) { \
        int descriptor = call; \
        if (descriptor >= 0 && descriptor < DESCRIPTORS) \
            inodes[descriptor] = 0; \
        return descriptor; \
    } \
    int was_there = faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0; \
    uint64_t start = now(); \
    return opened(call, path, flags, was_there, start)

int open(const char *path, int flags, ...) { OPEN(open, real_open(path, flags, mode), path); }
int open64(const char *path, int flags, ...) { OPEN(open64, real_open64(path, flags, mode), path); }
int openat(int at, const char *path, int flags, ...) { OPEN(openat, real_openat(at, path, flags, mode), path); }
int openat64(int at, const char *path, int flags, ...) { OPEN(openat64, real_openat64(at, path, flags, mode), path); }

int close(int descriptor)
{
    REAL(close);
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        inodes[descriptor] = 0;
    return real_close(descriptor);
}

int fcntl64(int descriptor, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    REAL(fcntl64);
    int result = real_fcntl64(descriptor, command, argument);
    if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && result >= 0 && result < DESCRIPTORS)
        inodes[result] = inode_of(descriptor);
    return result;
}

int fcntl(int descriptor, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fcntl64(descriptor, command, argument);
}

ssize_t write(int descriptor, const void *bytes, size_t length)
{
    REAL(write);
    uint64_t inode = inode_of(descriptor);
    if (!inode)
        return real_write(descriptor, bytes, length);
    off_t at = lseek(descriptor, 0, SEEK_CUR);
    uint64_t start = now();
    ssize_t written = real_write(descriptor, bytes, length);
    if (written > 0)
        note(WRITE, start, inode, (uint64_t)at, NULL, bytes, (size_t)written);
    return written;
}

#define PWRITE(name) \
    ssize_t name(int descriptor, const void *bytes, size_t length, off_t at) \
    { \
        REAL(name); \
        uint64_t inode = inode_of(descriptor), start = now(); \
        ssize_t written = real_##name(descriptor, bytes, length, at); \
        if (inode && written > 0) \
            note(WRITE, start, inode, (uint64_t)at, NULL, bytes, (size_t)written); \
        return written; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

static void note_vector(uint64_t start, uint64_t inode, const struct iovec *parts, int count, ssize_t written, off_t at)
{
    for (int number = 0; number < count && written > 0; number++) {
        size_t bytes = parts[number].iov_len < (size_t)written ? parts[number].iov_len : (size_t)written;
        note(WRITE, start, inode, (uint64_t)at, NULL, parts[number].iov_base, bytes);
        at += (off_t)bytes;
        written -= (ssize_t)bytes;
    }
}

#define PWRITEV(name) \
    ssize_t name(int descriptor, const struct iovec *parts, int count, off_t at) \
    { \
        REAL(name); \
        uint64_t inode = inode_of(descriptor), start = now(); \
        ssize_t written = real_##name(descriptor, parts, count, at); \
        if (inode) \
            note_vector(start, inode, parts, count, written, at); \
        return written; \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    REAL(writev);
    uint64_t inode = inode_of(descriptor);
    off_t at = inode ? lseek(descriptor, 0, SEEK_CUR) : 0;
    uint64_t start = now();
    ssize_t written = real_writev(descriptor, parts, count);
    if (inode)
        note_vector(start, inode, parts, count, written, at);
    return written;
}

/* std::fs::copy: it falls back to reading and writing when the kernel cannot do it alone. */
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags)
{
    REAL(copy_file_range);
    if (inode_of(to)) {
        errno = EXDEV;
        return -1;
    }
    return real_copy_file_range(from, from_at, to, to_at, length, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t length)
{
    static ssize_t (*real_sendfile)(int, int, off64_t *, size_t);
    if (!real_sendfile)
        real_sendfile = real("sendfile64");
    if (inode_of(to)) {
        errno = EINVAL;
        return -1;
    }
    return real_sendfile(to, from, at, length);
}

#define ON_DESCRIPTOR(name, kind) \
    int name(int descriptor) \
    { \
        REAL(name); \
        uint64_t inode = inode_of(descriptor), start = now(); \
        int result = real_##name(descriptor); \
        if (inode && result == 0) \
            note(kind, start, inode, 0, NULL, NULL, 0); \
        return result; \
    }
ON_DESCRIPTOR(fsync, SYNC)
ON_DESCRIPTOR(fdatasync, SYNC)

#define FTRUNCATE(name) \
    int name(int descriptor, off_t length) \
    { \
        REAL(name); \
        uint64_t inode = inode_of(descriptor), start = now(); \
        int result = real_##name(descriptor, length); \
        if (inode && result == 0) \
            note(TRUNCATE, start, inode, (uint64_t)length, NULL, NULL, 0); \
        return result; \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define FALLOCATE_AS(name) \
    int name(int descriptor, int mode, off_t at, off_t length) \
    { \
        REAL(name); \
        uint64_t inode = inode_of(descriptor), start = now(); \
        int result = real_##name(descriptor, mode, at, length); \
        if (inode && result == 0) \
            note(FALLOCATE, start, inode, (uint64_t)(at + length), NULL, &mode, sizeof mode); \
        return result; \
    }
FALLOCATE_AS(fallocate)
FALLOCATE_AS(fallocate64)

static int two_paths(int result, enum kind kind, uint64_t start, const char *from, const char *to)
{
    if (result == 0 && (is_ours(from) || is_ours(to)))
        note(kind, start, 0, 0, from, to, strlen(to));
    return result;
}

static int one_path(int result, enum kind kind, uint64_t start, const char *path)
{
    if (result == 0 && is_ours(path))
        note(kind, start, 0, 0, path, NULL, 0);
    return result;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    uint64_t start = now();
    return two_paths(real_rename(from, to), RENAME, start, from, to);
}

int link(const char *from, const char *to)
{
    REAL(link);
    uint64_t start = now();
    return two_paths(real_link(from, to), LINK, start, from, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    REAL(linkat);
    uint64_t start = now();
    return two_paths(real_linkat(from_at, from, to_at, to, flags), LINK, start, from, to);
}

int unlink(const char *path)
{
    REAL(unlink);
    uint64_t start = now();
    return one_path(real_unlink(path), UNLINK, start, path);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    uint64_t start = now();
    struct stat status;
    int result = real_mkdir(path, mode);
    if (result == 0 && is_ours(path)) {
        if (lstat(path, &status) < 0)
            die(path);
        note(MKDIR, start, status.st_ino, 0, path, NULL, 0);
    }
    return result;
}

int rmdir(const char *path)
{
    REAL(rmdir);
    uint64_t start = now();
    return one_path(real_rmdir(path), RMDIR, start, path);
}
