// How the interpreter comes up: anew (start.c), or out of a memory image (image.c).
#ifndef BOXER_INTERPRETER_H
#define BOXER_INTERPRETER_H

#include <Python.h>

#define BOXER_TEXT(x) #x
#define BOXER_VERSION(major, minor) BOXER_TEXT(major) "." BOXER_TEXT(minor)

// The interpreter's place.
#define PYTHON_VERSION BOXER_VERSION(PY_MAJOR_VERSION, PY_MINOR_VERSION)
#define PYTHON_BIN "/usr/local/bin"
#define PYTHON_LIBRARY "/usr/local/lib/python" PYTHON_VERSION

// What a run was given on its command line.
struct arguments {
	int count;
	char **values;
};

// read_arguments asks the host for the run's arguments; they live for the whole run.
struct arguments read_arguments(void);

// enter_working_directory makes the run's directory wasi-libc's: preview 1 has no such thing.
void enter_working_directory(void);

// read_config fills config with what the command line and the environment ask for; on success the caller clears it. It
// may report an exception or an exit status (--help), as PyConfig_Read does.
PyStatus read_config(PyConfig *config, struct arguments args);

// start_fresh initialises Python for these arguments.
PyStatus start_fresh(struct arguments args);

// capture brings up an interpreter that start_captured can continue. The command line is that of a plain python3, or of a
// "python3 -c STATEMENT" that is run first: what it imported stays.
PyStatus capture(void);

// captured_serves tells whether the interpreter that capture left in memory can do what these arguments and the
// environment ask for. It cannot where they ask for what must act before initialisation, nor where the run would import
// other modules than those that are held.
int captured_serves(struct arguments args);

// start_captured takes that interpreter up and makes it as if it had just been started with these arguments. If it does
// not serve, it is torn down and started anew; the hash seed alone cannot be changed any more then.
PyStatus start_captured(struct arguments args);

// run_captured runs what start_captured prepared and ends it as Py_RunMain does, without taking the interpreter apart.
// It returns the exit status.
int run_captured(void);

// end_run does the end alone. It returns a negative number if the streams could not be flushed.
int end_run(void);

#endif
