// Calls on descriptors: reading, writing, positions, what a file is.
#include "host.h"

struct iov {
	u8 *at;
	u32 length;
};

static u32 check_iovs(const struct iov *iovs, u32 count)
{
	if (count > max_iovs)
		return EINVAL;
	if (!inside(iovs, count * sizeof *iovs))
		return EFAULT;
	for (u32 i = 0; i < count; i++)
		if (!inside(iovs[i].at, iovs[i].length))
			return EFAULT;
	return OK;
}

// transfer moves one buffer to or from what is open, at an offset.
static u32 transfer(struct description *d, u8 *at, u32 length, int writes, u64 offset, u32 *done)
{
	switch (d->kind) {
	case file_kind:
		if (writes)
			return write_content(d->what, at, length, d->flags & fd_append ? inode(d->what)->size : offset, done);
		*done = read_content(d->what, at, length, offset);
		if (*done != read_failed)
			return OK;
		*done = 0;
		return EIO;
	case device_kind:
		return writes ? write_device(inode(d->what)->rdev, length, done) : read_device(inode(d->what)->rdev, at, length, done);
	case reader_kind:
		return read_pipe(d->what, at, length, done);
	case writer_kind:
		return write_pipe(d->what, at, length, done);
	}
	return EISDIR;
}

// each moves one buffer after another, until one is not moved whole.
static u32 each(struct description *d, const struct iov *iovs, u32 count, int writes, u64 offset, u32 *total)
{
	u32 sum = 0;

	for (u32 i = 0; i < count; i++) {
		u32 wanted = least(iovs[i].length, max_transfer - sum), done = 0, error;

		if (!wanted)
			continue;
		error = transfer(d, iovs[i].at, wanted, writes, offset + sum, &done);
		sum += done;
		if (error && !sum)
			return error;
		if (error || done < wanted)
			break;
	}
	*total = sum;
	return OK;
}

// settle makes what was written last, if the flags ask for it: nothing has to be done, but a device cannot.
static u32 settle(const struct description *d, u32 flags)
{
	return d->kind == device_kind && flags & (fd_dsync | fd_sync) ? EINVAL : OK;
}

static u32 sequential(u32 fd, const struct iov *iovs, u32 count, int writes, u32 *out)
{
	struct description *d;
	u32 error, done = 0;

	if (!inside(out, 4))
		return EFAULT;
	if ((error = check_iovs(iovs, count)) || (error = need(fd, writes ? right_write : right_read, &d)))
		return error;
	if (d->kind == host_kind)
		return writes ? host_fd_write(d->what, iovs, count, out) : host_fd_read(d->what, iovs, count, out);
	if (writes && d->kind == file_kind && (error = allow_change()))
		return error;
	error = each(d, iovs, count, writes, d->offset, &done);
	if (error)
		return error;
	if (d->kind == file_kind)
		d->offset = writes && done && d->flags & fd_append ? inode(d->what)->size : d->offset + done;
	if (writes && (error = settle(d, d->flags)))
		return error;
	*out = done;
	return OK;
}

CALL(fd_read)(u32 fd, const struct iov *iovs, u32 count, u32 *out) { return sequential(fd, iovs, count, 0, out); }
CALL(fd_write)(u32 fd, const struct iov *iovs, u32 count, u32 *out) { return sequential(fd, iovs, count, 1, out); }

static u32 positioned(u32 fd, const struct iov *iovs, u32 count, u64 offset, int writes, u32 *out)
{
	struct description *d;
	u32 error, done = 0;

	if (!inside(out, 4))
		return EFAULT;
	if ((error = check_iovs(iovs, count)) || (error = need(fd, (writes ? right_write : right_read) | right_seek, &d)))
		return error;
	if (d->kind == host_kind)
		return writes ? host_fd_pwrite(d->what, iovs, count, offset, out) : host_fd_pread(d->what, iovs, count, offset, out);
	if ((i64)offset < 0)
		return EINVAL;
	if (writes && d->kind == file_kind && (error = allow_change()))
		return error;
	error = each(d, iovs, count, writes, offset, &done);
	if (!error && writes)
		error = settle(d, d->flags);
	if (!error)
		*out = done;
	return error;
}

