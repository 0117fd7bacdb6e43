// Memory images: an interpreter is initialised once (capture), its memory is kept, and every run continues a copy
// (start_captured).
//
// A run must not be able to tell. So everything that Python reads when it starts is read again: the environment, the
// command line, the streams, the time zone, site-packages, entropy. Whether a command line can be served that way is
// found by comparison: Python's own configuration for it is computed and held against the captured one. Fields that
// only say what to run may differ (late_fields); any other difference means that another interpreter is needed.
#define Py_BUILD_CORE 1
#include "interpreter.h"

#include "internal/pycore_initconfig.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_pylifecycle.h"

#include <string.h>

#include "zone.h"

// The hash seed of a captured interpreter is part of its memory: strings remember their hashes. It is fixed so that equal
// builds stay equal; a run that sets PYTHONHASHSEED is not served.
enum { hash_seed = 20130518 };

// What nearly every program imports, and what is slow to import.
static const char warm_modules[] =
	"import argparse, ast, asyncio, base64, bisect, collections.abc, contextlib, copy, csv, dataclasses, datetime\n"
	"import decimal, enum, fractions, functools, hashlib, heapq, inspect, io, itertools, json, logging, math\n"
	"import operator, os, pathlib, pickle, random, re, shutil, sqlite3, statistics, string, struct, sys, tempfile\n"
	"import textwrap, threading, time, traceback, types, typing, unittest, uuid, warnings, zlib\n";

// Run by start_captured, after the environment was renewed. Nothing here may depend on what is captured being new.
static const char renew_source[] =
	"def renew(stdio):\n"
	"    import importlib, io, os, random, site, sys, tempfile, time\n"
	"    for fd, name, mode, errors in stdio:\n"
	"        setattr(sys, name, None)\n"
	"        try:\n"
	"            raw = io.open(fd, mode + 'b', -1, closefd=False)\n"
	"        except OSError:\n"
	"            stream = None\n"
	"        else:\n"
	"            raw.raw.name = f'<{name}>'\n"
	"            stream = io.TextIOWrapper(raw, 'utf-8', errors, '\\n',\n"
	"                                      line_buffering=raw.raw.isatty() or name == 'stderr')\n"
	"            stream.mode = mode\n"
	"        setattr(sys, name, stream)\n"
	"        setattr(sys, f'__{name}__', stream)\n"
	"    time.tzset()\n"
	"    random.seed()\n"
	"    tempfile.tempdir = tempfile._name_sequence = None\n"
	"    importlib.invalidate_caches()\n"
	"    site.addsitepackages(set(sys.path))\n";

static const char *const late_fields[] = {
	"argv", "orig_argv", "run_command", "run_module", "run_filename", "skip_source_first_line",
	"inspect", "interactive", "quiet", "use_hash_seed", "hash_seed", "program_name", "executable", NULL,
};

static PyObject *early_config; // the captured configuration without its late fields
static PyObject *renew;        // renew(stdio)

// What the run wants, once it has been read: reading it again would print --help twice.
static struct {
	int known;
	PyStatus status; // config is valid unless this is an exception
	PyConfig config;
} wanted;

// early_fields returns config as a dict of what must be settled before initialisation.
static PyObject *early_fields(const PyConfig *config)
{
	PyObject *dict = _PyConfig_AsDict(config);

	for (const char *const *name = late_fields; dict && *name; name++)
		if (PyDict_DelItemString(dict, *name) < 0)
			Py_CLEAR(dict);
	return dict;
}

