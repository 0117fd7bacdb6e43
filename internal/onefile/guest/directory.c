// Directories: as they are packed, sorted arrays of names; once they are changed, a list in the order of making, with a hash
// table over it.
//
// An entry keeps its position for as long as it is there, so that who reads a directory while it changes sees each name once.
#include "guest.h"

struct packed_entry {
	ref name;
	u32 length, ino;
};

struct entry {
	ref name;       // 0: removed
	u32 length, ino, hash, position;
	u32 allocated;  // whether the name is to be released
};

struct directory {
	ref entries, table;  // the table holds numbers of entries plus one
	u32 used, size, live, next, table_size;
};

static u32 hash_of(const char *name, u32 length)
{
	u32 hash = 2166136261u;

	while (length--)
		hash = (hash ^ (u8)*name++) * 16777619u;
	return hash;
}

static int compare(const char *a, u32 a_length, const char *b, u32 b_length)
{
	for (u32 i = 0; i < a_length && i < b_length; i++)
		if (a[i] != b[i])
			return (u8)a[i] - (u8)b[i];
	return (i32)a_length - (i32)b_length;
}

static struct directory *changed(u32 dir)
{
	ref r = inode(dir)->blocks;

	return r ? AT(struct directory, r) : 0;
}

// slot finds where in the table a name is, or would be.
static u32 slot(const struct directory *d, const char *name, u32 length, u32 hash)
{
	const u32 *table = AT(u32, d->table);
	const struct entry *entries = AT(struct entry, d->entries);
	u32 mask = d->table_size - 1, i = hash & mask;

	for (; table[i]; i = (i + 1) & mask) {
		const struct entry *e = entries + table[i] - 1;

		if (e->name && e->hash == hash && e->length == length && same(AT(char, e->name), name, length))
			break;
	}
	return i;
}

u32 find_entry(u32 dir, const char *name, u32 length)
{
	const struct directory *d = changed(dir);
	const struct inode *n = inode(dir);
	const struct packed_entry *packed = AT(struct packed_entry, n->content);
	u32 low = 0, high = n->count;

	if (d) {
		u32 number = AT(u32, d->table)[slot(d, name, length, hash_of(name, length))];

		return number ? AT(struct entry, d->entries)[number - 1].ino : 0;
	}
	while (low < high) {
		u32 middle = (low + high) / 2;
		int order = compare(AT(char, packed[middle].name), packed[middle].length, name, length);

		if (order == 0)
			return packed[middle].ino;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

// arrange makes room for entries: what is left of the old ones moves into a larger list with a table of twice its size.
static int arrange(struct directory *d)
{
	u32 size = 16, count = 0;
	ref entries, table;

	while (size < 2 * (d->live + 1))
		size *= 2;
	entries = allocate(size * sizeof(struct entry));
	table = allocate(2 * size * sizeof(u32));
	if (!entries || !table) {
		release(entries, size * sizeof(struct entry));
		release(table, 2 * size * sizeof(u32));
		return 0;
	}
	for (u32 i = 0; i < d->used; i++)
		if (AT(struct entry, d->entries)[i].name)
			AT(struct entry, entries)[count++] = AT(struct entry, d->entries)[i];
	if (d->entries) {
		release(d->entries, d->size * sizeof(struct entry));
		release(d->table, d->table_size * sizeof(u32));
	}
	d->entries = entries;
	d->table = table;
	d->used = count;
	d->size = size;
	d->table_size = 2 * size;
	for (u32 i = 0; i < count; i++) {
		u32 at = AT(struct entry, entries)[i].hash & (d->table_size - 1);

		while (AT(u32, table)[at])
			at = (at + 1) & (d->table_size - 1);
		AT(u32, table)[at] = i + 1;
	}
	return 1;
}

static int append(struct directory *d, ref name, u32 length, u32 ino, u32 allocated)
{
	u32 hash = hash_of(AT(char, name), length), at;

	if (d->used == d->size && !arrange(d))
		return 0;
	at = slot(d, AT(char, name), length, hash);
	AT(struct entry, d->entries)[d->used] = (struct entry){name, length, ino, hash, d->next++, allocated};
	AT(u32, d->table)[at] = ++d->used;
	d->live++;
	return 1;
}

// change gives a directory its changed form.
static struct directory *change(u32 dir)
{
	struct directory *d = changed(dir);
	u32 count = inode(dir)->count;
	ref r;

	if (d)
		return d;
	r = allocate(sizeof *d);
	if (!r)
		return 0;
	d = AT(struct directory, r);
	d->live = count;
	if (!arrange(d)) {
		release(r, sizeof *d);
		return 0;
	}
	d->live = 0;
	for (u32 i = 0; i < count; i++) {
		struct packed_entry *e = AT(struct packed_entry, inode(dir)->content) + i;

		append(d, e->name, e->length, e->ino, 0); // there is room
	}
	inode(dir)->blocks = r;
	return d;
}

u32 add_entry(u32 dir, const char *name, u32 length, u32 ino)
{
	struct directory *d;
	ref text;

	if (inode(dir)->fixed)
		return EROFS;
	if (length > max_name)
		return ENAMETOOLONG;
	d = change(dir);
	text = d ? allocate(length) : 0;
	if (!text)
		return ENOSPC;
	copy(AT(char, text), name, length);
	if (!append(d, text, length, ino, 1)) {
		release(text, length);
		return ENOSPC;
	}
	inode(dir)->mtime = inode(dir)->ctime = now();
	return OK;
}

void remove_entry(u32 dir, const char *name, u32 length)
{
	struct directory *d = change(dir);
	u32 number = d ? AT(u32, d->table)[slot(d, name, length, hash_of(name, length))] : 0;
	struct entry *e = number ? AT(struct entry, d->entries) + number - 1 : 0;

	if (!e)
		return;
	if (e->allocated)
		release(e->name, e->length);
	e->name = 0; // the table keeps the number: names behind it must still be found
	d->live--;
	inode(dir)->mtime = inode(dir)->ctime = now();
}

int is_empty(u32 dir)
{
	const struct directory *d = changed(dir);

	return d ? d->live == 0 : inode(dir)->count == 0;
}

void free_directory(u32 dir)
{
	struct directory *d = changed(dir);

	if (!d)
		return;
	release(d->entries, d->size * sizeof(struct entry));
	release(d->table, d->table_size * sizeof(u32));
	release(inode(dir)->blocks, sizeof *d);
	inode(dir)->blocks = 0;
	inode(dir)->count = 0;
}

int entry_from(u32 dir, u64 position, const char **name, u32 *length, u32 *ino, u64 *next)
{
	const struct directory *d = changed(dir);
	const struct entry *e;
	u32 low = 0, high;

	if (!d) {
		const struct packed_entry *packed = AT(struct packed_entry, inode(dir)->content) + position;

		if (position >= inode(dir)->count)
			return 0;
		*name = AT(char, packed->name);
		*length = packed->length;
		*ino = packed->ino;
		*next = position + 1;
		return 1;
	}
	e = AT(struct entry, d->entries);
	for (high = d->used; low < high;) {
		u32 middle = (low + high) / 2;

		if (e[middle].position < position)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < d->used && !e[low].name)
		low++;
	if (low == d->used)
		return 0;
	*name = AT(char, e[low].name);
	*length = e[low].length;
	*ino = e[low].ino;
	*next = (u64)e[low].position + 1;
	return 1;
}
