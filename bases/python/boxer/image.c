// Memory images: an interpreter is initialised once (capture), its memory is kept, and every run continues a copy
// (start_captured).
//
// A run must not be able to tell. So what Python reads when it starts is read again: command line (commandline.c),
// environment (environment.c), streams (streams.c), site-packages (site.c). What modules remember of time, entropy,
// process and files is forgotten when the image is captured (warm.c). A run that asks for an interpreter initialised
// otherwise, or that would find other modules than those held (shadow.c), is not served.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_gc.h"
#include "internal/pycore_pathconfig.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"

#include <string.h>

#include "functions.h"
#include "session.h"
#include "signals.h"

// The hash seed of a captured interpreter is part of its memory: strings remember their hashes. It is fixed so that equal
// builds stay equal; a run that sets PYTHONHASHSEED is not served.
enum { hash_seed = 20130518 };

// How a run is served, found out once.
static struct {
	enum { unknown, not_served, served } how;
	struct command_line line;
} serving;

static PyStatus initialize(struct arguments args)
{
	PyPreConfig before;
	PyConfig config;
	PyStatus status;

	if (add_own_module() < 0)
		return PyStatus_NoMemory();
	PyPreConfig_InitPythonConfig(&before);
	before.utf8_mode = 1;
	status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return status;
	status = read_config(&config, args);
	if (PyStatus_Exception(status))
		return status;
	if (!config.use_hash_seed) {
		config.use_hash_seed = 1;
		config.hash_seed = hash_seed;
	}
	status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	return status;
}

static PyStatus failed(const char *what)
{
	if (PyErr_Occurred())
		PyErr_DisplayException(PyErr_GetRaisedException());
	(void)capture_streams();
	return PyStatus_Error(what);
}

void set_objects_aside(void)
{
	PyObject *main = PyImport_AddModule("__main__");
	PyObject *names = main ? PyModule_GetDict(main) : NULL;

	_PyGC_Freeze(_PyInterpreterState_GET());
	for (int i = 0; main && i < 2; i++) {
		PyObject_GC_UnTrack(i ? names : main);
		PyObject_GC_Track(i ? names : main);
	}
}

static void freeze(void)
{
	PyGC_Collect();
	set_objects_aside();
	settle_memory();
}

// capture_library brings up the interpreter with the modules that runs will want. It does so before anything is read that
// images differ by, so that the pages that it fills are equal in all of them.
static PyStatus capture_library(void)
{
	static char *values[] = {"python3", NULL};
	struct arguments args = {1, values};
	PyStatus status;

	if (hold_environment_back())
		enter_working_directory();
	align_memory();
	status = initialize(args);
	if (PyStatus_Exception(status))
		return status;
	if (prepare_interrupts() < 0 || import_warm_modules() < 0 || prepare_session() < 0 || capture_end() < 0)
		return failed("capturing the library failed");
	freeze();
	return status;
}

PyStatus capture(void)
{
	PyStatus status = capture_library();
	struct arguments args;

	if (PyStatus_Exception(status))
		return status;
	enter_working_directory();
	args = read_arguments();
	if (args.count != 1 && (args.count != 3 || strcmp(args.values[1], "-c") != 0))
		return PyStatus_Error("a memory image is captured of a plain python3, or of python3 -c STATEMENT");
	if (capture_environment() < 0)
		return failed("capturing the environment failed");
	if (args.count == 3 && capture_application(args.values[2]) < 0)
		return failed("the statement to be captured failed");
	if (capture_streams() < 0 || forget_capture() < 0)
		return failed("the memory cannot be captured");
	capture_site();
	forget_environment();
	capture_end_of_application();
	freeze();
	return status;
}

int captured_serves(struct arguments args)
{
	if (serving.how == unknown)
		serving.how = plain_command_line(args, &serving.line) && same_environment() && same_site() &&
			finds_captured_modules(&serving.line) ? served : not_served;
	return serving.how == served;
}

// start_again replaces the interpreter by one that is made for these arguments.
static PyStatus start_again(struct arguments args)
{
	Py_Finalize();
	_PyPathConfig_ClearGlobal();
	return start_fresh(args);
}

PyStatus start_captured(struct arguments args)
{
	PyStatus status;
	int streams = 0;

	if (!captured_serves(args))
		return start_again(args);
	status = adopt_command_line(args, &serving.line);
	if (!PyStatus_Exception(status))
		status = follow_variables(&streams);
	if (!PyStatus_Exception(status))
		status = renew_streams(streams);
	if (PyStatus_Exception(status))
		return status;
	if (renew_environment() < 0 || renew_modules() < 0 || renew_site() < 0)
		return failed("continuing the memory image failed");
	return status;
}
