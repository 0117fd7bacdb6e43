// Inodes and the contents of files: what is packed, and over it blocks of what was written.
#include "host.h"

enum { inodes_at_a_time = 64 };

static ref more_inodes; // refs of further inodes, so many at a time
static u32 more_size, made, first_free;
static u64 bytes_written;
static u32 files_made;

static struct tree *tree(void) { return AT(struct tree, link_tree()); }

struct inode *inode(u32 ino)
{
	if (ino <= tree()->inodes)
		return AT(struct inode, tree()->inode) + (ino - 1);
	ino -= tree()->inodes + 1;
	return AT(struct inode, AT(ref, more_inodes)[ino / inodes_at_a_time]) + ino % inodes_at_a_time;
}

int is(u32 ino, u32 type) { return (inode(ino)->mode & S_IFMT) == type; }

u64 now(void)
{
	u64 t = 0;

	host_clock_time_get(0, 1, &t);
	return t;
}

u32 allow_change(void) { return tree()->read_only ? EROFS : OK; }

u32 allow_setting(u32 ino)
{
	if (inode(ino)->fixed)
		return EROFS;
	return is(ino, S_IFCHR) && inode(ino)->rdev ? EPERM : allow_change();
}

// more_room makes the next inodes.
static int more_room(void)
{
	u32 groups = made / inodes_at_a_time;
	ref group;

	if (groups == more_size) {
		u32 size = more_size ? 2 * more_size : 16;
		ref table = allocate(size * sizeof(ref));

		if (!table)
			return 0;
		copy(AT(ref, table), AT(ref, more_inodes), more_size * sizeof(ref));
		release(more_inodes, more_size * sizeof(ref));
		more_inodes = table;
		more_size = size;
	}
	group = allocate(inodes_at_a_time * sizeof(struct inode));
	if (!group)
		return 0;
	AT(ref, more_inodes)[groups] = group;
	return 1;
}

u32 make_inode(u32 mode)
{
	u32 ino = first_free;
	struct inode *n;

	if (tree()->max_files && files_made >= tree()->max_files)
		return 0;
	if (ino) {
		first_free = inode(ino)->parent;
	} else {
		if (made % inodes_at_a_time == 0 && !more_room())
			return 0;
		ino = tree()->inodes + 1 + made++;
	}
	files_made++;
	n = inode(ino);
	*n = (struct inode){.mode = mode, .uid = tree()->uid, .gid = tree()->gid};
	n->mtime = n->atime = n->ctime = now();
	return ino;
}

static void free_blocks(struct inode *n, u32 from)
{
	ref *blocks = AT(ref, n->blocks);

	for (u32 i = from; n->blocks && i < n->block_count; i++) {
		if (!blocks[i])
			continue;
		release(blocks[i], block_size);
		blocks[i] = 0;
		bytes_written -= block_size;
	}
}

void drop_inode(u32 ino)
{
	struct inode *n = inode(ino);

	if (n->nlink || n->opens)
		return;
	if ((n->mode & S_IFMT) == S_IFREG) {
		free_blocks(n, 0);
		release(n->blocks, n->block_count * sizeof(ref));
	}
	if ((n->mode & S_IFMT) == S_IFDIR)
		free_directory(ino);
	if (ino <= tree()->inodes)
		return;
	if ((n->mode & S_IFMT) == S_IFLNK)
		release(n->content, n->count);
	files_made--;
	n->parent = first_free;
	first_free = ino;
}

// Chunks that were needed last. A chunk is known by where it is packed.
enum { slots = 8 };
static struct {
	u32 from, size, used;
	ref bytes;
} cached[slots];
static u32 uses;

static u8 *chunk(u32 from, u32 size, u32 packed)
{
	u32 oldest = 0;

	for (u32 i = 0; i < slots; i++) {
		if (cached[i].size == size && cached[i].from == from) {
			cached[i].used = ++uses;
			return AT(u8, cached[i].bytes);
		}
		if (cached[i].used < cached[oldest].used)
			oldest = i;
	}
	cached[oldest].size = 0;
	if (!cached[oldest].bytes)
		cached[oldest].bytes = allocate(chunk_size);
	if (!cached[oldest].bytes || !unpack(AT(u8, cached[oldest].bytes), size, from, packed))
		return 0;
	cached[oldest].from = from;
	cached[oldest].size = size;
	cached[oldest].used = ++uses;
	return AT(u8, cached[oldest].bytes);
}

