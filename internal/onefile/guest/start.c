// What a run begins with: arguments, environment, directories; and the calls that tell of them.
#include "host.h"

static struct tree *tree(void) { return AT(struct tree, link_tree()); }

// A list of strings, laid out as args_get and environ_get give them.
struct list {
	ref text;
	u32 count, size;
};

static struct list arguments, environment;
static int arguments_known, environment_known, files_known;
static u32 run_umask = 022;
static u32 next_mode = 0xffffffff;

enum { largest_list = 1 << 24 };

static u32 text_size(const char *text, u32 count)
{
	const char *at = text;

	while (count--)
		at += length_of(at) + 1;
	return at - text;
}

static void append(struct list *l, const char *text, u32 count)
{
	u32 size = text_size(text, count);

	copy(AT(char, l->text) + l->size, text, size);
	l->size += size;
	l->count += count;
}

// same_name tells whether two command names are of one program: equal, or one the other's last component.
static int same_name(const char *a, const char *b)
{
	u32 x = length_of(a), y = length_of(b);
	u32 i = x, j = y;

	while (i && a[i - 1] != '/')
		i--;
	while (j && b[j - 1] != '/')
		j--;
	return x - i == y - j && same(a + i, b + j, x - i);
}

static void find_arguments(void)
{
	u32 count = 0, size = 0, fixed = tree()->fixed, skip = 1;
	const char *words = AT(char, tree()->words), *given;
	ref block;

	if (arguments_known)
		return;
	arguments_known = 1;
	if (host_args_sizes_get(&count, &size) || size > largest_list || count > largest_list)
		count = size = 0;
	arguments.text = allocate(text_size(words, fixed + tree()->others) + size + 1);
	block = allocate(count * 4 + size + 4);
	append(&arguments, words, fixed);
	if (count < 2 || host_args_get(AT(u32, block), AT(char, block) + count * 4)) {
		append(&arguments, words + text_size(words, fixed), tree()->others);
	} else {
		given = AT(char, block) + count * 4;
		if (AT(char, tree()->program)[0] && same_name(given + text_size(given, 1), AT(char, tree()->program)))
			skip = 2;
		append(&arguments, given + text_size(given, skip), count - skip);
	}
	release(block, count * 4 + size + 4);
}

// sets tells whether a variable is one of a list.
static int sets(const char *list, u32 count, const char *variable)
{
	u32 name = 0;

	while (variable[name] && variable[name] != '=')
		name++;
	for (; count--; list += length_of(list) + 1)
		if (same(list, variable, least(name, length_of(list))) && list[name] == '=' && length_of(list) > name)
			return 1;
	return 0;
}

// The host's variables come over the box's, but for PWD, which is about the host's files.
static void find_environment(void)
{
	u32 count = 0, size = 0, ours = tree()->variable_count;
	const char *variables = AT(char, tree()->variables), *given, *at;
	ref block;

	if (environment_known)
		return;
	environment_known = 1;
	if (host_environ_sizes_get(&count, &size) || size > largest_list || count > largest_list)
		count = size = 0;
	environment.text = allocate(text_size(variables, ours) + size + 1);
	block = allocate(count * 4 + size + 4);
	if (count && host_environ_get(AT(u32, block), AT(char, block) + count * 4))
		count = 0;
	given = AT(char, block) + count * 4;
	at = variables;
	for (u32 i = 0; i < ours; i++, at += length_of(at) + 1)
		if (same(at, "PWD=", least(4, length_of(at))) || !sets(given, count, at))
			append(&environment, at, 1);
	at = given;
	for (u32 i = 0; i < count; i++, at += length_of(at) + 1)
		if (!same(at, "PWD=", least(4, length_of(at))))
			append(&environment, at, 1);
	release(block, count * 4 + size + 4);
}

static u32 put_sizes(const struct list *l, u32 *count, u32 *size)
{
	if (!inside(count, 4) || !inside(size, 4))
		return EFAULT;
	*count = l->count;
	*size = l->size;
	return OK;
}

static u32 put_list(const struct list *l, char **pointers, char *text)
{
	if (!inside(pointers, l->count * 4) || !inside(text, l->size))
		return EFAULT;
	copy(text, AT(char, l->text), l->size);
	for (u32 i = 0; i < l->count; i++) {
		pointers[i] = text;
		text += length_of(text) + 1;
	}
	return OK;
}

CALL(args_sizes_get)(u32 *count, u32 *size)
{
	find_arguments();
	return put_sizes(&arguments, count, size);
}

CALL(args_get)(char **pointers, char *text)
{
	find_arguments();
	return put_list(&arguments, pointers, text);
}

CALL(environ_sizes_get)(u32 *count, u32 *size)
{
	find_environment();
	return put_sizes(&environment, count, size);
}

