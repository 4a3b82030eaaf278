// File operations for a client that has no shell on this side. They run in a helper, one at a time and blocking: a slow
// file system then holds up that one operation, the pipe to the agent gives it the same credit as any command's output,
// and giving it up is killing the helper.
#include "files.h"
#include "orders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { CHUNK = 65536, MAX_DEPTH = 512 }; // depth costs one descriptor each; the usual limit is 1,024 or more

static uint8_t chunk[CHUNK];

static int write_all(int fd, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    // The agent closed the pipe: the client does not want the rest.
    if (written < 0) return errno == EPIPE ? ECANCELED : errno;
    bytes += written;
    length -= (size_t)written;
  }
  return 0;
}

// NONBLOCK: opening a FIFO must not wait for its other end. Reading one then ends at once, as an empty file does.
static int open_file(const char *path, int flags, mode_t mode) { return open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode); }

static int read_file(const struct file *file, int pipe, uint64_t *count) {
  int fd = open_file(file->path, O_RDONLY, 0);
  if (fd < 0) return errno;
  int error = 0;
  struct stat status;
  if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) error = EISDIR;
  else if (file->offset > 0 && lseek(fd, (off_t)file->offset, SEEK_SET) < 0) error = errno;
  while (error == 0 && *count < file->length) {
    uint64_t left = file->length - *count;
    ssize_t got = read(fd, chunk, left < CHUNK ? left : CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    error = write_all(pipe, chunk, (size_t)got);
    *count += (uint64_t)got;
  }
  close(fd);
  return error;
}

static int write_file(const struct file *file, int pipe, uint64_t *count) {
  int flags = O_WRONLY;
  if (file->flags & WRITE_CREATE) flags |= O_CREAT;
  if (file->flags & WRITE_EXCLUSIVE) flags |= O_CREAT | O_EXCL;
  if (file->flags & WRITE_APPEND) flags |= O_APPEND;
  if (file->flags & WRITE_TRUNCATE) flags |= O_TRUNC;
  int fd = open_file(file->path, flags, (mode_t)file->mode);
  if (fd < 0) return errno;
  // Back to blocking: a FIFO or device that is full is waited for, not an error.
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  int error = 0;
  if (file->offset != UINT64_MAX && lseek(fd, (off_t)file->offset, SEEK_SET) < 0) error = errno;
  while (error == 0) {
    ssize_t got = read(pipe, chunk, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    error = write_all(fd, chunk, (size_t)got);
    if (error == 0) *count += (uint64_t)got;
  }
  if (error == 0 && file->flags & WRITE_SYNC && fsync(fd) < 0) error = errno;
  if (close(fd) < 0 && error == 0) error = errno; // some file systems say only here that there is no room
  return error;
}

static int copy_file(const struct file *file, uint64_t *count) {
  int from = open_file(file->path, O_RDONLY, 0);
  if (from < 0) return errno;
  struct stat status, target;
  int error = fstat(from, &status) < 0 ? errno : S_ISREG(status.st_mode) ? 0 : S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  int to = -1;
  if (error == 0) {
    // Not truncated before it is known that it is not the source itself.
    to = open_file(file->other, O_WRONLY | O_CREAT | (file->flags & 1 ? O_EXCL : 0), status.st_mode & 0777);
    if (to < 0) error = errno;
    else if (fstat(to, &target) < 0) error = errno;
    else if (target.st_dev == status.st_dev && target.st_ino == status.st_ino) error = EINVAL;
    else if (ftruncate(to, 0) < 0 && S_ISREG(target.st_mode)) error = errno;
  }
  while (error == 0) {
    ssize_t got = read(from, chunk, CHUNK);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = errno;
    if (got <= 0) break;
    error = write_all(to, chunk, (size_t)got);
    *count += (uint64_t)got;
  }
  if (error == 0 && fchmod(to, status.st_mode & 07777) < 0) error = errno;
  if (to >= 0 && close(to) < 0 && error == 0) error = errno;
  close(from);
  return error;
}

static uint8_t type_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return 1;
    case S_IFDIR: return 2;
    case S_IFLNK: return 3;
    case S_IFIFO: return 4;
    case S_IFSOCK: return 5;
    case S_IFCHR: return 6;
    case S_IFBLK: return 7;
    default: return 0;
  }
}

struct listing {
  int pipe;
  bool recursive;
  uint64_t count;
  size_t used; // of `chunk`, where entries gather until they are worth a write
  char path[PATH_MAX];
};

static int flush_listing(struct listing *listing) {
  int error = write_all(listing->pipe, chunk, listing->used);
  listing->used = 0;
  return error;
}

// The type comes with the entry on most file systems; only where it does not is the file itself asked.
static uint8_t entry_type(int directory, const struct dirent *entry) {
  struct stat status;
  switch (entry->d_type) {
    case DT_REG: return 1;
    case DT_DIR: return 2;
    case DT_LNK: return 3;
    default: return fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? type_of(status.st_mode) : 0;
  }
}

