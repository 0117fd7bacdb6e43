// Looking up paths. Symlinks lead where they lead in POSIX, the box's root being the root.
#include "guest.h"

enum { buffer_size = 2 * max_path };

static char buffers[2][buffer_size];

struct walk {
	char *rest, *end; // what is left of the path
	char *buffer;
	u32 start, at, links, depth;
	int beneath;
};

// climbs tells whether the components of a path lead above where it starts, symlinks aside.
static int climbs(const char *path, u32 length)
{
	i32 depth = 0;

	for (u32 i = 0; i < length;) {
		u32 from = i;

		while (i < length && path[i] != '/')
			i++;
		if (i - from == 2 && path[from] == '.' && path[from + 1] == '.') {
			if (--depth < 0)
				return 1;
		} else if (i > from && !(i - from == 1 && path[from] == '.')) {
			depth++;
		}
		i++;
	}
	return 0;
}

static u32 up(struct walk *w)
{
	if (w->beneath && w->depth == 0)
		return EPERM;
	w->depth--;
	w->at = w->at == root_inode ? root_inode : inode(w->at)->parent;
	return OK;
}

// follow puts the target of a link in the place of its name.
static u32 follow(struct walk *w, u32 link, int last, int slash)
{
	const struct inode *n = inode(link);
	u32 rest = w->end - w->rest, separator = !last || slash;
	const char *target = AT(char, n->content);

	if (++w->links > max_links)
		return ELOOP;
	if (n->count == 0)
		return ENOENT;
	if (n->count + separator + rest > buffer_size)
		return ENAMETOOLONG;
	if (target[0] == '/') {
		if (w->beneath && w->start != root_inode)
			return EPERM;
		w->at = root_inode;
		w->depth = 0;
	}
	copy(w->buffer + n->count + separator, w->rest, rest);
	copy(w->buffer, target, n->count);
	if (separator)
		w->buffer[n->count] = '/';
	w->rest = w->buffer;
	w->end = w->buffer + n->count + separator + rest;
	return OK;
}

// enter goes into a directory of the host's, which finds the rest of the path. One that leads out of it again, by its words,
// goes on here.
static int enter(struct walk *w, u32 dir, struct place *out)
{
	static const char itself[] = ".";
	i32 depth = 0;

	for (char *at = w->rest; at < w->end;) {
		char *name = at;

		while (at < w->end && *at != '/')
			at++;
		if (at - name == 2 && name[0] == '.' && name[1] == '.')
			depth--;
		else if (!(at - name == 1 && name[0] == '.'))
			depth++;
		while (at < w->end && *at == '/')
			at++;
		if (depth < 0) {
			w->rest = at;
			return 0;
		}
	}
	*out = (struct place){.host = inode(dir)->lent, .rest = w->rest, .rest_length = w->end - w->rest};
	if (!out->rest_length) {
		out->rest = itself;
		out->rest_length = 1;
	}
	return 1;
}

static u32 run(struct walk *w, u32 last_link, struct place *out)
{
	for (;;) {
		char *name, *behind;
		u32 length, found, error;
		int last, slash, ends;

		while (w->rest < w->end && *w->rest == '/')
			w->rest++;
		name = w->rest;
		while (w->rest < w->end && *w->rest != '/')
			w->rest++;
		behind = w->rest;
		length = behind - name;
		while (w->rest < w->end && *w->rest == '/')
			w->rest++;
		last = w->rest == w->end;
		slash = w->rest > behind;
		if (!is(w->at, S_IFDIR))
			return ENOTDIR;
		*out = (struct place){.slash = slash};
		ends = length == 0 || (length == 1 && name[0] == '.');
		if (length == 2 && name[0] == '.' && name[1] == '.') {
			if ((error = up(w)))
				return error;
			ends = 1;
		}
		if (ends) {
			out->ino = w->at;
			out->dots = length;
			if (last)
				return OK;
			continue;
		}
		if (length > max_name)
			return ENAMETOOLONG;
		if (last && slash && last_link & no_slash)
			return EISDIR;
		out->dir = w->at;
		out->name = name;
		out->length = length;
		found = find_entry(w->at, name, length);
		if (!found)
			return last ? OK : ENOENT;
		if (is(found, S_IFLNK) && (!last || (last_link & 3) == follow_last || (slash && (last_link & 3) == follow_slash))) {
			if ((error = follow(w, found, last, slash)))
				return error;
			continue;
		}
		if (inode(found)->lent) {
			if (enter(w, found, out))
				return OK;
			continue;
		}
		out->ino = found;
		if (last)
			return OK;
		w->at = found;
		w->depth++;
	}
}

u32 walk(u32 from, const char *path, u32 length, u32 last_link, int buffer, struct place *out)
{
	struct walk w = {.start = from, .at = from, .buffer = buffers[buffer]};

	if (length == 0)
		return ENOENT;
	if (length >= max_path)
		return ENAMETOOLONG;
	if (path[0] == '/')
		return EPERM;
	w.beneath = from != root_inode && climbs(path, length);
	copy(w.buffer, path, length);
	w.rest = w.buffer;
	w.end = w.buffer + length;
	return run(&w, last_link, out);
}

u32 check_path(const char *path, u32 length)
{
	if (!inside(path, length))
		return EFAULT;
	if (length > max_path)
		return ENAMETOOLONG;
	for (u32 i = 0; i < length; i++)
		if (!path[i])
			return EINVAL;
	return OK;
}

u32 locate(u32 fd, u64 rights, const char *path, u32 length, u32 last, int buffer, struct place *out)
{
	u32 dir, error = check_path(path, length);

	if (error)
		return error;
	if (is_host(fd)) {
		*out = (struct place){.host = host_of(fd) + 1, .rest = path, .rest_length = length};
		return OK;
	}
	error = need_dir(fd, rights, &dir);
	return error ? error : walk(dir, path, length, last, buffer, out);
}

u32 check_lookup(u32 fd, u64 rights, u32 flags, const char *path, u32 length)
{
	struct description *d;
	u32 error = check_path(path, length);

	if (error || (error = need(fd, rights, &d)))
		return error;
	if (d->kind == host_kind)
		return OK;
	if (d->kind != dir_kind)
		return ENOTDIR;
	return flags & ~1u ? EINVAL : OK;
}

u32 existing(u32 fd, u64 rights, u32 flags, const char *path, u32 length, struct place *out)
{
	u32 error = check_lookup(fd, rights, flags, path, length);

	if (!error)
		error = locate(fd, rights, path, length, flags & 1 ? follow_last : follow_slash, 0, out);
	if (error || out->host)
		return error;
	if (!out->ino)
		return ENOENT;
	return out->slash && !is(out->ino, S_IFDIR) ? ENOTDIR : OK;
}
