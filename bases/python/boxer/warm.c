// Modules of a memory image: which ones it holds, what they forget when it is captured, and what they learn when a run
// continues it.
//
// All that the library's modules keep of the world was looked through, for those that are held and those that
// applications import:
//
//   time         logging._startTime is the run's (renew_modules). time's names of the zone: environment.c.
//   entropy      generators that were seeded by it are seeded again by who draws first (_PyRandom_Forget, a patch);
//                sqlite's too; so is multiprocessing's key, at once. os.urandom, secrets and uuid4 ask the host each time.
//                The seed of hashes is frozen (image.c).
//   process      tempfile's generator of names, uuid1's last time stamp and node.
//   environment  os.environ; tempfile.tempdir; platform's caches. site-packages' start-up files: site.c.
//   files        importlib's listings of folders, linecache. The standard streams: streams.c. Nothing else is open.
//   locale       environment.c; _strptime and calendar compare with the current one whenever they are used.
//
// asyncio has no event loop and decimal no context yet; threading knows its main thread by an address, which stays.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_pystate.h"

#include <limits.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

// Of _randommodule.c.
int _PyRandom_Forget(PyObject *random);

// What programs import often. Those that only few want, like unittest, are not worth their pages.
//
// What the modules themselves look for in vain would be found in a script's folder, so it is noted.
static const char library_source[] =
	"import sys\n"
	"before = frozenset(sys.modules)\n"
	"missing = []\n"
	"class Finder:\n"
	"    @staticmethod\n"
	"    def find_spec(name, path=None, target=None):\n"
	"        if path is None:\n"
	"            missing.append(name)\n"
	"sys.meta_path.append(Finder)\n"
	"import argparse, ast, asyncio, base64, bisect, collections.abc, contextlib, copy, csv, dataclasses, datetime\n"
	"import decimal, enum, fractions, functools, hashlib, heapq, inspect, io, itertools, json, linecache, logging\n"
	"import math, operator, os, pathlib, pickle, platform, queue, random, re, runpy, secrets, shutil, sqlite3\n"
	"import statistics, string, struct, subprocess, tempfile, textwrap, threading, time, traceback, types, typing\n"
	"import urllib.parse, uuid, warnings, weakref, zlib, zoneinfo\n"
	"sys.meta_path.remove(Finder)\n";

// origins lists the modules imported since, with the folder that each was found in.
static const char origins_source[] =
	"def origins(before, missing, library):\n"
	"    import _imp, os.path, sys\n"
	"    found = [(name, None) for name in missing]\n"
	"    for name, module in sys.modules.items():\n"
	"        if '.' in name or name in before or _imp.is_builtin(name) or _imp.is_frozen(name):\n"
	"            continue\n"
	"        file, path = getattr(module, '__file__', None), getattr(module, '__path__', None)\n"
	"        if file is None and path is None:\n"
	"            continue\n"
	"        place = next(iter(path), '') if path is not None else file\n"
	"        folder = os.path.dirname(place)\n"
	"        found.append((name, None if folder == library else folder))\n"
	"    return found\n";

static const char forget_source[] =
	"def forget():\n"
	"    import gc, io, linecache, sys\n"
	"    modules = sys.modules\n"
	"    tempfile, uuid, platform = modules['tempfile'], modules['uuid'], modules['platform']\n"
	"    tempfile._name_sequence = tempfile.tempdir = None\n"
	"    uuid._node = uuid._last_timestamp = None\n"
	"    platform._uname_cache = None\n"
	"    platform._platform_cache.clear()\n"
	"    linecache.clearcache()\n"
	"    for path, finder in list(sys.path_importer_cache.items()):\n"
	"        if finder is None:\n"
	"            del sys.path_importer_cache[path]\n"
	"        else:\n"
	"            finder.invalidate_caches()\n"
	"    gc.collect()\n"
	"    return [repr(f.name) for f in gc.get_objects() if isinstance(f, io.FileIO) and not f.closed and f.fileno() > 2]\n";

static const char renew_source[] =
	"def renew():\n"
	"    import multiprocessing.process as process, os\n"
	"    process.current_process().authkey = os.urandom(32)\n";

static PyObject *before, *missing; // names
static PyObject *logging;          // its dict
static PyObject *start_time;       // "_startTime"
static PyObject *renew;            // renew() if it is needed, or NULL

static PyObject *run(const char *source, PyObject *scope)
{
	return PyRun_String(source, Py_file_input, scope, scope);
}

// call defines a function in a scope of its own and calls it.
static PyObject *call(const char *source, const char *name, PyObject *args)
{
	PyObject *scope = PyDict_New();
	PyObject *defined = scope ? run(source, scope) : NULL;
	PyObject *result = defined ? PyObject_CallObject(PyDict_GetItemString(scope, name), args) : NULL;

	Py_XDECREF(defined);
	Py_XDECREF(scope);
	return result;
}

// capture_modules remembers where modules come from. It tells whether one comes from the working directory.
static int capture_modules(int *from_here)
{
	char here[PATH_MAX];
	PyObject *args = Py_BuildValue("(OOs)", before, missing, PYTHON_LIBRARY);
	PyObject *found = args ? call(origins_source, "origins", args) : NULL;
	int result = found && getcwd(here, sizeof here) ? 0 : -1;

	for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(found); i++) {
		const char *name, *folder;

		if (!PyArg_ParseTuple(PyList_GET_ITEM(found, i), "sz", &name, &folder) || capture_module(name, folder) < 0)
			result = -1;
		else if (folder && strcmp(folder, here) == 0)
			*from_here = 1;
	}
	Py_XDECREF(args);
	Py_XDECREF(found);
	return result;
}

