// Calls on names: opening, making, removing, and reading directories.
#include "host.h"

enum { open_create = 1, open_directory = 2, open_exclusive = 4, open_truncate = 8 };

static u32 open_flags_error(u32 fd, u32 oflags, u64 base, u32 fdflags)
{
	if (oflags & ~15u || fdflags & ~31u || (oflags & 3) == 3)
		return EINVAL;
	return base & (right_read | right_write) & ~descriptors[fd].inheriting ? ENOTCAPABLE : OK;
}

// check refuses what open(2) refuses of a file that exists.
static u32 check(const struct place *at, u32 oflags, u64 base)
{
	const struct inode *n = inode(at->ino);

	if ((oflags & 5) == 5)
		return EEXIST;
	switch (n->mode & S_IFMT) {
	case S_IFLNK:
		return oflags & open_directory ? ENOTDIR : ELOOP;
	case S_IFDIR:
		return base & right_write || oflags & 9 ? EISDIR : OK;
	}
	if (at->slash || oflags & open_directory)
		return ENOTDIR;
	if ((n->mode & S_IFMT) == S_IFREG)
		return base & right_write || oflags & open_truncate ? allow_change() : OK;
	return (n->mode & S_IFMT) == S_IFCHR && n->rdev ? OK : ENXIO;
}

static u32 make(const struct place *at, u32 mode, u32 *ino)
{
	u32 error = allow_change();

	if (error)
		return error;
	if (!inode(at->dir)->nlink)
		return ENOENT; // it was removed
	*ino = make_inode(mode);
	if (!*ino)
		return ENOSPC;
	error = add_entry(at->dir, at->name, at->length, *ino);
	if (error)
		drop_inode(*ino);
	else
		inode(*ino)->nlink = 1;
	return error;
}

// open_stream opens a device that is one of the host's streams.
static u32 open_stream(u32 rdev, u32 *fd)
{
	u32 error = open_descriptor(0, host_kind, rdev == dev_tty ? 0 : rdev - dev_stdin, 0, 0, fd);

	if (!error)
		described(*fd)->borrowed = 1;
	return error;
}

static u32 open_inode(u32 ino, u64 base, u64 inheriting, u32 fdflags, u32 *fd)
{
	u32 type = inode(ino)->mode & S_IFMT, rdev = inode(ino)->rdev, error;
	u32 kind = type == S_IFDIR ? dir_kind : type == S_IFREG ? file_kind : device_kind;
	u64 rights = rights_of(kind) & inheriting;

	if (kind == device_kind && (rdev == dev_tty || rdev >= dev_stdin))
		return open_stream(rdev, fd);
	if (!(base & right_read))
		rights &= ~(u64)right_read;
	if (!(base & right_write))
		rights &= ~(u64)write_rights;
	error = open_descriptor(0, kind, ino, rights, kind == dir_kind ? inheriting : 0, fd);
	if (!error)
		described(*fd)->flags = fdflags;
	return error;
}

static u32 open_on_host(const struct place *at, u32 flags, u32 oflags, u64 base, u64 inheriting, u32 fdflags, u32 *out)
{
	u32 opened, error;

	error = host_path_open(at->host - 1, flags, at->rest, at->rest_length, oflags, base, inheriting, fdflags, &opened);

	if (error)
		return error;
	error = open_descriptor(0, host_kind, opened, 0, 0, out);
	if (error)
		host_fd_close(opened);
	return error;
}

