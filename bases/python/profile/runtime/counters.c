// What instrumented code calls: clang's -fprofile-instrument=llvm expects these functions of a runtime library that
// does not exist for WebAssembly. When the program ends, everything counted is written to the file that BOXER_PROFILE
// names, as lines that profile/counts.go reads:
//
//	name FUNCTION
//	function NAME-HASH CFG-HASH ADDRESS CALL-SITES SIZE-SITES COUNTER...
//	value KIND SITE VALUE COUNT		of the function above
//
// The layout of struct function is that of clang/19/include/profile/InstrProfData.inc.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <wasi/api.h>

enum { indirect_calls, memory_sizes, vtables, kinds };
enum { most_values = 32 }; // kept for a site

struct value {
	uint64_t value, count;
	struct value *next;
};

struct function {
	uint64_t name_hash, cfg_hash;
	int32_t counters; // from this struct's start
	int32_t bitmap;
	void *address;
	struct value **values; // first of each site
	uint32_t counter_count;
	uint16_t sites[kinds];
	uint32_t bitmap_size;
};

struct names {
	const char *start;
	uint64_t size;
};

int __llvm_profile_runtime;

static struct function **functions;
static size_t function_count;
static struct names *names;
static size_t names_count;

// grown makes room for one more element; the room doubles whenever it is used up.
static void *grown(void *list, size_t count, size_t size)
{
	if (count & (count - 1))
		return list;
	list = realloc(list, (count ? 2 * count : 1) * size);
	if (list == NULL)
		abort();
	return list;
}

void __llvm_profile_register_function(struct function *f)
{
	functions = grown(functions, function_count, sizeof *functions);
	functions[function_count++] = f;
}

void __llvm_profile_register_names_function(const char *start, uint64_t size)
{
	names = grown(names, names_count, sizeof *names);
	names[names_count++] = (struct names){start, size};
}

static size_t site_count(const struct function *f)
{
	size_t count = 0;

	for (int kind = 0; kind < kinds; kind++)
		count += f->sites[kind];
	return count;
}

// Sites are numbered through all kinds.
void __llvm_profile_instrument_target(uint64_t value, struct function *f, uint32_t site)
{
	struct value **link;
	int length = 0;

	if (f->values == NULL && (f->values = calloc(site_count(f), sizeof *f->values)) == NULL)
		abort();
	for (link = &f->values[site]; *link; link = &(*link)->next, length++) {
		if ((*link)->value == value) {
			(*link)->count++;
			return;
		}
	}
	if (length == most_values)
		return;
	*link = malloc(sizeof **link);
	if (*link == NULL)
		abort();
	**link = (struct value){value, 1, NULL};
}

// Sizes above 8 that are no powers of two count as the start of their range, as in LLVM's own runtime.
void __llvm_profile_instrument_memop(uint64_t size, struct function *f, uint32_t site)
{
	if (size > 513)
		size = 513;
	else if (size > 8 && (size & (size - 1)))
		size = (UINT64_C(1) << (63 - __builtin_clzll(size))) + 1;
	__llvm_profile_instrument_target(size, f, site);
}

static void write_names(FILE *out)
{
	for (size_t i = 0; i < names_count; i++) {
		// The blob begins with its size and the size it is compressed to: LEB128, the second zero.
		const char *at = names[i].start, *end = at + names[i].size;
		while (*at++ & 0x80)
			;
		at++;
		fputs("name ", out);
		for (; at < end; at++) {
			if (*at == 1)
				fputs("\nname ", out);
			else
				putc(*at, out);
		}
		putc('\n', out);
	}
}

static void write_function(FILE *out, const struct function *f)
{
	const uint64_t *counters = (const uint64_t *)((const char *)f + f->counters);
	uint32_t site = 0;

	fprintf(out, "function %llu %llu %lu %d %d", f->name_hash, f->cfg_hash, (unsigned long)f->address,
		f->sites[indirect_calls], f->sites[memory_sizes]);
	for (uint32_t i = 0; i < f->counter_count; i++)
		fprintf(out, " %llu", counters[i]);
	putc('\n', out);
	for (int kind = 0; f->values && kind < kinds; kind++)
		for (int i = 0; i < f->sites[kind]; i++, site++)
			for (const struct value *v = f->values[site]; v; v = v->next)
				fprintf(out, "value %d %d %llu %llu\n", kind, i, v->value, v->count);
}

_Noreturn void __real___wasi_proc_exit(__wasi_exitcode_t status);

_Noreturn void __wrap___wasi_proc_exit(__wasi_exitcode_t status)
{
	const char *path = getenv("BOXER_PROFILE");
	FILE *out = path ? fopen(path, "w") : NULL;

	if (out) {
		write_names(out);
		for (size_t i = 0; i < function_count; i++)
			write_function(out, functions[i]);
		if (ferror(out) | fclose(out))
			status = 74; // EX_IOERR
	}
	__real___wasi_proc_exit(status);
}
