// Modes and owners of files: the stat, chmod, chown, access, umask and open families over the host's functions.
//
// wasi-libc keeps path lookup (its table of pre-opened directories and its emulated working directory); what it does
// once a path has become a descriptor and a relative path is replaced here. Functions that stand alone in libc.a are
// simply defined; those that share an object file with others are taken over by the linker (-Wl,--wrap).
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/libc-find-relpath.h>
#include <wasi/libc.h>

int __wasilibc_nocwd_mkdirat_nomode(int fd, const char *path);
int __wasilibc_nocwd_openat_nomode(int fd, const char *path, int flags);
int __real___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *size,
					 int may_grow);
int __real_chdir(const char *path);
long __real_fpathconf(int fd, int name);

int boxer_result(int host_errno)
{
	if (host_errno == 0)
		return 0;
	errno = host_errno;
	return -1;
}

// Every function that takes a path looks it up by this. wasi-libc's own takes an empty path for the working directory; to
// POSIX it is the name of nothing.
int __wrap___wasilibc_find_relpath_alloc(const char *path, const char **prefix, char **relative, size_t *size, int may_grow)
{
	if (!path[0])
		return boxer_result(ENOENT);
	return __real___wasilibc_find_relpath_alloc(path, prefix, relative, size, may_grow);
}

// locate resolves what POSIX allows as (fd, path) to a real descriptor and a path relative to it, or returns -1. The
// path stays valid until the next call.
static int locate(int fd, const char *path, const char **relative)
{
	static char *buffer;
	static size_t size;
	const char *prefix;

	if (fd != AT_FDCWD && path[0] != '/') {
		*relative = path;
		return fd;
	}
	fd = __wasilibc_find_relpath_alloc(path, &prefix, &buffer, &size, 1);
	if (fd < 0)
		errno = errno == ENOTCAPABLE ? ENOENT : errno;
	*relative = buffer;
	return fd;
}

static uint32_t lookup_flags(int at_flags)
{
	return at_flags & AT_SYMLINK_NOFOLLOW ? 0 : __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW;
}

// plain_mode is the mode of a file as far as preview 1 knows it.
static uint32_t plain_mode(__wasi_filetype_t type)
{
	switch (type) {
	case __WASI_FILETYPE_DIRECTORY:
		return S_IFDIR | 0755;
	case __WASI_FILETYPE_SYMBOLIC_LINK:
		return S_IFLNK | 0777;
	case __WASI_FILETYPE_CHARACTER_DEVICE:
		return S_IFCHR | 0666;
	case __WASI_FILETYPE_BLOCK_DEVICE:
		return S_IFBLK | 0660;
	case __WASI_FILETYPE_SOCKET_DGRAM:
	case __WASI_FILETYPE_SOCKET_STREAM:
		return S_IFSOCK | 0777;
	case __WASI_FILETYPE_REGULAR_FILE:
		return S_IFREG | 0755;
	default:
		return S_IFIFO | 0600;
	}
}