CALL(environ_get)(char **pointers, char *text)
{
	find_environment();
	return put_list(&environment, pointers, text);
}

// Directories of the host. They are seen in the box's tree, in place of what it has there, under the names that the host gives
// them. Relative names are so to the working directory, but for "." itself: that, and "/", would hide the box and are /host.

struct lent {
	ref name;
	u32 length;
};
enum { max_lent = 64 };
static struct lent lent[max_lent];
static u32 lent_count;

static u32 absolute(ref name, u32 length, struct lent *out)
{
	static const char host_root[] = "/host";
	u32 from = 0, directory = tree()->directory_length;
	char *text = AT(char, name);
	ref full;

	while (length && text[length - 1] == '/')
		length--;
	if (length && text[0] == '/') {
		*out = (struct lent){name, length};
		return OK;
	}
	while (from + 1 < length && text[from] == '.' && text[from + 1] == '/')
		from += 2;
	if (from == length || (length - from == 1 && text[from] == '.')) {
		*out = (struct lent){allocate(5), 5};
		if (out->name)
			copy(AT(char, out->name), host_root, 5);
		return out->name ? OK : ENOSPC;
	}
	full = allocate(directory + 1 + length);
	if (!full)
		return ENOSPC;
	copy(AT(char, full), AT(char, tree()->directory), directory);
	if (directory > 1)
		AT(char, full)[directory++] = '/';
	copy(AT(char, full) + directory, text + from, length - from);
	*out = (struct lent){full, directory + length - from};
	return OK;
}

// place_for finds or makes the directory of a name in the box's tree; 0: it has something else there.
static u32 place_for(const struct lent *l)
{
	const char *name = AT(char, l->name);
	u32 read_only = tree()->read_only, ino = 0;
	struct place at = {0};

	tree()->read_only = 0;
	for (u32 i = 2; i <= l->length; i++) {
		if (i < l->length && name[i] != '/')
			continue;
		ino = 0;
		if (walk(root_inode, name + 1, i - 1, follow_last, 0, &at) != OK || at.host)
			break;
		ino = at.ino;
		if (!ino && make_directory(&at, 0755, &ino))
			break;
	}
	tree()->read_only = read_only;
	return ino && is(ino, S_IFDIR) && !inode(ino)->fixed ? ino : 0;
}

static void lend(u32 host, u32 length)
{
	ref name = allocate(length + 1);
	struct lent l;
	u32 ino;

	if (!name || lent_count == max_lent || host_fd_prestat_dir_name(host, AT(char, name), length))
		return;
	if (absolute(name, length, &l))
		return;
	ino = place_for(&l);
	if (!ino)
		return;
	inode(ino)->lent = host + 1;
	lent[lent_count++] = l;
}

void set_up_files(void)
{
	u32 fd;

	if (files_known)
		return;
	files_known = 1;
	for (u32 i = 0; i < 3; i++)
		if (open_descriptor(i, host_kind, i, 0, 0, &fd) == OK)
			AT(struct description, descriptors[fd].description)->borrowed = 1;
	if (open_descriptor(3, dir_kind, root_inode, dir_rights, dir_rights | file_rights, &fd) == OK)
		descriptors[fd].preopen = 1;
	for (u32 host = 3; host < max_fds; host++) {
		u32 stat[2];

		if (host_fd_prestat_get(host, stat))
			break;
		if (stat[0] == 0 && stat[1] < max_path)
			lend(host, stat[1]);
	}
}

CALL(fd_prestat_get)(u32 fd, u32 *out)
{
	struct descriptor *d = descriptor(fd);

	if (!inside(out, 8))
		return EFAULT;
	if (!d || !d->preopen)
		return EBADF;
	out[0] = 0;
	out[1] = 1;
	return OK;
}

CALL(fd_prestat_dir_name)(u32 fd, char *to, u32 size)
{
	struct descriptor *d = descriptor(fd);

	if (!inside(to, size))
		return EFAULT;
	if (!d || !d->preopen)
		return EBADF;
	if (size < 1)
		return ENAMETOOLONG;
	*to = '/';
	return OK;
}

// part_foreign tells whether a directory of the host lies over what the memory image speaks of.
PART(foreign) u32 part_foreign(void)
{
	set_up_files();
	for (u32 i = 0; i < lent_count; i++) {
		const char *seen = AT(char, tree()->seen), *name = AT(char, lent[i].name);

		for (u32 k = 0; k < tree()->seen_count; k++, seen += length_of(seen) + 1) {
			u32 length = lent[i].length;

			if (length_of(seen) >= length && same(seen, name, length) && (!seen[length] || seen[length] == '/'))
				return 1;
		}
	}
	return 0;
}

