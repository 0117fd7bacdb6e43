// What the files of the library share. See library.go for how it becomes part of a program.
//
// The library lies in the program's memory, above what the program thinks is its end, and is moved up whenever the program
// grows (memory.c). So nothing that outlives a call may hold an address: objects are named by refs, distances from the
// beginning of the library's region, of which 0 is none. The compiler makes code that finds its own data by a register
// that moves with it (-fPIC), and there are no tables of pointers: the linker would have to fill in addresses.
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int i32;
typedef long long i64;
typedef u32 ref;

#define PREVIEW1 "wasi_snapshot_preview1"
// CALL begins the definition of a function of preview 1 that programs are given; OURS, of one of module boxer.
#define CALL(name) __attribute__((export_name(PREVIEW1 "." #name))) u32 call_##name
#define OURS(name) __attribute__((export_name("boxer." #name))) u32 ours_##name
// PART begins the definition of a function that the module's start and its memory instructions are made of.
#define PART(name) __attribute__((export_name("part." #name)))
#define HOST(name) __attribute__((import_module(PREVIEW1), import_name(#name))) u32 host_##name
#define LINK(name) __attribute__((import_module("link"), import_name(#name)))

// What the linker provides.
LINK(base) u8 *link_base(void);                              // the beginning of the region, now
LINK(tree) ref link_tree(void);                              // struct tree
LINK(read) void link_read(void *to, u32 from, u32 length);   // out of the packed contents

#define AT(type, r) ((type *)(link_base() + (r)))

// errno values of preview 1.
enum {
	OK = 0, E2BIG = 1, EACCES = 2, EAGAIN = 6, EBADF = 8, EBUSY = 10, EDEADLK = 16, EEXIST = 20, EFAULT = 21, EFBIG = 22,
	EINVAL = 28, EIO = 29, EISDIR = 31, ELOOP = 32, EMFILE = 33, EMLINK = 34, ENAMETOOLONG = 37, ENODEV = 43, ENOENT = 44, ENOSPC = 51,
	ENOSYS = 52, ENOTDIR = 54, ENOTEMPTY = 55, ENOTSOCK = 57, ENOTSUP = 58, ENOTTY = 59, ENXIO = 60, EPERM = 63, EPIPE = 64,
	ERANGE = 68, EROFS = 69, ESPIPE = 70, EXDEV = 75, ENOTCAPABLE = 76,
};

enum { max_name = 255, max_path = 4096, max_links = 40, max_depth = 2048, max_fds = 1024, max_iovs = 1024 };
static const u64 max_file = 1ull << 44;
static const u32 max_transfer = 0x7ffff000;

// filetype of preview 1, and the bits of st_mode that stand for it.
enum { type_unknown = 0, type_block = 1, type_char = 2, type_dir = 3, type_file = 4, type_socket = 6, type_link = 7 };
enum { S_IFMT = 0170000, S_IFIFO = 0010000, S_IFCHR = 0020000, S_IFDIR = 0040000, S_IFBLK = 0060000, S_IFREG = 0100000,
	S_IFLNK = 0120000, S_IFSOCK = 0140000 };

// memory.c

// inside tells whether so many bytes lie in what the program knows of its memory.
int inside(const void *at, u32 length);
// allocate gives zeroed space, or 0; release takes it back, told the same length.
ref allocate(u32 length);
void release(ref r, u32 length);

static inline void copy(void *to, const void *from, u32 length) { __builtin_memmove(to, from, length); }
static inline void clear(void *at, u32 length) { __builtin_memset(at, 0, length); }
static inline u32 least(u32 a, u32 b) { return a < b ? a : b; }
u32 length_of(const char *text);
int same(const void *a, const void *b, u32 length);

