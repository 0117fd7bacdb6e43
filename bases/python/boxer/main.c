// The base's entry points.
//
// The module is a reactor: _initialize runs C constructors, _start runs python3 on the run's command line, and
// wizer.initialize (the convention of https://github.com/bytecodealliance/wizer) brings the interpreter up ahead of
// time, so that a copy of the memory taken after it can be continued by _start any number of times. Asked before _start,
// boxer.serves tells whether such a copy can do what the run wants; if not, the run is better off without one.
#include "interpreter.h"

#include <stdio.h>
#include <stdlib.h>
#include <wasi/api.h>
#include <wasi/libc-environ.h>

#include "clock.h"

#define EXPORT(name) __attribute__((export_name(name)))

extern void __wasm_call_ctors(void);
extern void __wasm_call_dtors(void);

static int constructed;
static int captured;

EXPORT("_initialize") void boxer_initialize(void)
{
	if (constructed)
		return;
	constructed = 1;
	__wasm_call_ctors();
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
	status = capture();
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

// leave ends the run. Returning says 0, and is cheaper than to make the host unwind the stack.
static void leave(int status)
{
	__wasm_call_dtors();
	if (status != 0)
		__wasi_proc_exit(status);
}

EXPORT("_start") void boxer_start(void)
{
	struct arguments args = enter_run();
	PyStatus status = captured ? start_captured(args) : start_fresh(args);

	if (PyStatus_Exception(status))
		report_and_exit(status);
	leave(captured && captured_serves(args) ? run_captured() : Py_RunMain());
}