// finish_capture imports what runs will want and leaves the memory as small and as still as it can.
static int finish_capture(const PyConfig *config)
{
	PyObject *scope = PyDict_New();
	PyObject *done;

	early_config = early_fields(config);
	if (scope == NULL || early_config == NULL)
		return -1;
	done = PyRun_String(warm_modules, Py_file_input, scope, scope);
	Py_XDECREF(done);
	if (done)
		done = PyRun_String(renew_source, Py_file_input, scope, scope);
	renew = done ? Py_XNewRef(PyDict_GetItemString(scope, "renew")) : NULL;
	if (renew == NULL)
		return -1;
	done = PyRun_String("import gc; gc.collect(); gc.freeze()", Py_file_input, scope, scope);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

PyStatus capture(void)
{
	static char *values[] = {"/usr/local/bin/python3", NULL};
	struct arguments args = {1, values};
	PyPreConfig before;
	PyConfig config;
	PyStatus status;

	PyPreConfig_InitPythonConfig(&before);
	before.utf8_mode = 1;
	status = Py_PreInitialize(&before);
	if (PyStatus_Exception(status))
		return status;
	status = read_config(&config, args);
	if (PyStatus_Exception(status))
		return status;
	config.use_hash_seed = 1;
	config.hash_seed = hash_seed;
	status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (PyStatus_Exception(status))
		return status;
	status = read_config(&config, args);
	if (PyStatus_Exception(status))
		return status;
	if (finish_capture(&config) < 0) {
		PyErr_Print();
		status = PyStatus_Error("importing what memory images hold failed");
	}
	PyConfig_Clear(&config);
	return status;
}

static void read_wanted(struct arguments args)
{
	if (!wanted.known)
		wanted.status = read_config(&wanted.config, args);
	wanted.known = 1;
}

// is_own_name: a program called otherwise may belong to a virtual environment.
static int is_own_name(const char *program)
{
	static const char *const names[] = {
		"python", "python3", "python3.13", "/usr/local/bin/python", "/usr/local/bin/python3",
		"/usr/local/bin/python3.13", NULL,
	};
	const char *const *name = names;

	while (*name && strcmp(program, *name) != 0)
		name++;
	return *name != NULL;
}

int captured_serves(struct arguments args)
{
	PyObject *early;
	int same;

	read_wanted(args);
	if (PyStatus_Exception(wanted.status))
		return 1; // there is nothing to run
	if (!is_own_name(args.values[0]) || wanted.config.use_hash_seed)
		return 0;
	early = early_fields(&wanted.config);
	same = early ? PyObject_RichCompareBool(early, early_config, Py_EQ) : -1;
	Py_XDECREF(early);
	if (same < 0)
		PyErr_Clear();
	return same > 0;
}

// adopt gives the running interpreter the late fields of config.
static PyStatus adopt(const PyConfig *config)
{
	PyThreadState *thread = _PyThreadState_GET();
	PyConfig *own = (PyConfig *)_PyInterpreterState_GetConfig(thread->interp);
	struct {
		wchar_t **to;
		wchar_t *from;
	} strings[] = {
		{&own->run_command, config->run_command},
		{&own->run_module, config->run_module},
		{&own->run_filename, config->run_filename},
	};

	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		PyStatus status = PyConfig_SetString(own, strings[i].to, strings[i].from);
		if (PyStatus_Exception(status))
			return status;
	}
	own->skip_source_first_line = config->skip_source_first_line;
	own->inspect = config->inspect;
	own->interactive = config->interactive;
	own->quiet = config->quiet;
	if (_PyWideStringList_Copy(&own->argv, &config->argv) < 0 ||
	    _PyWideStringList_Copy(&own->orig_argv, &config->orig_argv) < 0)
		return PyStatus_NoMemory();
	if (_PySys_UpdateConfig(thread) < 0)
		return PyStatus_Error("taking over the command line failed");
	return PyStatus_Ok();
}

// renew_environ fills the dict that os.environ is a view of.
static int renew_environ(void)
{
	extern char **environ;
	PyObject *posix = PyImport_ImportModule("posix");
	PyObject *dict = posix ? PyObject_GetAttrString(posix, "environ") : NULL;
	int result = dict ? 0 : -1;

	if (dict)
		PyDict_Clear(dict);
	for (char **entry = environ; dict && entry && *entry && result == 0; entry++) {
		const char *equals = strchr(*entry, '=');
		PyObject *key, *value;

		if (equals == NULL)
			continue;
		key = PyBytes_FromStringAndSize(*entry, equals - *entry);
		value = PyBytes_FromString(equals + 1);
		result = key && value && PyDict_SetDefault(dict, key, value) ? 0 : -1;
		Py_XDECREF(key);
		Py_XDECREF(value);
	}
	Py_XDECREF(dict);
	Py_XDECREF(posix);
	return result;
}

static int renew_rest(void)
{
	PyObject *stdio = Py_BuildValue("((isss)(isss)(isss))", 0, "stdin", "r", "surrogateescape", 1, "stdout", "w",
		"surrogateescape", 2, "stderr", "w", "backslashreplace");
	PyObject *result = stdio ? PyObject_CallOneArg(renew, stdio) : NULL;

	Py_XDECREF(stdio);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

// start_again replaces the interpreter by one that is made for these arguments.
static PyStatus start_again(struct arguments args)
{
	Py_CLEAR(renew);
	Py_CLEAR(early_config);
	Py_Finalize();
	return start_fresh(args);
}

PyStatus start_captured(struct arguments args)
{
	int serves = captured_serves(args);
	PyStatus status = wanted.status;

	if (PyStatus_Exception(status))
		return status;
	if (serves)
		status = adopt(&wanted.config);
	PyConfig_Clear(&wanted.config);
	if (!serves)
		return start_again(args);
	if (PyStatus_Exception(status))
		return status;
	boxer_zone_forget();
	if (renew_environ() < 0 || renew_rest() < 0) {
		PyErr_Print();
		return PyStatus_Error("continuing the memory image failed");
	}
	return status;
}