CALL(fd_pread)(u32 fd, const struct iov *iovs, u32 count, u64 offset, u32 *out)
{
	return positioned(fd, iovs, count, offset, 0, out);
}

CALL(fd_pwrite)(u32 fd, const struct iov *iovs, u32 count, u64 offset, u32 *out)
{
	return positioned(fd, iovs, count, offset, 1, out);
}

CALL(fd_seek)(u32 fd, u64 offset, u32 whence, u64 *out)
{
	struct description *d;
	u32 error;
	i64 from = 0;

	if (!inside(out, 8))
		return EFAULT;
	if ((error = need(fd, offset == 0 && whence == 1 ? right_tell : right_seek, &d)))
		return error;
	if (d->kind == host_kind)
		return d->borrowed ? ESPIPE : host_fd_seek(d->what, offset, whence, out);
	if (whence > 2)
		return EINVAL;
	if (d->kind == device_kind) {
		*out = 0;
		return OK;
	}
	if (whence)
		from = whence == 1 ? d->offset : inode(d->what)->size;
	if ((i64)offset > 0 && from > (i64)(max_file * 2) - (i64)offset && (i64)offset > (i64)max_file)
		return EINVAL;
	if (from + (i64)offset < 0)
		return EINVAL;
	*out = d->offset = from + offset;
	return OK;
}

CALL(fd_tell)(u32 fd, u64 *out)
{
	if (is_host(fd) && !described(fd)->borrowed)
		return inside(out, 8) ? host_fd_tell(host_of(fd), out) : EFAULT;
	return call_fd_seek(fd, 0, 1, out);
}

CALL(fd_sync)(u32 fd)
{
	struct description *d;
	u32 error = need(fd, right_sync, &d);

	if (error)
		return error;
	return d->kind == host_kind ? host_fd_sync(d->what) : settle(d, fd_sync);
}

CALL(fd_datasync)(u32 fd)
{
	struct description *d;
	u32 error = need(fd, right_datasync, &d);

	if (error)
		return error;
	return d->kind == host_kind ? host_fd_datasync(d->what) : settle(d, fd_sync);
}

CALL(fd_advise)(u32 fd, u64 offset, u64 length, u32 advice)
{
	struct description *d;
	u32 error = need(fd, right_advise, &d);

	if (error)
		return error;
	if (d->kind == host_kind)
		return host_fd_advise(d->what, offset, length, advice);
	return advice > 5 || (i64)offset < 0 || (i64)length < 0 ? EINVAL : OK;
}

CALL(fd_allocate)(u32 fd, u64 offset, u64 length)
{
	struct description *d;
	u32 error = need(fd, right_allocate, &d);

	if (error)
		return error;
	if (d->kind == host_kind)
		return host_fd_allocate(d->what, offset, length);
	if ((i64)offset < 0 || (i64)length <= 0)
		return EINVAL;
	if (offset > max_file || length > max_file - offset)
		return EFBIG;
	if (d->kind != file_kind)
		return ENODEV;
	return offset + length > inode(d->what)->size ? resize(d->what, offset + length) : allow_change();
}

CALL(fd_filestat_set_size)(u32 fd, u64 size)
{
	struct description *d;
	u32 error = need(fd, right_size, &d);

	if (error)
		return error == EBADF && descriptor(fd) ? EINVAL : error; // what ftruncate says of one not open for writing
	if (d->kind == host_kind)
		return host_fd_filestat_set_size(d->what, size);
	if ((i64)size < 0 || d->kind != file_kind)
		return EINVAL;
	return resize(d->what, size);
}