// What else is the host's to answer.

CALL(clock_res_get)(u32 clock, u64 *out) { return inside(out, 8) ? host_clock_res_get(clock, out) : EFAULT; }

CALL(clock_time_get)(u32 clock, u64 precision, u64 *out)
{
	return inside(out, 8) ? host_clock_time_get(clock, precision, out) : EFAULT;
}

CALL(random_get)(void *to, u32 length) { return inside(to, length) ? host_random_get(to, length) : EFAULT; }
CALL(sched_yield)(void) { return host_sched_yield(); }

__attribute__((export_name(PREVIEW1 ".proc_exit"), noreturn)) void call_proc_exit(u32 status) { host_proc_exit(status & 255); }

CALL(proc_raise)(u32 signal)
{
	enum { child = 16, go_on = 17, stop = 18, tty_out = 21, urgent = 22, winch = 27, last = 30 };

	if (signal == 0 || signal == child || signal == go_on || signal == urgent || signal == winch)
		return OK;
	if (signal > last)
		return EINVAL;
	if (signal >= stop && signal <= tty_out)
		return ENOTSUP;
	host_proc_exit(128 + signal);
}

CALL(sock_accept)(u32 fd, u32 flags, u32 *out)
{
	u32 accepted, to, error;

	if (!inside(out, 4))
		return EFAULT;
	if (!is_host(fd))
		return descriptor(fd) ? ENOTSOCK : EBADF;
	if ((error = host_sock_accept(host_of(fd), flags, &accepted)))
		return error;
	if ((error = open_descriptor(0, host_kind, accepted, 0, 0, &to)))
		return error;
	*out = to;
	return OK;
}

CALL(sock_recv)(u32 fd, const void *iovs, u32 count, u32 flags, u32 *done, u32 *out_flags)
{
	return is_host(fd) ? host_sock_recv(host_of(fd), iovs, count, flags, done, out_flags) : descriptor(fd) ? ENOTSOCK : EBADF;
}

CALL(sock_send)(u32 fd, const void *iovs, u32 count, u32 flags, u32 *done)
{
	return is_host(fd) ? host_sock_send(host_of(fd), iovs, count, flags, done) : descriptor(fd) ? ENOTSOCK : EBADF;
}

CALL(sock_shutdown)(u32 fd, u32 how)
{
	return is_host(fd) ? host_sock_shutdown(host_of(fd), how) : descriptor(fd) ? ENOTSOCK : EBADF;
}

// Module boxer: what preview 1 lacks.

OURS(cwd_get)(char *to, u32 size, u32 *used)
{
	u32 length = tree()->directory_length;

	if (!inside(to, size) || !inside(used, 4))
		return EFAULT;
	*used = length;
	if (size < length)
		return ERANGE;
	copy(to, AT(char, tree()->directory), length);
	return OK;
}

u32 creation_mode(u32 usual)
{
	u32 mode = next_mode == 0xffffffff ? usual : next_mode;

	next_mode = 0xffffffff;
	return mode & 07777 & ~run_umask;
}

__attribute__((export_name("boxer.create_mode"))) void ours_create_mode(u32 mode) { next_mode = mode & 07777; }

OURS(umask)(u32 mask)
{
	u32 old = run_umask;

	run_umask = mask & 0777;
	return old;
}

OURS(ids_get)(u32 out[4])
{
	if (!inside(out, 16))
		return EFAULT;
	out[0] = 1;
	out[1] = 0;
	out[2] = tree()->uid;
	out[3] = tree()->gid;
	return OK;
}

OURS(tty_size)(u32 fd, u32 out[2])
{
	u8 stat[24];

	if (!inside(out, 8))
		return EFAULT;
	if (!descriptor(fd))
		return EBADF;
	if (!is_host(fd) || !described(fd)->borrowed || stream_stat(described(fd), stat) || stat[0] != type_char)
		return ENOTTY;
	out[0] = 24; // preview 1 does not say
	out[1] = 80;
	return OK;
}

// Functions that an embedding program lends, and sessions: there is nobody to lend or hold any.

OURS(call)(__attribute__((unused)) u32 a, __attribute__((unused)) u32 b, __attribute__((unused)) u32 c,
	   __attribute__((unused)) u32 d, __attribute__((unused)) u32 e)
{
	return ENOSYS;
}

OURS(functions)(__attribute__((unused)) u32 a, __attribute__((unused)) u32 b, __attribute__((unused)) u32 c) { return ENOSYS; }
OURS(source)(__attribute__((unused)) u32 a, __attribute__((unused)) u32 b) { return ENOSYS; }
OURS(result)(__attribute__((unused)) u32 a, __attribute__((unused)) u32 b, __attribute__((unused)) u32 c) { return ENOSYS; }