CALL(path_open)(u32 fd, u32 flags, const char *path, u32 length, u32 oflags, u64 base, u64 inheriting, u32 fdflags, u32 *out)
{
	u64 needed = right_open | (oflags & open_create ? right_create_file : 0) | (oflags & open_truncate ? right_path_size : 0);
	u32 mode = oflags & open_create ? creation_mode(0666) : 0, ino, error, opened;
	u32 last = flags & 1 ? follow_last : follow_slash;
	struct place at;

	if (!inside(out, 4))
		return EFAULT;
	if ((oflags & 5) == 5)
		last = keep_last;
	if (oflags & open_create)
		last |= no_slash;
	if ((error = check_lookup(fd, needed, flags, path, length)))
		return error;
	if (!is_host(fd) && (error = open_flags_error(fd, oflags, base, fdflags)))
		return error;
	if ((error = locate(fd, needed, path, length, last, 0, &at)))
		return error;
	if (at.host) {
		error = open_on_host(&at, flags, oflags, base, inheriting, fdflags, &opened);
		if (!error)
			*out = opened;
		return error;
	}
	ino = at.ino;
	if (ino)
		error = check(&at, oflags, base);
	else
		error = oflags & open_create ? make(&at, S_IFREG | mode, &ino) : ENOENT;
	if (!error)
		error = open_inode(ino, base, descriptors[fd].inheriting, fdflags, &opened);
	if (error)
		return error;
	if (at.ino && oflags & open_truncate && is(ino, S_IFREG))
		resize(ino, 0);
	*out = opened;
	return OK;
}

// missing looks up a name for something to be made.
static u32 missing(u32 fd, u64 rights, const char *path, u32 length, int directory, int buffer, struct place *at)
{
	u32 error = locate(fd, rights, path, length, keep_last, buffer, at);

	if (error || at->host)
		return error;
	if (at->ino)
		return EEXIST;
	return at->slash && !directory ? ENOENT : OK;
}

static u32 depth(u32 dir)
{
	u32 n = 0;

	for (; dir != root_inode; n++)
		dir = inode(dir)->parent;
	return n;
}

u32 make_directory(const struct place *at, u32 mode, u32 *ino)
{
	u32 error;

	if (depth(at->dir) >= max_depth)
		return EMLINK;
	error = make(at, S_IFDIR | mode, ino);
	if (error)
		return error;
	inode(*ino)->nlink = 2;
	inode(*ino)->parent = at->dir;
	inode(at->dir)->nlink++;
	return OK;
}

CALL(path_create_directory)(u32 fd, const char *path, u32 length)
{
	u32 mode = creation_mode(0777), error, ino;
	struct place at;

	if ((error = missing(fd, right_create_dir, path, length, 1, 0, &at)))
		return error;
	if (at.host)
		return host_path_create_directory(at.host - 1, at.rest, at.rest_length);
	return make_directory(&at, mode, &ino);
}

CALL(path_symlink)(const char *target, u32 target_length, u32 fd, const char *path, u32 length)
{
	struct place at;
	u32 error, ino;
	ref text;

	if ((error = check_path(target, target_length)) || (error = check_lookup(fd, right_symlink, 0, path, length)))
		return error;
	if (!is_host(fd) && target_length && target[0] == '/' && described(fd)->what != root_inode)
		return EPERM;
	if (!target_length)
		return ENOENT;
	if (target_length == max_path)
		return ENAMETOOLONG;
	error = missing(fd, right_symlink, path, length, 0, 0, &at);
	if (error == EEXIST && at.slash && existing(fd, right_symlink, 0, path, length, &at) == ENOTDIR)
		return ENOTDIR; // what exists there must be a directory to be called so
	if (error)
		return error;
	if (at.host)
		return host_path_symlink(target, target_length, at.host - 1, at.rest, at.rest_length);
	text = allocate(target_length);
	if (!text)
		return ENOSPC;
	copy(AT(char, text), target, target_length);
	if ((error = make(&at, S_IFLNK | 0777, &ino))) {
		release(text, target_length);
		return error;
	}
	inode(ino)->content = text;
	inode(ino)->count = inode(ino)->size = target_length;
	return OK;
}

CALL(path_readlink)(u32 fd, const char *path, u32 length, char *to, u32 size, u32 *used)
{
	struct place at;
	u32 error;

	if (!inside(to, size) || !inside(used, 4))
		return EFAULT;
	if ((error = existing(fd, right_readlink, 0, path, length, &at)))
		return error;
	if (at.host)
		return host_path_readlink(at.host - 1, at.rest, at.rest_length, to, size, used);
	if (!is(at.ino, S_IFLNK))
		return EINVAL;
	*used = least(size, inode(at.ino)->count);
	copy(to, AT(char, inode(at.ino)->content), *used);
	return OK;
}