static u32 filetype(u32 mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return type_file;
	case S_IFDIR:
		return type_dir;
	case S_IFLNK:
		return type_link;
	case S_IFCHR:
		return type_char;
	case S_IFBLK:
		return type_block;
	case S_IFSOCK:
		return type_socket;
	}
	return type_unknown;
}

struct filestat {
	u64 dev, ino;
	u8 type, pad[7];
	u64 nlink, size, atim, mtim, ctim;
};

struct full_stat {
	struct filestat file;
	u32 mode, uid, gid, rdev;
};

enum { box_device = 1, pipe_device = 2 };

static void fill_stat(u32 ino, struct full_stat *out)
{
	const struct inode *n = inode(ino);

	*out = (struct full_stat){
		.file = {.dev = box_device, .ino = ino, .type = filetype(n->mode), .nlink = n->nlink, .size = n->size,
			.atim = n->atime, .mtim = n->mtime, .ctim = n->ctime},
		.mode = n->mode, .uid = n->uid, .gid = n->gid, .rdev = n->rdev,
	};
}

// complete makes up what preview 1 does not tell of a host's file.
static void complete(struct full_stat *s)
{
	static const u32 modes[] = {
		[type_unknown] = S_IFIFO | 0600, [type_block] = S_IFBLK | 0660, [type_char] = S_IFCHR | 0666, [type_dir] = S_IFDIR | 0755,
		[type_file] = S_IFREG | 0755, [5] = S_IFSOCK | 0777, [type_socket] = S_IFSOCK | 0777, [type_link] = S_IFLNK | 0777,
	};

	s->mode = modes[s->file.type & 7];
	s->uid = AT(struct tree, link_tree())->uid;
	s->gid = AT(struct tree, link_tree())->gid;
	s->rdev = 0;
}

static u32 stat_fd(u32 fd, struct full_stat *out)
{
	struct description *d;
	u32 error = need(fd, right_stat, &d);

	if (error)
		return error;
	switch (d->kind) {
	case host_kind:
		error = host_fd_filestat_get(d->what, &out->file);
		complete(out);
		return error;
	case reader_kind:
	case writer_kind:
		*out = (struct full_stat){
			.file = {.dev = pipe_device, .ino = AT(struct pipe, d->what)->number, .nlink = 1}, .mode = S_IFIFO | 0600,
		};
		return OK;
	}
	fill_stat(d->what, out);
	return OK;
}

static u32 stat_path(u32 fd, u32 flags, const char *path, u32 length, struct full_stat *out)
{
	struct place at;
	u32 error = existing(fd, right_path_stat, flags, path, length, &at);

	if (error)
		return error;
	if (at.host) {
		error = host_path_filestat_get(at.host - 1, flags, at.rest, at.rest_length, &out->file);
		complete(out);
		return error;
	}
	fill_stat(at.ino, out);
	return OK;
}

CALL(fd_filestat_get)(u32 fd, struct filestat *out)
{
	struct full_stat s;
	u32 error = inside(out, sizeof *out) ? stat_fd(fd, &s) : EFAULT;

	if (!error)
		*out = s.file;
	return error;
}

CALL(path_filestat_get)(u32 fd, u32 flags, const char *path, u32 length, struct filestat *out)
{
	struct full_stat s;
	u32 error = inside(out, sizeof *out) ? stat_path(fd, flags, path, length, &s) : EFAULT;

	if (!error)
		*out = s.file;
	return error;
}

OURS(fd_stat)(u32 fd, struct full_stat *out)
{
	struct full_stat s;
	u32 error = inside(out, sizeof *out) ? stat_fd(fd, &s) : EFAULT;

	if (!error)
		*out = s;
	return error;
}

OURS(path_stat)(u32 fd, u32 flags, const char *path, u32 length, struct full_stat *out)
{
	struct full_stat s;
	u32 error = inside(out, sizeof *out) ? stat_path(fd, flags, path, length, &s) : EFAULT;

	if (!error)
		*out = s;
	return error;
}

