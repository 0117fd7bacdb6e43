// Memory at the end of a capture.
//
// What was allocated and freed on the way leaves holes everywhere. A run would fill them, touching a page each, and what
// lies in them would be stored although nobody reads it. So holes are zeroed and closed: blocks that are free inside pages
// in use are allocated for good, and a run starts on fresh pages. An image holds a few hundred kilobytes more of zeros
// for that, which cost nothing, neither stored nor mapped.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_interp.h"
#include "internal/pycore_obmalloc.h"
#include "internal/pycore_pystate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// fill_pools allocates the free blocks of Python's pools that are in use.
static void fill_pools(struct _obmalloc_state *state)
{
	for (unsigned class = 0; class < NB_SMALL_SIZE_CLASSES; class++) {
		poolp *head = &state->pools.used[2 * class];

		while (*head != (*head)->nextpool) {
			size_t size = INDEX2SIZE(class);
			memset(PyObject_Malloc(size), 0, size);
		}
	}
}

// clear_pools zeroes the pools that are free. What such a one was last used for is not to be relied on then.
static void clear_pools(struct _obmalloc_state *state)
{
	for (unsigned i = 0; i < state->mgmt.maxarenas; i++) {
		struct arena_object *arena = &state->mgmt.arenas[i];

		for (poolp pool = arena->address ? arena->freepools : NULL; pool; pool = pool->nextpool) {
			memset(pool + 1, 0, POOL_SIZE - sizeof *pool);
			pool->szidx = DUMMY_SIZE_IDX;
			pool->freeblock = NULL;
			pool->prevpool = NULL;
		}
	}
}

// clear_rest zeroes the part of a chunk that is not zero yet, without touching the pages that are.
static void clear_rest(char *chunk, size_t size)
{
	for (size_t at = 0; at < size; at++)
		if (chunk[at])
			chunk[at] = 0;
}

// fill_holes allocates the chunks that are free below the end of malloc's memory, and zeroes what is beyond.
static void fill_holes(void)
{
	size_t largest = 4 << 20; // no hole is as large: this comes from the end
	char *end = malloc(largest), *chunk;

	if (end == NULL)
		return;
	clear_rest(end, largest);
	free(end);
	for (size_t size = largest / 2; size >= 8; size /= 2) {
		while ((chunk = malloc(size)) != NULL && chunk < end)
			clear_rest(chunk, size);
		free(chunk);
	}
}

void align_memory(void)
{
	const uintptr_t boundary = 64 << 10, overhead = sizeof(size_t);
	static char *volatile gap; // used by nobody; a compiler must not think so
	uintptr_t next;

	fill_holes();
	gap = malloc(1);
	next = (uintptr_t)gap;
	free(gap);
	if (next % boundary != 0)
		gap = malloc(-next % boundary - overhead);
}

// clear_stack zeroes what calls have left below the stack's pointer. The stack starts at the bottom of memory.
static __attribute__((noinline)) void clear_stack(void)
{
	volatile char here;
	volatile uint32_t *word = (volatile uint32_t *)(((uintptr_t)&here - 1024) & ~(uintptr_t)3);

	for (; word > (volatile uint32_t *)1024; word--)
		if (*word)
			*word = 0;
}

void settle_memory(void)
{
	struct _obmalloc_state *state = _PyInterpreterState_GET()->obmalloc;

	fill_pools(state);
	clear_pools(state);
	fill_holes();
	clear_stack();
}