// unlink_inode takes one of its names from a file, or its only one from a directory.
static void unlink_inode(u32 dir, const char *name, u32 length, u32 ino)
{
	remove_entry(dir, name, length);
	if (is(ino, S_IFDIR)) {
		inode(ino)->nlink = 0;
		inode(dir)->nlink--;
	} else {
		inode(ino)->nlink--;
	}
	inode(ino)->ctime = now();
	drop_inode(ino);
}

CALL(path_unlink_file)(u32 fd, const char *path, u32 length)
{
	struct place at;
	u32 error = locate(fd, right_unlink, path, length, keep_last, 0, &at);

	if (error)
		return error;
	if (at.host)
		return host_path_unlink_file(at.host - 1, at.rest, at.rest_length);
	if (!at.ino)
		return ENOENT;
	if (is(at.ino, S_IFDIR))
		return EISDIR;
	if (at.slash)
		return ENOTDIR;
	if ((error = allow_change()))
		return error;
	if (inode(at.dir)->fixed)
		return EROFS;
	unlink_inode(at.dir, at.name, at.length, at.ino);
	return OK;
}

// held tells whether something of the host's, or the root, is at a directory.
static int held(u32 ino) { return ino == root_inode || inode(ino)->fixed || inode(ino)->lent; }

CALL(path_remove_directory)(u32 fd, const char *path, u32 length)
{
	struct place at;
	u32 error = locate(fd, right_rmdir, path, length, keep_last, 0, &at);

	if (error)
		return error;
	if (at.host)
		return host_path_remove_directory(at.host - 1, at.rest, at.rest_length);
	if (!at.ino)
		return ENOENT;
	if (!is(at.ino, S_IFDIR))
		return ENOTDIR;
	if (!at.dir)
		return at.dots == 2 ? ENOTEMPTY : at.dots == 1 ? EINVAL : EBUSY;
	if (held(at.ino))
		return EBUSY;
	if (!is_empty(at.ino))
		return ENOTEMPTY;
	if ((error = allow_change()))
		return error;
	unlink_inode(at.dir, at.name, at.length, at.ino);
	return OK;
}

// among_devices tells whether a file is in the file system of devices, which is one of its own.
static int among_devices(u32 ino) { return inode(ino)->fixed || (is(ino, S_IFCHR) && inode(ino)->rdev); }

CALL(path_link)(u32 fd, u32 flags, const char *path, u32 length, u32 to, const char *name, u32 name_length)
{
	struct place at, new;
	u32 error;

	if ((error = check_lookup(fd, right_link_source, flags, path, length)) ||
	    (error = check_lookup(to, right_link_target, 0, name, name_length)) ||
	    (error = existing(fd, right_link_source, flags, path, length, &at)) ||
	    (error = missing(to, right_link_target, name, name_length, 0, 1, &new)))
		return error;
	if (at.host && new.host)
		return host_path_link(at.host - 1, flags, at.rest, at.rest_length, new.host - 1, new.rest, new.rest_length);
	if (at.host || new.host)
		return EXDEV;
	if (among_devices(at.ino) != among_devices(new.dir))
		return EXDEV;
	if (is(at.ino, S_IFDIR))
		return EPERM;
	if (!inode(new.dir)->nlink)
		return ENOENT;
	if ((error = allow_change()) || (error = add_entry(new.dir, new.name, new.length, at.ino)))
		return error;
	inode(at.ino)->nlink++;
	inode(at.ino)->ctime = now();
	return OK;
}

// replaces tells whether what is renamed may take the place of what is there.
static u32 replaces(u32 old, u32 there)
{
	if (is(old, S_IFDIR) && !is(there, S_IFDIR))
		return ENOTDIR;
	if (!is(there, S_IFDIR))
		return OK;
	if (!is(old, S_IFDIR))
		return EISDIR;
	return is_empty(there) ? OK : ENOTEMPTY;
}