// struct tree is what the linker lays down: the files as they are packed, and how the program is started.
struct tree {
	u32 inodes;
	ref inode;              // struct inode, number 1 first
	ref words;              // strings with a NUL behind each: the fixed ones, then the others
	u32 fixed, others;
	ref variables;          // the same
	u32 variable_count;
	ref directory;          // working directory
	u32 directory_length;
	u32 uid, gid;
	ref seen;               // names that the memory image depends on, with a NUL behind each
	u32 seen_count;
	ref program;            // the name that may stand in front of the host's arguments; "": none
	u32 read_only;
	u32 max_files;
	u64 max_bytes;          // 0: no bound, as for files
	ref end;                // of all this, where allocation begins
	u32 pages;              // of the program's memory, at first
	u32 max_pages;
	u32 fd_limit;
};

struct inode {
	u64 size, mtime, atime, ctime;
	u64 packed;  // of a file: so many of its bytes are in the packed contents unless there is a block for them
	u32 mode, nlink, uid, gid, rdev;
	u32 opens;   // descriptions of it
	u32 parent;  // of a directory
	ref content; // of a file: where its chunks begin and end in the packed contents; of a directory: packed entries; of a link: target
	u32 count;   // of a file: bytes that were packed; of a directory: packed entries; of a link: length of the target
	ref blocks;  // of a file: refs of what was written, a block each; of a directory: struct directory, once it is changed
	u32 block_count;
	u32 fixed;   // a directory that cannot be changed
	u32 lent;    // a directory in whose place one of the host's is seen: its descriptor plus one
	u32 spare;
};

// inode.c

static const u32 read_failed = 0xffffffff;
enum { root_inode = 1, block_size = 4096, chunk_size = 65536 };
struct inode *inode(u32 ino);
u32 make_inode(u32 mode);         // 0: no space
void drop_inode(u32 ino);         // frees it if nothing names it and it is not open
u32 allow_change(void);           // EROFS
u32 allow_setting(u32 ino);       // of a mode, an owner or times
u64 now(void);
int is(u32 ino, u32 type);        // S_IF…
u32 read_content(u32 ino, void *to, u32 length, u64 at);  // bytes read; read_failed: they are damaged
u32 write_content(u32 ino, const void *from, u32 length, u64 at, u32 *written);
u32 resize(u32 ino, u64 size);

// unpack.c

// unpack decompresses the contents of one chunk; 0 if they are damaged.
int unpack(u8 *to, u32 size, u32 from, u32 packed);

// directory.c

u32 find_entry(u32 dir, const char *name, u32 length);  // inode, or 0
u32 add_entry(u32 dir, const char *name, u32 length, u32 ino);
void remove_entry(u32 dir, const char *name, u32 length);
int is_empty(u32 dir);
void free_directory(u32 dir);
// entry_from gives the first entry at a position or behind it.
int entry_from(u32 dir, u64 position, const char **name, u32 *length, u32 *ino, u64 *next);

// walk.c

enum last_link { follow_last, follow_slash, keep_last, no_slash = 16 };
struct place {
	u32 ino;           // 0: there is nothing of that name
	u32 dir;           // that holds the name; 0: the path ends in ".", ".." or "/"
	const char *name;
	u32 length;
	int slash;         // behind the last component
	int dots;          // of the last component, if it is "." or ".."
	u32 host;          // the path leads into a directory of the host's: its descriptor plus one; nothing above then counts
	const char *rest;  // of the path, from there on
	u32 rest_length;
};
u32 walk(u32 from, const char *path, u32 length, u32 last, int buffer, struct place *out);
// check_path and check_lookup are what can be said of a path, and of a lookup, before it is made.
u32 check_path(const char *path, u32 length);
u32 check_lookup(u32 fd, u64 rights, u32 flags, const char *path, u32 length);
// locate is walk for what a program gives; existing is locate for what must be there.
u32 locate(u32 fd, u64 rights, const char *path, u32 length, u32 last, int buffer, struct place *out);
u32 existing(u32 fd, u64 rights, u32 flags, const char *path, u32 length, struct place *out);

// descriptor.c

