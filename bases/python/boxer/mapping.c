// mmap(2), msync(2), mremap(2) and munmap(2), by copies.
//
// WebAssembly has no way to put a file into its memory. A mapping is a copy of its part of the file. One that is shared
// and may be written is written back by msync, by munmap and at the end of the run: the pages that differ from what was read,
// so that what others wrote to the file elsewhere stays.
//
// What this cannot give: a file that changes does not change the mappings of it that are there, and two mappings do not see
// each other. A mapping takes memory for all of its length, at once. A run that is killed writes nothing back. Addresses
// cannot be chosen, nor protection enforced.
#include "host.h"

#define _WASI_EMULATED_MMAN 1 // the C library's word for declaring these

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void __real__exit(int status);

// What is compared and written at a time.
#define PAGE ((size_t)4096)

struct mapping {
	struct mapping *next;
	char *start;
	size_t length;
	off_t offset;
	int fd;         // what is written back to, or -1
	uint64_t *sums; // of each page, as the file has it
};

static struct mapping *mappings;

static size_t pages(size_t length)
{
	return length / PAGE + (length % PAGE != 0);
}

static size_t page_length(const struct mapping *m, size_t page)
{
	size_t rest = m->length - page * PAGE;

	return rest < PAGE ? rest : PAGE;
}

// sum tells pages apart; each step can be undone, so that no change of a single word is missed.
static uint64_t sum(const char *data, size_t length)
{
	uint64_t result = length, word;

	for (; length > 0; data += sizeof word, length -= sizeof word) {
		word = 0;
		if (length < sizeof word) {
			memcpy(&word, data, length);
			length = sizeof word;
		} else {
			memcpy(&word, data, sizeof word);
		}
		result = (result ^ word) * 0x9e3779b97f4a7c15;
		result ^= result >> 32;
	}
	return result;
}

// take_sums remembers pages from one on as they are now.
static void take_sums(struct mapping *m, size_t from)
{
	for (size_t page = from; page < pages(m->length); page++)
		m->sums[page] = sum(m->start + page * PAGE, page_length(m, page));
}

// read_file fills a mapping from a place on. What lies after the end of the file is left as it is.
static int read_file(struct mapping *m, int fd, size_t from)
{
	while (from < m->length) {
		size_t rest = m->length - from;
		ssize_t n = pread(fd, m->start + from, rest < SSIZE_MAX ? rest : SSIZE_MAX, m->offset + (off_t)from);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			break;
		if (n > 0)
			from += n;
	}
	return 0;
}

static int write_file(int fd, const char *data, size_t length, off_t at)
{
	while (length > 0) {
		ssize_t n = pwrite(fd, data, length, at);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			data += n, length -= n, at += n;
	}
	return 0;
}

// write_back writes the pages in [from, to) that were changed. The file never grows by it.
static int write_back(struct mapping *m, size_t from, size_t to)
{
	struct stat is;

	if (m->fd < 0)
		return 0;
	if (fstat(m->fd, &is) != 0)
		return -1;
	for (size_t page = from / PAGE; page * PAGE < to && page * PAGE < m->length; page++) {
		const char *data = m->start + page * PAGE;
		size_t length = page_length(m, page);
		off_t at = m->offset + (off_t)(page * PAGE);
		uint64_t now = sum(data, length);

		if (now == m->sums[page])
			continue;
		if (at < is.st_size && write_file(m->fd, data, length < is.st_size - at ? length : is.st_size - at, at) != 0)
			return -1;
		m->sums[page] = now;
	}
	return 0;
}

static void release(struct mapping *m)
{
	if (m->fd >= 0)
		close(m->fd);
	free(m->sums);
	free(m->start);
	free(m);
}

// may_map checks what a file was opened for.
static int may_map(int fd, int prot, int flags)
{
	struct stat is;
	int mode = fcntl(fd, F_GETFL);

	if (mode < 0 || fstat(fd, &is) != 0)
		return -1;
	if (!S_ISREG(is.st_mode))
		return boxer_result(ENODEV);
	mode &= O_ACCMODE;
	if (mode == O_WRONLY || ((flags & MAP_SHARED) && (prot & PROT_WRITE) && mode != O_RDWR))
		return boxer_result(EACCES);
	return 0;
}