// read_packed reads what lies in one chunk; 0: it is damaged.
static u32 read_packed(const struct inode *n, u8 *to, u32 length, u64 at)
{
	u32 number = at / chunk_size, within = at % chunk_size, size, packed;
	const u32 *starts = AT(u32, n->content) + number;
	u64 left = n->packed - at + within;
	u8 *bytes;

	// n->packed may have been cut; a chunk is what it was when it was packed.
	size = n->count && number == (n->count - 1) / chunk_size ? (n->count - 1) % chunk_size + 1 : chunk_size;
	packed = starts[1] - starts[0];
	length = least(length, least(size, left > chunk_size ? chunk_size : (u32)left) - within);
	if (packed == size) {
		link_read(to, starts[0] + within, length);
		return length;
	}
	if (within == 0 && length == size)
		return unpack(to, size, starts[0], packed) ? length : 0;
	bytes = chunk(starts[0], size, packed);
	if (!bytes)
		return 0;
	copy(to, bytes + within, length);
	return length;
}

// block_of is where the block of an offset is, 0 if nothing was written there.
static ref block_of(const struct inode *n, u64 at)
{
	u64 number = at / block_size;

	return number < n->block_count ? AT(ref, n->blocks)[number] : 0;
}

static u32 read_piece(const struct inode *n, u8 *to, u32 length, u64 at)
{
	u32 within = at % block_size;
	ref block = block_of(n, at);

	if (block) {
		length = least(length, block_size - within);
		copy(to, AT(u8, block) + within, length);
		return length;
	}
	if (n->block_count) // what follows may have been written
		length = least(length, block_size - within);
	if (at < n->packed)
		return read_packed(n, to, length, at);
	clear(to, length);
	return length;
}

u32 read_content(u32 ino, void *to, u32 length, u64 at)
{
	const struct inode *n = inode(ino);
	u32 done = 0;

	if (at >= n->size)
		return 0;
	if (length > n->size - at)
		length = n->size - at;
	while (done < length) {
		u32 piece = read_piece(n, (u8 *)to + done, length - done, at + done);

		if (!piece)
			return read_failed;
		done += piece;
	}
	return done;
}

static u32 table_for(struct inode *n, u64 blocks)
{
	u32 size = n->block_count ? n->block_count : 4;
	ref table;

	if (blocks <= n->block_count)
		return OK;
	if (blocks > 1u << 24) // 64 GiB: more than there is memory for
		return EFBIG;
	while (size < blocks)
		size *= 2;
	table = allocate(size * sizeof(ref));
	if (!table)
		return ENOSPC;
	copy(AT(ref, table), AT(ref, n->blocks), n->block_count * sizeof(ref));
	release(n->blocks, n->block_count * sizeof(ref));
	n->blocks = table;
	n->block_count = size;
	return OK;
}

// own_block makes the block of an offset one that can be written to.
static u32 own_block(u32 ino, u64 at, ref *out)
{
	struct inode *n = inode(ino);
	u64 start = at / block_size * block_size;
	u32 error = table_for(n, at / block_size + 1);
	ref block;

	if (error)
		return error;
	*out = block_of(n, at);
	if (*out)
		return OK;
	if (tree()->max_bytes && bytes_written + block_size > tree()->max_bytes)
		return ENOSPC;
	block = allocate(block_size);
	if (!block)
		return ENOSPC;
	for (u32 done = 0; start + done < n->packed && done < block_size;) {
		u32 piece = read_packed(n, AT(u8, block) + done, block_size - done, start + done);

		if (!piece) {
			release(block, block_size);
			return EIO;
		}
		done += piece;
	}
	bytes_written += block_size;
	AT(ref, n->blocks)[at / block_size] = *out = block;
	return OK;
}

u32 write_content(u32 ino, const void *from, u32 length, u64 at, u32 *written)
{
	u32 error = OK;

	*written = 0;
	if (at > max_file || length > max_file - at)
		return EFBIG;
	while (*written < length) {
		u32 within = (at + *written) % block_size, piece = least(length - *written, block_size - within);
		ref block;

		error = own_block(ino, at + *written, &block);
		if (error)
			break;
		copy(AT(u8, block) + within, (const u8 *)from + *written, piece);
		*written += piece;
	}
	if (*written) {
		struct inode *n = inode(ino);

		if (at + *written > n->size)
			n->size = at + *written;
		n->mtime = n->ctime = now();
		return OK;
	}
	return error;
}

u32 resize(u32 ino, u64 size)
{
	struct inode *n = inode(ino);
	u32 error = allow_change();

	if (error)
		return error;
	if (size > max_file)
		return EFBIG;
	if (size < n->size) {
		ref last = size % block_size ? block_of(n, size) : 0;

		if (last)
			clear(AT(u8, last) + size % block_size, block_size - size % block_size);
		free_blocks(n, (size + block_size - 1) / block_size);
		if (n->packed > size)
			n->packed = size;
	}
	n->size = size;
	n->mtime = n->ctime = now();
	return OK;
}