enum kind { free_kind, host_kind, file_kind, dir_kind, device_kind, reader_kind, writer_kind };
struct description {
	u32 kind, refs;
	u32 what;      // host's descriptor, inode, or ref of a pipe
	u32 flags;     // fdflags
	u32 borrowed;  // of the host's: it is not ours to close
	u64 offset;
};
struct descriptor {
	ref description;   // 0: free
	u32 preopen;       // it is the root, open from the start
	u64 base, inheriting;
};
__attribute__((visibility("hidden"))) extern struct descriptor descriptors[max_fds]; // hidden: found without a table of addresses
struct descriptor *descriptor(u32 fd);                 // 0: it is not open
struct description *described(u32 fd);                 // likewise
u32 open_descriptor(u32 least_fd, u32 kind, u32 what, u64 base, u64 inheriting, u32 *fd);
u32 close_descriptor(u32 fd);
int is_host(u32 fd);
u32 host_of(u32 fd);
// need gives the description of one with these rights, or an error.
u32 need(u32 fd, u64 rights, struct description **out);
u32 need_dir(u32 fd, u64 rights, u32 *ino);
u64 rights_of(u32 kind);
u32 stream_stat(const struct description *d, u8 *out);

enum { fd_append = 1, fd_dsync = 2, fd_sync = 16 };
enum {
	right_datasync = 1 << 0, right_read = 1 << 1, right_seek = 1 << 2, right_set_flags = 1 << 3, right_sync = 1 << 4,
	right_tell = 1 << 5, right_write = 1 << 6, right_advise = 1 << 7, right_allocate = 1 << 8, right_create_dir = 1 << 9,
	right_create_file = 1 << 10, right_link_source = 1 << 11, right_link_target = 1 << 12, right_open = 1 << 13,
	right_readdir = 1 << 14, right_readlink = 1 << 15, right_rename_source = 1 << 16, right_rename_target = 1 << 17,
	right_path_stat = 1 << 18, right_path_size = 1 << 19, right_path_times = 1 << 20, right_stat = 1 << 21,
	right_size = 1 << 22, right_times = 1 << 23, right_symlink = 1 << 24, right_rmdir = 1 << 25, right_unlink = 1 << 26,
	right_poll = 1 << 27, right_shutdown = 1 << 28, right_accept = 1 << 29,
};
static const u32 write_rights = right_write | right_allocate | right_size;
static const u32 file_rights = right_datasync | right_read | right_seek | right_set_flags | right_sync | right_tell | right_advise |
	right_stat | right_times | right_poll | right_write | right_allocate | right_size;
static const u32 stream_rights = right_datasync | right_read | right_write | right_set_flags | right_sync | right_stat | right_poll;
static const u32 dir_rights = right_datasync | right_set_flags | right_sync | right_readdir | right_stat | right_times |
	right_create_dir | right_create_file | right_link_source | right_link_target | right_open | right_readlink |
	right_rename_source | right_rename_target | right_path_stat | right_path_size | right_path_times | right_symlink |
	right_rmdir | right_unlink;

// path.c

u32 make_directory(const struct place *at, u32 mode, u32 *ino);

// stream.c

// Devices, by their numbers: major times 256, minor.
enum { dev_null = 0x103, dev_zero = 0x105, dev_full = 0x107, dev_random = 0x108, dev_urandom = 0x109,
	dev_stdin = 0x8800, dev_stdout = 0x8801, dev_stderr = 0x8802, dev_tty = 0x500 };
struct pipe {
	u32 readers, writers, start, used, number;
	ref data;
};
enum { pipe_size = 65536, pipe_atomic = 4096 };
u32 read_device(u32 rdev, u8 *to, u32 length, u32 *done);
u32 write_device(u32 rdev, u32 length, u32 *done);
u32 read_pipe(ref pipe, u8 *to, u32 length, u32 *done);
u32 write_pipe(ref pipe, const u8 *from, u32 length, u32 *done);
void close_pipe(ref pipe, int writer);

// start.c

void set_up_files(void);
u32 creation_mode(u32 usual);

#endif
