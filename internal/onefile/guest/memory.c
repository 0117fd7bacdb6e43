// Memory: what the program sees of it, and what the library takes for itself.
//
//   0               pages          base            end
//   | the program's | unused, zero | the library's |
//
// The program's part grows without gaps, as programs believe it does (Go's runtime counts on it). When it reaches the
// library's region, that is copied up: plan makes room, the linker's code copies and moves the registers, settle ends it.
#include "guest.h"

enum { page_size = 65536 };

static u32 pages = 0xffffffff; // that the program knows of; not yet set
static ref top;                // of what has been allocated, once it has
static ref free_lists[32];     // by the logarithm of the size

static u32 program_pages(void)
{
	if (pages == 0xffffffff)
		pages = AT(struct tree, link_tree())->pages;
	return pages;
}

PART(size) u32 part_size(void) { return program_pages(); }

// part_plan tells by how many pages the library must move for the program to grow by more; memory for it is there then.
// -1: the program cannot grow.
PART(plan) i32 part_plan(u32 more)
{
	u32 old = program_pages(), base = (u32)link_base() / page_size;
	u32 wanted, enough;

	if (more > 65536 || old + more > AT(struct tree, link_tree())->max_pages)
		return -1;
	if (old + more <= base)
		return 0;
	enough = old + more - base;
	wanted = enough + (old + more) / 4 + 16; // so that growing by single pages does not copy each time
	if (__builtin_wasm_memory_grow(0, wanted) != (unsigned long)-1)
		return wanted;
	return __builtin_wasm_memory_grow(0, enough) != (unsigned long)-1 ? (i32)enough : -1;
}

// part_span is how many bytes the library's region has in use.
PART(span) u32 part_span(void) { return top ? top : AT(struct tree, link_tree())->end; }

PART(settle) u32 part_settle(u32 more)
{
	u32 old = program_pages();

	pages = old + more;
	return old;
}

// part_reset makes the program's memory as large as it is at first.
PART(reset) void part_reset(u32 size) { pages = size; }

int inside(const void *at, u32 length) { return (u64)(u32)at + length <= (u64)program_pages() * page_size; }

static u32 class_of(u32 length)
{
	return length <= 16 ? 4 : 32 - __builtin_clz(length - 1);
}

ref allocate(u32 length)
{
	u32 class = class_of(length), size = 1u << class, end;
	ref r = free_lists[class];

	if (length > 1u << 30)
		return 0;
	if (r) {
		free_lists[class] = *AT(ref, r);
		clear(AT(u8, r), size);
		return r;
	}
	if (!top)
		top = (AT(struct tree, link_tree())->end + 15) & ~15u;
	end = __builtin_wasm_memory_size(0) * page_size - (u32)link_base(); // 4 GiB is 0, and the difference right all the same
	if (size > end - top) {
		u32 more = (size - (end - top) + page_size - 1) / page_size;

		if (__builtin_wasm_memory_grow(0, more + 15) == (unsigned long)-1 &&
		    __builtin_wasm_memory_grow(0, more) == (unsigned long)-1)
			return 0;
	}
	r = top;
	top += size;
	return r;
}

void release(ref r, u32 length)
{
	u32 class = class_of(length);

	if (!r)
		return;
	*AT(ref, r) = free_lists[class];
	free_lists[class] = r;
}

u32 length_of(const char *text)
{
	u32 n = 0;

	while (text[n])
		n++;
	return n;
}

int same(const void *a, const void *b, u32 length)
{
	const u8 *x = a, *y = b;

	while (length && *x == *y)
		x++, y++, length--;
	return length == 0;
}
