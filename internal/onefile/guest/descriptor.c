// Descriptors, and the descriptions that duplicates of them share.
#include "host.h"

struct descriptor descriptors[max_fds];

struct descriptor *descriptor(u32 fd)
{
	set_up_files();
	return fd < max_fds && descriptors[fd].description ? &descriptors[fd] : 0;
}

struct description *described(u32 fd)
{
	struct descriptor *d = descriptor(fd);

	return d ? AT(struct description, d->description) : 0;
}

int is_host(u32 fd)
{
	struct description *d = described(fd);

	return d && d->kind == host_kind;
}

u32 host_of(u32 fd) { return described(fd)->what; }

static u32 limit(void) { return AT(struct tree, link_tree())->fd_limit; }

static u32 free_fd(u32 least_fd)
{
	while (least_fd < limit() && descriptors[least_fd].description)
		least_fd++;
	return least_fd;
}

u32 open_descriptor(u32 least_fd, u32 kind, u32 what, u64 base, u64 inheriting, u32 *fd)
{
	ref r;

	*fd = free_fd(least_fd);
	if (*fd >= limit())
		return EMFILE;
	r = allocate(sizeof(struct description));
	if (!r)
		return EMFILE;
	*AT(struct description, r) = (struct description){.kind = kind, .refs = 1, .what = what};
	if (kind == file_kind || kind == dir_kind)
		inode(what)->opens++;
	descriptors[*fd] = (struct descriptor){r, 0, base, inheriting};
	return OK;
}

u32 close_descriptor(u32 fd)
{
	ref r = descriptors[fd].description;
	struct description *d = AT(struct description, r);
	u32 error = OK;

	descriptors[fd] = (struct descriptor){0};
	if (--d->refs)
		return OK;
	switch (d->kind) {
	case host_kind:
		if (!d->borrowed)
			error = host_fd_close(d->what);
		break;
	case file_kind:
	case dir_kind:
		inode(d->what)->opens--;
		drop_inode(d->what);
		break;
	case reader_kind:
	case writer_kind:
		close_pipe(d->what, d->kind == writer_kind);
		break;
	}
	release(r, sizeof *d);
	return error;
}

u64 rights_of(u32 kind)
{
	switch (kind) {
	case dir_kind:
		return dir_rights;
	case file_kind:
	case device_kind:
		return file_rights;
	case reader_kind:
		return stream_rights & ~right_write;
	case writer_kind:
		return stream_rights & ~right_read;
	}
	return ~0ull;
}

// unfit is the error of an operation that what is open never allows.
static u32 unfit(const struct description *d, u64 rights)
{
	if (rights & dir_rights & ~(u64)file_rights)
		return ENOTDIR;
	if (d->kind == dir_kind)
		return EISDIR;
	if (rights & (right_read | right_write))
		return EBADF;
	if (rights & (right_seek | right_tell | right_advise | right_allocate))
		return ESPIPE;
	return EINVAL;
}

u32 need(u32 fd, u64 rights, struct description **out)
{
	struct descriptor *d = descriptor(fd);
	u64 lacking;

	if (!d)
		return EBADF;
	*out = AT(struct description, d->description);
	lacking = (*out)->kind == host_kind ? 0 : rights & ~d->base;
	if (!lacking)
		return OK;
	if (lacking & ~rights_of((*out)->kind))
		return unfit(*out, lacking & ~rights_of((*out)->kind));
	return lacking & (right_read | write_rights) ? EBADF : ENOTCAPABLE;
}

u32 need_dir(u32 fd, u64 rights, u32 *ino)
{
	struct description *d;
	u32 error = need(fd, rights, &d);

	if (error)
		return error;
	*ino = d->what;
	return d->kind == dir_kind ? OK : ENOTDIR;
}

CALL(fd_close)(u32 fd) { return descriptor(fd) ? close_descriptor(fd) : EBADF; }

CALL(fd_renumber)(u32 from, u32 to)
{
	struct descriptor moved;

	if (!descriptor(from) || !descriptor(to))
		return EBADF;
	if (from == to)
		return OK;
	moved = descriptors[from];
	close_descriptor(to);
	descriptors[to] = moved;
	descriptors[from] = (struct descriptor){0};
	return OK;
}

OURS(fd_dup)(u32 fd, u32 least_fd, u32 *out)
{
	struct descriptor *d = descriptor(fd);
	u32 to;

	if (!inside(out, 4))
		return EFAULT;
	if (!d)
		return EBADF;
	if (least_fd >= limit())
		return EINVAL;
	to = free_fd(least_fd);
	if (to >= limit())
		return EMFILE;
	descriptors[to] = *d;
	descriptors[to].preopen = 0;
	described(to)->refs++;
	*out = to;
	return OK;
}

OURS(fd_dup2)(u32 fd, u32 to)
{
	struct descriptor *d = descriptor(fd);
	struct descriptor copied;

	if (!d || to >= limit())
		return EBADF;
	if (fd == to)
		return OK;
	copied = *d;
	copied.preopen = 0;
	AT(struct description, copied.description)->refs++;
	if (descriptor(to))
		close_descriptor(to);
	descriptors[to] = copied;
	return OK;
}

// stream_stat makes what the host says of one of the standard streams what boxer would: a terminal, or something that can only be
// read or written. A memory image was taken with such streams, and keeps what it has for them if the run's are alike.
u32 stream_stat(const struct description *d, u8 *out)
{
	u64 rights;
	u32 error = host_fd_fdstat_get(d->what, out);

	if (error)
		return error;
	copy(&rights, out + 8, 8);
	out[0] = out[0] == type_char && !(rights & (right_seek | right_tell)) ? type_char : type_unknown; // as C libraries tell
	clear(out + 1, 23);
	*(u16 *)(out + 2) = d->flags;
	*(u64 *)(out + 8) = stream_rights & ~(u64)(d->what == 0 ? right_write : right_read);
	return OK;
}

CALL(fd_fdstat_get)(u32 fd, u8 *out)
{
	static const u8 types[] = {
		[file_kind] = type_file, [dir_kind] = type_dir, [device_kind] = type_char, [writer_kind] = type_unknown,
	};
	struct descriptor *d = descriptor(fd);
	struct description *open;

	if (!inside(out, 24))
		return EFAULT;
	if (!d)
		return EBADF;
	open = AT(struct description, d->description);
	if (open->kind == host_kind)
		return open->borrowed ? stream_stat(open, out) : host_fd_fdstat_get(open->what, out);
	clear(out, 24);
	out[0] = types[open->kind];
	*(u16 *)(out + 2) = open->flags;
	*(u64 *)(out + 8) = d->base;
	*(u64 *)(out + 16) = d->inheriting;
	return OK;
}

CALL(fd_fdstat_set_flags)(u32 fd, u32 flags)
{
	struct description *d;
	u32 error = need(fd, right_set_flags, &d);

	if (error)
		return error;
	if (flags & ~31u)
		return EINVAL;
	if (d->kind == host_kind && (error = host_fd_fdstat_set_flags(d->what, flags)) && !d->borrowed)
		return error;
	d->flags = flags;
	return OK;
}

CALL(fd_fdstat_set_rights)(u32 fd, u64 base, u64 inheriting)
{
	struct descriptor *d = descriptor(fd);

	if (!d)
		return EBADF;
	if (is_host(fd))
		return host_fd_fdstat_set_rights(host_of(fd), base, inheriting);
	if (base & ~d->base || inheriting & ~d->inheriting)
		return ENOTCAPABLE;
	d->base = base;
	d->inheriting = inheriting;
	return OK;
}
