// clock(3) and its kin, counted from _start. wasi-libc's emulation counts from the constructors, which a memory image has
// run long ago, against another machine's clock, and takes the time that passes for the processor's. Few runtimes know
// better than that.
#include "clock.h"

#include <time.h>
#include <wasi/api.h>

static __wasi_timestamp_t start;

static __wasi_timestamp_t now(void)
{
	__wasi_timestamp_t t = 0;

	if (__wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &t) != 0)
		(void)__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &t);
	return t;
}

void boxer_clock_start(void)
{
	start = now();
}

// __clock is what wasi-libc's getrusage and times ask.
clock_t __clock(void)
{
	return (now() - start) / (1000000000 / CLOCKS_PER_SEC);
}

clock_t clock(void)
{
	return __clock();
}
