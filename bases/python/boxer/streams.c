// The standard streams. The captured objects hold no data, so they serve descriptors of the same kind.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_pystate.h"

#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

// Of pylifecycle.c.
PyStatus init_sys_streams(PyThreadState *thread);
int flush_std_files(void);

// What a stream's object depends on.
struct kind {
	int open;
	__wasi_fdstat_t is;
};

static struct kind captured[3];

static struct kind kind_of(int fd)
{
	struct kind kind = {0};

	kind.open = __wasi_fd_fdstat_get(fd, &kind.is) == 0;
	return kind;
}

static int alike(const struct kind *a, const struct kind *b)
{
	return a->open && b->open && a->is.fs_filetype == b->is.fs_filetype && a->is.fs_flags == b->is.fs_flags &&
		a->is.fs_rights_base == b->is.fs_rights_base;
}

int capture_streams(void)
{
	for (int fd = 0; fd < 3; fd++)
		captured[fd] = kind_of(fd);
	fflush(NULL);
	return flush_std_files();
}

PyStatus renew_streams(int anew)
{
	int same = !anew;
	PyStatus status;

	for (int fd = 0; fd < 3 && same; fd++) {
		struct kind now = kind_of(fd);
		same = alike(&now, &captured[fd]);
	}
	if (same)
		return PyStatus_Ok();
	status = init_sys_streams(_PyThreadState_GET());
	// They are flushed at the end; that they would also be when they are destroyed is no reason to destroy anything.
	set_objects_aside();
	return status;
}