static bool is_dot(const char *name) { return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0')); }

static int list_directory(struct listing *listing, int fd, size_t prefix, int depth) {
  DIR *directory = fdopendir(fd);
  if (directory == NULL) {
    int error = errno;
    close(fd);
    return error;
  }
  int error = 0;
  while (error == 0) {
    errno = 0;
    struct dirent *entry = readdir(directory);
    if (entry == NULL) {
      error = errno;
      break;
    }
    if (is_dot(entry->d_name)) continue;
    size_t length = strlen(entry->d_name);
    if (prefix + length + 2 > sizeof listing->path) {
      error = ENAMETOOLONG;
      break;
    }
    memcpy(listing->path + prefix, entry->d_name, length + 1);
    uint8_t type = entry_type(fd, entry);
    if (listing->used + PATH_MAX + 8 > CHUNK) error = flush_listing(listing);
    struct frame frame = {.start = chunk, .at = chunk + listing->used};
    put_u8(&frame, type);
    put_text(&frame, listing->path);
    listing->used = (size_t)(frame.at - chunk);
    listing->count++;
    if (!listing->recursive || type != 2 || error) continue;
    int below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0) {
      // Gone or replaced meanwhile is no error of the listing.
      if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) error = errno;
      continue;
    }
    listing->path[prefix + length] = '/';
    if (depth == MAX_DEPTH) {
      close(below);
      error = ELOOP;
    } else {
      error = list_directory(listing, below, prefix + length + 1, depth + 1);
    }
  }
  closedir(directory);
  return error;
}

static int list(const struct file *file, int pipe, uint64_t *count) {
  static struct listing listing;
  memset(&listing, 0, sizeof listing);
  listing.pipe = pipe;
  listing.recursive = file->flags & 1;
  int fd = open(file->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = list_directory(&listing, fd, 0, 0);
  if (error == 0) error = flush_listing(&listing);
  *count = listing.count;
  return error;
}

static int64_t nanoseconds(int64_t seconds, uint32_t rest) { return seconds * 1000000000 + rest; }

static int put_stat(const struct file *file, struct frame *result) {
  struct stat status;
  int flags = file->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0;
  if (fstatat(AT_FDCWD, file->path, &status, flags) < 0) return errno;
  int64_t birth = INT64_MIN;
#ifdef SYS_statx
  // libc's struct has no birth time; the kernel's layout is fixed: stx_btime is at offset 80, its bit in stx_mask 0x800.
  _Alignas(8) uint8_t raw[256] = {0};
  if (syscall(SYS_statx, AT_FDCWD, file->path, flags, 0x800, raw) == 0) {
    uint32_t mask, rest;
    int64_t seconds;
    memcpy(&mask, raw, 4);
    memcpy(&seconds, raw + 80, 8);
    memcpy(&rest, raw + 88, 4);
    if (mask & 0x800) birth = nanoseconds(seconds, rest);
  }
#endif
  put_u32(result, type_of(status.st_mode));
  put_u32(result, status.st_mode & 07777);
  put_u32(result, status.st_uid);
  put_u32(result, status.st_gid);
  put_u64(result, (uint64_t)status.st_size);
  put_u64(result, status.st_dev);
  put_u64(result, status.st_ino);
  put_u32(result, (uint32_t)status.st_nlink);
  put_u32(result, (uint32_t)status.st_blksize);
  put_u64(result, (uint64_t)status.st_blocks);
  put_u64(result, (uint64_t)nanoseconds(status.st_atim.tv_sec, (uint32_t)status.st_atim.tv_nsec));
  put_u64(result, (uint64_t)nanoseconds(status.st_mtim.tv_sec, (uint32_t)status.st_mtim.tv_nsec));
  put_u64(result, (uint64_t)nanoseconds(status.st_ctim.tv_sec, (uint32_t)status.st_ctim.tv_nsec));
  put_u64(result, (uint64_t)birth);
  return 0;
}

static int make_directory(const struct file *file) {
  if (!(file->flags & 1)) return mkdir(file->path, (mode_t)file->mode) < 0 ? errno : 0;
  char path[PATH_MAX];
  if (strlen(file->path) >= sizeof path) return ENAMETOOLONG;
  strcpy(path, file->path);
  struct stat status;
  for (char *at = path;; at++) {
    at = strchr(at + (*at == '/'), '/');
    if (at) *at = '\0';
    // Whether it exists matters, not why it could not be made: a parent may be read-only and there.
    if (mkdir(path, (mode_t)file->mode) < 0) {
      int error = errno;
      if (stat(path, &status) < 0) return error == EEXIST ? ENOTDIR : error;
      if (!S_ISDIR(status.st_mode)) return at ? ENOTDIR : EEXIST;
    }
    if (at == NULL) return 0;
    *at = '/';
    if (at[1] == '\0') return 0;
  }
}

// By descriptors, not by path: renamed directories or planted symlinks cannot lead it elsewhere.
static int remove_inside(int parent, const char *name, int depth) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno;
  DIR *directory = fdopendir(fd);
  int error = directory == NULL ? errno : depth == MAX_DEPTH ? ELOOP : 0;
  // A file system may skip entries when others are removed meanwhile: start over until a pass removed none.
  bool removed = true;
  while (error == 0 && removed) {
    removed = false;
    rewinddir(directory);
    for (struct dirent *entry; error == 0 && (entry = readdir(directory)) != NULL;) {
      if (is_dot(entry->d_name)) continue;
      if (unlinkat(fd, entry->d_name, 0) < 0) {
        error = errno;
        if (error == EISDIR || error == EPERM) error = remove_inside(fd, entry->d_name, depth + 1);
        if (error == ENOTDIR) error = EPERM; // it is no directory: unlink's own answer stands
        if (error == 0 && unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0) error = errno;
        if (error == ENOENT) error = 0;
      }
      removed = true;
    }
  }
  if (directory) closedir(directory);
  else close(fd);
  return error;
}

