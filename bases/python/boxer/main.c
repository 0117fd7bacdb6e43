// The base's entry points.
//
// The module is a reactor: _initialize runs C constructors, _start runs python3 on the run's command line, and
// wizer.initialize (the convention of https://github.com/bytecodealliance/wizer) brings the interpreter up ahead of
// time, so that a copy of the memory taken after it can be continued by _start any number of times. Asked before _start,
// boxer.serves tells whether such a copy can do what the run wants; if not, the run is better off without one. In place of
// _start, boxer.open begins a session (session.c). boxer.signal is in process.c.
#include "interpreter.h"

#include <stdio.h>
#include <stdlib.h>
#include <wasi/api.h>
#include <wasi/libc-environ.h>

#include "clock.h"
#include "session.h"

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

static void start(struct arguments args)
{
	PyStatus status = captured ? start_captured(args) : start_fresh(args);

	if (PyStatus_Exception(status))
		report_and_exit(status);
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

	start(args);
	leave(captured && captured_serves(args) ? run_captured() : Py_RunMain());
}

EXPORT("boxer.open") void boxer_open(void)
{
	start(enter_run());
	if (open_session() < 0) {
		PyErr_Print();
		exit(1);
	}
}

// A session that ends has its exit functions called, and what the streams hold written.
EXPORT("boxer.execute") int boxer_execute(size_t size)
{
	int ended = execute_source(size);

	if (ended)
		end_run();
	return ended;
}

EXPORT("boxer.forked") void boxer_forked(void)
{
	forget_after_fork();
}
