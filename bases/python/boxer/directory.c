// Directories, read without opendir(3), which allocates, and open(3), which asks for rights first.
#include "image.h"

#include <string.h>
#include <wasi/api.h>
#include <wasi/libc-find-relpath.h>

// walk calls see for the whole entries in a buffer, and moves cookie past them. It returns see's result, or -1 if there
// was no whole entry.
static int walk(const uint8_t *buffer, size_t size, __wasi_dircookie_t *cookie,
	int (*see)(void *, const char *, size_t, int), void *context)
{
	int result = -1;
	__wasi_dirent_t entry;

	for (size_t at = 0; at + sizeof entry <= size && result <= 0; at += sizeof entry + entry.d_namlen) {
		const char *name = (const char *)buffer + at + sizeof entry;

		memcpy(&entry, buffer + at, sizeof entry);
		if (at + sizeof entry + entry.d_namlen > size)
			break;
		*cookie = entry.d_next;
		result = see(context, name, entry.d_namlen, entry.d_type);
	}
	return result;
}

static int open_directory(const char *path, __wasi_fd_t *fd)
{
	static char *buffer;
	static size_t size;
	const char *prefix;
	int below = __wasilibc_find_relpath_alloc(path, &prefix, &buffer, &size, 1);

	return below < 0 ? -1 : __wasi_path_open(below, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, buffer, __WASI_OFLAGS_DIRECTORY,
		__WASI_RIGHTS_FD_READDIR, 0, 0, fd);
}

int each_entry(const char *path, int (*see)(void *, const char *, size_t, int), void *context)
{
	uint8_t buffer[4096];
	size_t used = sizeof buffer;
	__wasi_dircookie_t cookie = 0;
	__wasi_fd_t fd;
	int result = 0;

	if (open_directory(path, &fd) != 0)
		return 0;
	while (used == sizeof buffer && result == 0) {
		if (__wasi_fd_readdir(fd, buffer, sizeof buffer, cookie, &used) != 0)
			break;
		result = walk(buffer, used, &cookie, see, context);
	}
	(void)__wasi_fd_close(fd);
	return result > 0 ? result : 0;
}