static int remove_path(const struct file *file) {
  int error = 0;
  if (unlink(file->path) < 0) {
    error = errno;
    if ((error == EISDIR || error == EPERM) && file->flags & REMOVE_RECURSIVE) {
      error = remove_inside(AT_FDCWD, file->path, 0);
      if (error == ENOTDIR) error = EPERM;
      if (error == 0 && rmdir(file->path) < 0) error = errno;
    }
  }
  return error == ENOENT && file->flags & REMOVE_FORCE ? 0 : error;
}

static int set_times(const struct file *file) {
  struct timespec times[2];
  const uint64_t given[2] = {file->offset, file->length};
  for (int i = 0; i < 2; i++) {
    int64_t value = (int64_t)given[i];
    int64_t rest = value % 1000000000;
    if (rest < 0) rest += 1000000000; // before 1970 the fraction still counts forwards
    times[i] = (struct timespec){.tv_sec = (value - rest) / 1000000000, .tv_nsec = rest};
  }
  return utimensat(AT_FDCWD, file->path, times, 0) < 0 ? errno : 0;
}

static int make_temporary(const struct file *file, struct frame *result) {
  const char *parent = *file->path ? file->path : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
  char path[PATH_MAX];
  if (strchr(file->other, '/')) return EINVAL;
  if ((size_t)snprintf(path, sizeof path, "%s/%sXXXXXX", parent, file->other) >= sizeof path) return ENAMETOOLONG;
  if (file->op == FILE_MKDTEMP) {
    if (mkdtemp(path) == NULL) return errno;
  } else {
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) return errno;
    close(fd);
  }
  put_text(result, path);
  return 0;
}

static int read_link(const struct file *file, struct frame *result) {
  char target[PATH_MAX + 1];
  ssize_t length = readlink(file->path, target, PATH_MAX);
  if (length < 0) return errno;
  target[length] = '\0';
  put_text(result, target);
  return 0;
}

static int real_path(const struct file *file, struct frame *result) {
  char path[PATH_MAX];
  if (realpath(file->path, path) == NULL) return errno;
  put_text(result, path);
  return 0;
}

static int error_of(int outcome) { return outcome < 0 ? errno : 0; }

int file_run(const struct file *file, int pipe, uint8_t *result, size_t *result_length) {
  struct frame frame = {.start = result, .at = result};
  uint64_t count = 0;
  int error;
  switch (file->op) {
    case FILE_READ: error = read_file(file, pipe, &count); break;
    case FILE_WRITE: error = write_file(file, pipe, &count); break;
    case FILE_LIST: error = list(file, pipe, &count); break;
    case FILE_COPY: error = copy_file(file, &count); break;
    case FILE_STAT: error = put_stat(file, &frame); break;
    case FILE_MKDIR: error = make_directory(file); break;
    case FILE_REMOVE: error = remove_path(file); break;
    case FILE_RENAME: error = error_of(rename(file->path, file->other)); break;
    case FILE_SYMLINK: error = error_of(symlink(file->path, file->other)); break;
    case FILE_LINK: error = error_of(link(file->path, file->other)); break;
    case FILE_READLINK: error = read_link(file, &frame); break;
    case FILE_REALPATH: error = real_path(file, &frame); break;
    case FILE_CHMOD: error = error_of(chmod(file->path, (mode_t)file->mode)); break;
    case FILE_CHOWN:
      error = error_of(fchownat(AT_FDCWD, file->path, file->uid, file->gid, file->flags & 1 ? AT_SYMLINK_NOFOLLOW : 0));
      break;
    case FILE_UTIMES: error = set_times(file); break;
    case FILE_TRUNCATE: error = error_of(truncate(file->path, (off_t)file->length)); break;
    case FILE_ACCESS: error = error_of(access(file->path, file->flags)); break; // the bits are R_OK, W_OK, X_OK
    default: error = make_temporary(file, &frame);
  }
  if (file->op == FILE_READ || file->op == FILE_WRITE || file->op == FILE_LIST || file->op == FILE_COPY) put_u64(&frame, count);
  *result_length = (size_t)(frame.at - result);
  return error;
}