int import_warm_modules(void)
{
	int from_here = 0;
	PyObject *scope = PyDict_New();
	PyObject *done = scope ? run(library_source, scope) : NULL;
	PyObject *module;

	if (done == NULL)
		return -1;
	before = Py_XNewRef(PyDict_GetItemString(scope, "before"));
	missing = Py_XNewRef(PyDict_GetItemString(scope, "missing"));
	Py_DECREF(done);
	Py_DECREF(scope);
	module = PyImport_ImportModule("logging");
	start_time = PyUnicode_InternFromString("_startTime");
	if (module == NULL || start_time == NULL)
		return -1;
	logging = Py_NewRef(PyModule_GetDict(module));
	Py_DECREF(module);
	return capture_modules(&from_here);
}

// set_path0 puts the working directory before sys.path, or takes it away.
static int set_path0(int present)
{
	PyObject *path = PySys_GetObject("path"), *here = PyUnicode_FromString("");
	Py_ssize_t at = 0;
	int result = -1;

	if (path == NULL || here == NULL) {
		result = -1;
	} else if (present) {
		result = PyList_Insert(path, 0, here);
	} else {
		at = PySequence_Index(path, here);
		PyErr_Clear();
		result = at < 0 ? 0 : PySequence_DelItem(path, at);
	}
	Py_XDECREF(here);
	return result;
}

static int set_argv(const char *first)
{
	PyObject *argv = Py_BuildValue("[s]", first);
	int result = argv ? PySys_SetObject("argv", argv) : -1;

	Py_XDECREF(argv);
	return result;
}

// run_as_main runs a statement in __main__ and leaves no trace of it there.
static int run_as_main(const char *statement)
{
	PyObject *main = PyImport_AddModule("__main__");
	PyObject *names = main ? PyModule_GetDict(main) : NULL;
	PyObject *copy = names ? PyDict_Copy(names) : NULL;
	PyObject *done = copy ? run(statement, names) : NULL;

	if (done) {
		PyDict_Clear(names);
		if (PyDict_Update(names, copy) < 0)
			Py_CLEAR(done);
	}
	Py_XDECREF(copy);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

int capture_application(const char *statement)
{
	char here[PATH_MAX];
	const char *hidden = getcwd(here, sizeof here) ? hidden_by(here) : NULL;
	int from_here = 0;

	if (hidden) {
		PyErr_Format(PyExc_ImportError,
			"'%s' in %s stands before a module of the library that memory images hold: rename it, or capture none",
			hidden, here);
		return -1;
	}
	if (set_path0(1) < 0 || set_argv("-c") < 0 || run_as_main(statement) < 0)
		return -1;
	if (set_path0(0) < 0 || set_argv("") < 0 || capture_modules(&from_here) < 0)
		return -1;
	return from_here ? capture_script_folder() : 0;
}

void forget_random(PyObject *generator)
{
	if (_PyRandom_Forget(generator) && PyObject_SetAttrString(generator, "gauss_next", Py_None) < 0)
		PyErr_Clear();
}

static int forget_if_random(PyObject *object, void *type)
{
	if (PyObject_TypeCheck(object, (PyTypeObject *)type))
		forget_random(object);
	return 1;
}

static int forget_entropy(void)
{
	PyObject *module = PyImport_ImportModule("_random");
	PyObject *type = module ? PyObject_GetAttrString(module, "Random") : NULL;

	Py_XDECREF(module);
	if (type == NULL)
		return -1;
	PyUnstable_GC_VisitObjects(forget_if_random, type);
	Py_DECREF(type);
	sqlite3_randomness(0, NULL);
	return 0;
}

// nothing_is_open checks the descriptors, beyond the standard streams and the directories that the host opened.
static int nothing_is_open(PyObject *files)
{
	__wasi_fdstat_t is;
	__wasi_prestat_t opened;
	PyObject *comma, *names;

	if (PyList_GET_SIZE(files) > 0) {
		comma = PyUnicode_FromString(", ");
		names = comma ? PyUnicode_Join(comma, files) : NULL;
		if (names)
			PyErr_Format(PyExc_RuntimeError, "files are open: %U", names);
		return 0;
	}
	for (int fd = 3; fd < 1024; fd++)
		if (__wasi_fd_fdstat_get(fd, &is) == 0 && __wasi_fd_prestat_get(fd, &opened) != 0) {
			PyErr_Format(PyExc_RuntimeError, "descriptor %d is open", fd);
			return 0;
		}
	return 1;
}

int forget_capture(void)
{
	PyObject *files = call(forget_source, "forget", NULL), *scope;

	if (files == NULL || !nothing_is_open(files) || forget_entropy() < 0)
		return -1;
	Py_DECREF(files);
	if (PyDict_GetItemString(PyImport_GetModuleDict(), "multiprocessing.process") == NULL)
		return 0;
	scope = PyDict_New();
	files = scope ? run(renew_source, scope) : NULL;
	if (files)
		renew = Py_XNewRef(PyDict_GetItemString(scope, "renew"));
	Py_XDECREF(files);
	Py_XDECREF(scope);
	return renew ? 0 : -1;
}

int renew_modules(void)
{
	PyTime_t now;
	PyObject *value;
	int result;

	if (PyTime_TimeRaw(&now) < 0)
		now = 0; // the run has no clock, which is for those to find out who ask for the time
	value = PyLong_FromLongLong(now);
	result = value ? PyDict_SetItem(logging, start_time, value) : -1;
	Py_XDECREF(value);
	if (result < 0 || renew == NULL)
		return result;
	value = PyObject_CallNoArgs(renew);
	Py_XDECREF(value);
	return value ? 0 : -1;
}