// set_times follows fst_flags: given and present times of access and of modification.
static u32 set_times(u32 ino, u64 atim, u64 mtim, u32 flags)
{
	struct inode *n = inode(ino);
	u32 error = allow_setting(ino);

	if (error)
		return error;
	if (flags & 3)
		n->atime = flags & 1 ? atim : now();
	if (flags & 12)
		n->mtime = flags & 4 ? mtim : now();
	n->ctime = now();
	return OK;
}

static int bad_times(u32 flags) { return flags > 15 || (flags & 3) == 3 || (flags & 12) == 12; }

CALL(fd_filestat_set_times)(u32 fd, u64 atim, u64 mtim, u32 flags)
{
	struct description *d;
	u32 error = need(fd, right_times, &d);

	if (error)
		return error;
	if (bad_times(flags))
		return EINVAL;
	if (d->kind == host_kind)
		return host_fd_filestat_set_times(d->what, atim, mtim, flags);
	return set_times(d->what, atim, mtim, flags);
}

CALL(path_filestat_set_times)(u32 fd, u32 flags, const char *path, u32 length, u64 atim, u64 mtim, u32 times)
{
	struct place at;
	u32 error = check_lookup(fd, right_path_times, flags, path, length);

	if (!error && bad_times(times))
		error = EINVAL;
	if (error || (error = existing(fd, right_path_times, flags, path, length, &at)))
		return error;
	if (at.host)
		return host_path_filestat_set_times(at.host - 1, flags, at.rest, at.rest_length, atim, mtim, times);
	return set_times(at.ino, atim, mtim, times);
}

static u32 set_mode(u32 ino, u32 mode)
{
	u32 error = allow_setting(ino);

	if (error)
		return error;
	inode(ino)->mode = (inode(ino)->mode & S_IFMT) | (mode & 07777);
	inode(ino)->ctime = now();
	return OK;
}

static u32 set_owner(u32 ino, u32 uid, u32 gid)
{
	u32 error = allow_setting(ino);

	if (error)
		return error;
	if (uid != 0xffffffff)
		inode(ino)->uid = uid;
	if (gid != 0xffffffff)
		inode(ino)->gid = gid;
	inode(ino)->ctime = now();
	return OK;
}

// Modes and owners of the host's files are nothing that preview 1 knows: setting them does nothing, as on file systems that
// have none.

OURS(fd_chmod)(u32 fd, u32 mode)
{
	struct description *d;
	u32 error = need(fd, right_times, &d);

	return error || d->kind == host_kind ? error : set_mode(d->what, mode);
}

OURS(fd_chown)(u32 fd, u32 uid, u32 gid)
{
	struct description *d;
	u32 error = need(fd, right_times, &d);

	return error || d->kind == host_kind ? error : set_owner(d->what, uid, gid);
}

static u32 find_to_change(u32 fd, u32 flags, const char *path, u32 length, u32 *ino)
{
	struct full_stat s;
	struct place at;
	u32 error = existing(fd, right_path_times, flags, path, length, &at);

	*ino = at.host ? 0 : at.ino;
	return error || !at.host ? error : host_path_filestat_get(at.host - 1, flags, at.rest, at.rest_length, &s.file);
}

OURS(path_chmod)(u32 fd, u32 flags, const char *path, u32 length, u32 mode)
{
	u32 ino, error = find_to_change(fd, flags, path, length, &ino);

	if (error || !ino)
		return error;
	return is(ino, S_IFLNK) ? ENOTSUP : set_mode(ino, mode);
}

OURS(path_chown)(u32 fd, u32 flags, const char *path, u32 length, u32 uid, u32 gid)
{
	u32 ino, error = find_to_change(fd, flags, path, length, &ino);

	return error || !ino ? error : set_owner(ino, uid, gid);
}