static struct timespec to_timespec(__wasi_timestamp_t ns)
{
	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static int fill_stat(int host_errno, const struct boxer_stat *in, struct stat *out)
{
	if (host_errno != 0)
		return boxer_result(host_errno);
	*out = (struct stat){
		.st_dev = in->file.dev,
		.st_ino = in->file.ino,
		.st_nlink = in->file.nlink,
		.st_mode = in->mode,
		.st_uid = in->uid,
		.st_gid = in->gid,
		.st_rdev = in->rdev,
		.st_size = in->file.size,
		.st_blksize = 4096,
		.st_blocks = (in->file.size + 511) / 512,
		.st_atim = to_timespec(in->file.atim),
		.st_mtim = to_timespec(in->file.mtim),
		.st_ctim = to_timespec(in->file.ctim),
	};
	return 0;
}

int fstat(int fd, struct stat *out)
{
	struct boxer_stat in = {0};
	int e = boxer_fd_stat(fd, &in);

	if (e == ENOSYS) {
		e = __wasi_fd_filestat_get(fd, &in.file);
		in.mode = plain_mode(in.file.filetype);
	}
	return fill_stat(e, &in, out);
}

int __wasilibc_nocwd_fstatat(int fd, const char *restrict path, struct stat *restrict out, int flags)
{
	struct boxer_stat in = {0};
	int e = boxer_path_stat(fd, lookup_flags(flags), path, strlen(path), &in);

	if (e == ENOSYS) {
		e = __wasi_path_filestat_get(fd, lookup_flags(flags), path, &in.file);
		in.mode = plain_mode(in.file.filetype);
	}
	return fill_stat(e, &in, out);
}

// The host decides for itself when a file is used; this answers access(2) as the mode says, the superuser's way.
int __wasilibc_nocwd_faccessat(int fd, const char *path, int want, int flags)
{
	struct stat st;
	uid_t uid = geteuid();
	unsigned bits;

	if (want & ~(R_OK | W_OK | X_OK))
		return boxer_result(EINVAL);
	if (__wasilibc_nocwd_fstatat(fd, path, &st, flags) != 0)
		return -1;
	if (uid == 0)
		bits = S_ISDIR(st.st_mode) || st.st_mode & 0111 ? 7 : 6;
	else if (uid == st.st_uid)
		bits = st.st_mode >> 6;
	else if (getegid() == st.st_gid)
		bits = st.st_mode >> 3;
	else
		bits = st.st_mode;
	if (((want & R_OK) && !(bits & 4)) || ((want & W_OK) && !(bits & 2)) || ((want & X_OK) && !(bits & 1)))
		return boxer_result(EACCES);
	return 0;
}

int __wrap_fchmodat(int fd, const char *path, mode_t mode, int flags)
{
	const char *relative;

	fd = locate(fd, path, &relative);
	if (fd < 0)
		return -1;
	return boxer_result(boxer_path_chmod(fd, lookup_flags(flags), relative, strlen(relative), mode));
}

int __wrap_chmod(const char *path, mode_t mode)
{
	return __wrap_fchmodat(AT_FDCWD, path, mode, 0);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return boxer_result(boxer_fd_chmod(fd, mode));
}

int fchownat(int fd, const char *path, uid_t uid, gid_t gid, int flags)
{
	const char *relative;

	fd = locate(fd, path, &relative);
	if (fd < 0)
		return -1;
	return boxer_result(boxer_path_chown(fd, lookup_flags(flags), relative, strlen(relative), uid, gid));
}

int chown(const char *path, uid_t uid, gid_t gid)
{
	return fchownat(AT_FDCWD, path, uid, gid, 0);
}

int lchown(const char *path, uid_t uid, gid_t gid)
{
	return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
	return boxer_result(boxer_fd_chown(fd, uid, gid));
}

mode_t umask(mode_t mask)
{
	return boxer_umask(mask & 0777) & 0777;
}

// The mode goes to the host apart, before what it is for, so nothing may fail in between.
static int open_at(int fd, const char *path, int flags, va_list args)
{
	const char *relative;

	fd = locate(fd, path, &relative);
	if (fd < 0)
		return -1;
	if (flags & O_CREAT)
		boxer_create_mode(va_arg(args, mode_t) & 07777);
	return __wasilibc_nocwd_openat_nomode(fd, relative, flags);
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_at(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	fd = open_at(dir, path, flags, args);
	va_end(args);
	return fd;
}

int __wrap_mkdirat(int fd, const char *path, mode_t mode)
{
	const char *relative;

	fd = locate(fd, path, &relative);
	if (fd < 0)
		return -1;
	boxer_create_mode(mode & 07777);
	return __wasilibc_nocwd_mkdirat_nomode(fd, relative);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	return __wrap_mkdirat(AT_FDCWD, path, mode);
}

// wasi-libc's chdir appends to the old path, "..", links and all; getcwd(3) promises a path without either.
int __wrap_chdir(const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) ? __real_chdir(real) : -1;
}

// wasi-libc answers from a table, whatever it is asked about.
long __wrap_fpathconf(int fd, int name)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? __real_fpathconf(fd, name) : -1;
}

long __wrap_pathconf(const char *path, int name)
{
	struct stat st;

	return stat(path, &st) == 0 ? __real_fpathconf(-1, name) : -1;
}
