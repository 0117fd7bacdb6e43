// The base's entry points.
//
// The module is a reactor: _initialize runs C constructors, _start runs python3 on the run's command line, and
// wizer.initialize (the convention of https://github.com/bytecodealliance/wizer) brings the interpreter up ahead of
// time, so that a copy of the memory taken after it can be continued by _start any number of times. Asked before _start,
// boxer.serves tells whether such a copy can do what the run wants; if not, the run is better off without one.
#include "interpreter.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wasi/libc-environ.h>

#include "clock.h"
#include "host.h"

#define EXPORT(name) __attribute__((export_name(name)))

extern void __wasm_call_ctors(void);

static int constructed;
static int captured;

EXPORT("_initialize") void boxer_initialize(void)
{
	if (constructed)
		return;
	constructed = 1;
	__wasm_call_ctors();
}

// enter_working_directory makes the run's directory wasi-libc's: preview 1 has no such thing.
static void enter_working_directory(void)
{
	size_t size = 256, used = 0;
	char *path = malloc(size);
	int e = boxer_cwd_get(path, size, &used);

	if (e == ERANGE) {
		size = used;
		path = realloc(path, size);
		e = boxer_cwd_get(path, size, &used);
	}
	if (e == 0) {
		path = realloc(path, used + 1);
		path[used] = 0;
		chdir(path);
	} else if (getenv("PWD")) {
		chdir(getenv("PWD"));
	}
	free(path);
}

static _Noreturn void report_and_exit(PyStatus status)
{
	if (PyStatus_IsExit(status))
		exit(status.exitcode);
	Py_ExitStatusException(status);
}

EXPORT("wizer.initialize") void boxer_capture(void)
{
	PyStatus status;

	boxer_initialize();
	enter_working_directory();
	status = capture(read_arguments());
	if (PyStatus_Exception(status)) {
		fprintf(stderr, "python3: %s\n", status.err_msg);
		exit(1);
	}
	captured = 1;
}

// enter_run takes in what the run was given, once.
static struct arguments enter_run(void)
{
	static struct arguments args;

	boxer_initialize();
	if (args.count)
		return args;
	boxer_clock_start();
	if (captured) {
		__wasilibc_deinitialize_environ();
		__wasilibc_initialize_environ();
	}
	enter_working_directory();
	args = read_arguments();
	return args;
}

EXPORT("boxer.serves") int boxer_serves(void)
{
	struct arguments args = enter_run();

	return captured && captured_serves(args);
}

EXPORT("_start") void boxer_start(void)
{
	struct arguments args = enter_run();
	PyStatus status = captured ? start_captured(args) : start_fresh(args);

	if (PyStatus_Exception(status))
		report_and_exit(status);
	exit(captured && captured_serves(args) ? run_captured() : Py_RunMain());
}