static u32 rename_here(const struct place *old, const struct place *new)
{
	u32 error = OK;

	if (inode(old->dir)->fixed || inode(new->dir)->fixed)
		return EROFS;
	if (old->ino == new->ino)
		return OK;
	for (u32 dir = old->dir; new->ino && dir != root_inode; dir = inode(dir)->parent)
		if (dir == new->ino)
			return ENOTEMPTY;
	if (!inode(new->dir)->nlink)
		return ENOENT;
	for (u32 dir = new->dir; is(old->ino, S_IFDIR) && dir != root_inode; dir = inode(dir)->parent)
		if (dir == old->ino)
			return EINVAL;
	if (new->ino && (error = replaces(old->ino, new->ino)))
		return error;
	if ((error = allow_change()))
		return error;
	if (new->ino)
		unlink_inode(new->dir, new->name, new->length, new->ino);
	if ((error = add_entry(new->dir, new->name, new->length, old->ino)))
		return error;
	remove_entry(old->dir, old->name, old->length);
	if (is(old->ino, S_IFDIR)) {
		inode(old->dir)->nlink--;
		inode(new->dir)->nlink++;
		inode(old->ino)->parent = new->dir;
	}
	inode(old->ino)->ctime = now();
	return OK;
}

CALL(path_rename)(u32 fd, const char *path, u32 length, u32 to, const char *name, u32 name_length)
{
	struct place old, new;
	u32 error;

	if ((error = check_lookup(fd, right_rename_source, 0, path, length)) ||
	    (error = check_lookup(to, right_rename_target, 0, name, name_length)) ||
	    (error = locate(fd, right_rename_source, path, length, keep_last, 0, &old)) ||
	    (error = locate(to, right_rename_target, name, name_length, keep_last, 1, &new)))
		return error;
	if (old.host && new.host)
		return host_path_rename(old.host - 1, old.rest, old.rest_length, new.host - 1, new.rest, new.rest_length);
	if (old.host || new.host)
		return EXDEV;
	if (!old.dir || !new.dir)
		return EBUSY;
	if (!old.ino)
		return ENOENT;
	if ((old.slash || new.slash) && !is(old.ino, S_IFDIR))
		return ENOTDIR;
	if (held(old.ino) || (new.ino && held(new.ino)))
		return EBUSY;
	if (among_devices(old.dir) != among_devices(new.dir))
		return EXDEV;
	return rename_here(&old, &new);
}

struct dirent {
	u64 next, ino;
	u32 length;
	u8 type, pad[3];
};

// put appends to a buffer what fits of an entry, and tells whether there is room for more.
static int put(u8 *to, u32 size, u32 *used, const struct dirent *head, const char *name)
{
	u32 piece = least(size - *used, sizeof *head);

	copy(to + *used, head, piece);
	*used += piece;
	piece = least(size - *used, head->length);
	copy(to + *used, name, piece);
	*used += piece;
	return piece == head->length && *used < size;
}

static u8 type_of(u32 ino)
{
	switch (inode(ino)->mode & S_IFMT) {
	case S_IFDIR:
		return type_dir;
	case S_IFREG:
		return type_file;
	case S_IFLNK:
		return type_link;
	case S_IFCHR:
		return type_char;
	case S_IFBLK:
		return type_block;
	}
	return type_unknown;
}

CALL(fd_readdir)(u32 fd, u8 *to, u32 size, u64 cookie, u32 *out)
{
	u32 dir, error, used = 0, ino, length;
	const char *name;
	u64 next;

	if (!inside(to, size) || !inside(out, 4))
		return EFAULT;
	if (is_host(fd))
		return host_fd_readdir(host_of(fd), to, size, cookie, out);
	if ((error = need_dir(fd, right_readdir, &dir)))
		return error;
	while (size && cookie < 2) {
		u32 up = dir == root_inode ? dir : inode(dir)->parent;
		struct dirent head = {.next = cookie + 1, .ino = cookie ? up : dir, .length = cookie + 1, .type = type_dir};

		cookie++;
		if (!put(to, size, &used, &head, ".."))
			size = 0;
	}
	while (size && entry_from(dir, cookie - 2, &name, &length, &ino, &next)) {
		struct dirent head = {.next = next + 2, .ino = ino, .length = length, .type = type_of(ino)};

		cookie = next + 2;
		if (!put(to, size, &used, &head, name))
			break;
	}
	*out = used;
	return OK;
}