// map_file copies the file, and keeps it if it is to be written back.
static int map_file(struct mapping *m, int prot, int flags, int fd)
{
	if (may_map(fd, prot, flags) != 0 || read_file(m, fd, 0) != 0)
		return -1;
	if (!(flags & MAP_SHARED) || !(prot & PROT_WRITE))
		return 0;
	m->sums = calloc(pages(m->length), sizeof *m->sums);
	if (m->sums == NULL)
		return -1;
	take_sums(m, 0);
	m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return m->fd < 0 ? -1 : 0;
}

static int check(size_t length, int flags, off_t offset)
{
	int type = flags & MAP_TYPE;
	off_t end;

	if (length == 0 || (type != MAP_SHARED && type != MAP_PRIVATE) || offset < 0 || offset % PAGESIZE != 0)
		return EINVAL;
	if (flags & MAP_FIXED)
		return ENOTSUP;
	if (length > PTRDIFF_MAX)
		return ENOMEM;
	return __builtin_add_overflow(offset, (off_t)length, &end) ? EOVERFLOW : 0;
}

void *mmap(void *hint, size_t length, int prot, int flags, int fd, off_t offset)
{
	int refused = check(length, flags, offset);
	struct mapping *m;

	if (refused) {
		errno = refused;
		return MAP_FAILED;
	}
	m = calloc(1, sizeof *m);
	if (m == NULL)
		return MAP_FAILED;
	*m = (struct mapping){.next = mappings, .start = calloc(1, length), .length = length, .offset = offset, .fd = -1};
	if (m->start == NULL || (!(flags & MAP_ANONYMOUS) && map_file(m, prot, flags, fd) != 0)) {
		int error = errno;

		release(m);
		errno = error;
		return MAP_FAILED;
	}
	mappings = m;
	return m->start;
}

// find returns the link to the mapping that an address lies in.
static struct mapping **find(const void *address)
{
	struct mapping **link = &mappings;

	while (*link && (size_t)((const char *)address - (*link)->start) >= (*link)->length)
		link = &(*link)->next;
	return link;
}

int msync(void *address, size_t length, int flags)
{
	struct mapping *m = *find(address);
	size_t from;

	if (m == NULL)
		return boxer_result(ENOMEM);
	from = (char *)address - m->start;
	if (length > m->length - from)
		return boxer_result(ENOMEM);
	return write_back(m, from, from + length);
}

// munmap takes away whole mappings only. That what was changed could not be written, it has no way to tell.
int munmap(void *address, size_t length)
{
	struct mapping **link = find(address), *m = *link;

	if (m == NULL || m->start != address || m->length != length)
		return boxer_result(EINVAL);
	write_back(m, 0, m->length);
	*link = m->next;
	release(m);
	return 0;
}

// resize gives a mapping another length; what is new of it is zero.
static int resize(struct mapping *m, size_t length)
{
	uint64_t *sums = m->fd < 0 ? NULL : realloc(m->sums, pages(length) * sizeof *sums);
	char *start;

	if (m->fd >= 0 && sums == NULL)
		return -1;
	m->sums = sums;
	start = realloc(m->start, length);
	if (start == NULL)
		return -1;
	if (length > m->length)
		memset(start + m->length, 0, length - m->length);
	m->start = start;
	m->length = length;
	return 0;
}

void *mremap(void *address, size_t old, size_t length, int flags, ...)
{
	struct mapping *m = *find(address);
	size_t kept = old < length ? old : length;

	if (m == NULL || m->start != address || m->length != old || flags != MREMAP_MAYMOVE || length == 0 ||
		length > PTRDIFF_MAX) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	if (write_back(m, 0, old) != 0 || resize(m, length) != 0)
		return MAP_FAILED;
	if (m->fd >= 0) {
		if (read_file(m, m->fd, kept) != 0)
			return MAP_FAILED;
		take_sums(m, kept / PAGE);
	}
	return m->start;
}

// write_all_back is what the system does for a process that ends.
__attribute__((destructor)) static void write_all_back(void)
{
	for (struct mapping *m = mappings; m; m = m->next)
		write_back(m, 0, m->length);
}

void __wrap__exit(int status)
{
	write_all_back();
	__real__exit(status);
}
