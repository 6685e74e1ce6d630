/* The first part of our AppImage: an ELF program that finds the squashfs behind itself and starts what is in it.
 *
 * AppImage type 2 (github.com/AppImage/AppImageSpec) asks for this: ELF, the bytes "AI" 2 at offset 8, a squashfs
 * at the end of the ELF. Others' runtimes mount it with FUSE, which many desktops of today no longer bring along;
 * this one unpacks it once into the user's cache (about a second), and starts from there ever after.
 *
 * --appimage-offset   where the squashfs begins
 * --appimage-extract  unpack into ./squashfs-root
 * --appimage-forget   remove what was unpacked into the cache
 *
 * Environment given to the program: APPIMAGE (this file), APPDIR (where it was unpacked), ARGV0.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <squashfuse/squashfuse.h>

static void fail(const char *what, ...) {
    va_list rest;
    int error = errno;
    fputs("open-proctor: ", stderr);
    va_start(rest, what);
    vfprintf(stderr, what, rest);
    va_end(rest);
    if (error) fprintf(stderr, " (%s)", strerror(error));
    fputs(".\n", stderr);
    exit(3);
}

/* Where the ELF ends: after its table of sections, which is last in what our linker writes. */
static off_t elf_end(int file) {
    Elf64_Ehdr head;
    if (pread(file, &head, sizeof head, 0) != sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        fail("this file is damaged: it has no ELF header");
    off_t end = head.e_shoff + (off_t)head.e_shentsize * head.e_shnum;
    for (int i = 0; i < head.e_shnum; i++) {
        Elf64_Shdr part;
        off_t at = head.e_shoff + (off_t)head.e_shentsize * i;
        if (pread(file, &part, sizeof part, at) != sizeof part) fail("this file is damaged: it ends too early");
        if (part.sh_type != SHT_NOBITS && (off_t)(part.sh_offset + part.sh_size) > end)
            end = part.sh_offset + part.sh_size;
    }
    return end;
}

static void write_file(sqfs *fs, sqfs_inode *inode, const char *path) {
    static char buffer[1 << 20];
    int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, inode->base.mode & 0777);
    if (out < 0) fail("%s cannot be written", path);
    uint64_t size = inode->xtra.reg.file_size;
    for (uint64_t done = 0; done < size;) {
        sqfs_off_t part = sizeof buffer;
        if (sqfs_read_range(fs, inode, done, &part, buffer) != SQFS_OK || part <= 0) {
            errno = 0;
            fail("this file is damaged: %s cannot be unpacked", path);
        }
        for (sqfs_off_t put = 0; put < part;) {
            ssize_t now = write(out, buffer + put, part - put);
            if (now < 0) fail("%s cannot be written", path);
            put += now;
        }
        done += part;
    }
    if (close(out) != 0) fail("%s cannot be written", path);
}

static void unpack(sqfs *fs, const char *target) {
    sqfs_traverse walk;
    char path[PATH_MAX];
    if (mkdir(target, 0700) != 0) fail("%s cannot be made", target);
    if (sqfs_traverse_open(&walk, fs, sqfs_inode_root(fs)) != SQFS_OK) fail("this file is damaged: no tree in it");
    sqfs_err error = SQFS_OK;
    while (sqfs_traverse_next(&walk, &error)) {
        if (walk.dir_end) continue;
        sqfs_inode inode;
        if (snprintf(path, sizeof path, "%s/%s", target, walk.path) >= (int)sizeof path) fail("a path is too long");
        if (sqfs_inode_get(fs, &inode, sqfs_dentry_inode(&walk.entry)) != SQFS_OK) fail("this file is damaged");
        if (S_ISDIR(inode.base.mode)) {
            if (mkdir(path, 0755) != 0) fail("%s cannot be made", path);
        } else if (S_ISREG(inode.base.mode)) {
            write_file(fs, &inode, path);
        } else if (S_ISLNK(inode.base.mode)) {
            char to[PATH_MAX];
            size_t size = sizeof to;
            if (sqfs_readlink(fs, &inode, to, &size) != SQFS_OK || symlink(to, path) != 0)
                fail("%s cannot be made", path);
        }
    }
    if (error != SQFS_OK) fail("this file is damaged: its tree breaks off");
    sqfs_traverse_close(&walk);
}

static int remove_one(const char *path, const struct stat *is, int kind, struct FTW *where) {
    (void)is, (void)kind, (void)where;
    return remove(path);
}

static void forget(const char *folder) {
    if (access(folder, F_OK) == 0 && nftw(folder, remove_one, 32, FTW_DEPTH | FTW_PHYS) != 0)
        fail("%s cannot be removed", folder);
}

static void join(char *path, const char *first, const char *second) {
    if (snprintf(path, PATH_MAX, "%s%s", first, second) >= PATH_MAX) fail("a path is too long");
}

/* The user's cache for us, made if it is not there. */
static void cache_folder(char *path) {
    const char *named = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (named && *named == '/') join(path, named, "");
    else if (home && *home == '/') join(path, home, "/.cache");
    else { errno = 0; fail("neither XDG_CACHE_HOME nor HOME names a folder to unpack into"); }
    mkdir(path, 0700);
    strncat(path, "/open-proctor", PATH_MAX - strlen(path) - 1);
    mkdir(path, 0700);
    strncat(path, "/appimage", PATH_MAX - strlen(path) - 1);
}

int main(int count, char **words) {
    char self[PATH_MAX], cache[PATH_MAX], place[PATH_MAX], part[PATH_MAX], lock[PATH_MAX], run[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) fail("/proc is not here, so this file cannot find itself");
    self[length] = 0;
    int file = open(self, O_RDONLY | O_CLOEXEC);
    struct stat is;
    if (file < 0 || fstat(file, &is) != 0) fail("%s cannot be read", self);
    off_t offset = elf_end(file);
    const char *asked = count > 1 ? words[1] : "";
    if (strcmp(asked, "--appimage-offset") == 0) {
        printf("%lld\n", (long long)offset);
        return 0;
    }
    cache_folder(cache);
    if (strcmp(asked, "--appimage-forget") == 0) {
        forget(cache);
        return 0;
    }
    sqfs fs;
    errno = 0;
    if (sqfs_init(&fs, file, offset) != SQFS_OK) fail("this file is damaged: no squashfs follows the program");
    if (strcmp(asked, "--appimage-extract") == 0) {
        unpack(&fs, "squashfs-root");
        return 0;
    }
    if (mkdir(cache, 0700) != 0 && errno != EEXIST) fail("%s cannot be made", cache);
    /* The squashfs's digest, known when this was compiled, names its place: another version has another. */
    join(place, cache, "/" DIGEST);
    join(part, place, ".part");
    join(lock, place, ".lock");
    int held = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (held < 0 || flock(held, LOCK_EX) != 0) fail("%s cannot be locked", lock);
    if (access(place, F_OK) != 0) {
        forget(part);
        unpack(&fs, part);
        if (rename(part, place) != 0) fail("%s cannot be made", place);
    }
    close(held);
    join(run, place, "/AppRun");
    setenv("APPIMAGE", self, 1);
    setenv("APPDIR", place, 1);
    setenv("ARGV0", words[0], 1);
    words[0] = run;
    errno = 0;
    execv(run, words);
    fail("%s cannot be started", run);
}
