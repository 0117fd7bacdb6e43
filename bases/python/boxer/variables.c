// Variables that act on Python's start and that a captured interpreter can follow afterwards: those that people set for
// every Python they run. The others need a start of its own.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

extern char **environ;

// is_on reads a switch as Python does: an integer, and whatever is none means on.
static int is_on(const char *value)
{
	char *end;
	long number;

	if (*value == 0)
		return 0;
	errno = 0;
	number = strtol(value, &end, 10);
	return *end != 0 || errno == ERANGE || number < INT_MIN || number > INT_MAX || number != 0;
}

static int any_switch(const char *value)
{
	return 1;
}

static PyStatus set_unbuffered(PyConfig *own, const char *value)
{
	FILE *streams[] = {stdin, stdout, stderr};

	if (!is_on(value))
		return PyStatus_Ok();
	own->buffered_stdio = 0;
	for (int i = 0; i < 3; i++)
		setvbuf(streams[i], NULL, _IONBF, BUFSIZ);
	return PyStatus_Ok();
}

static PyStatus set_no_bytecode(PyConfig *own, const char *value)
{
	enum { place = 4 }; // of dont_write_bytecode in sys.flags
	PyObject *flags = PySys_GetObject("flags");

	if (!is_on(value))
		return PyStatus_Ok();
	own->write_bytecode = 0;
	if (flags == NULL || PySys_SetObject("dont_write_bytecode", Py_True) < 0)
		return PyStatus_NoMemory();
	PyStructSequence_SetItem(flags, place, PyLong_FromLong(1)); // small numbers live for ever
	return PyStatus_Ok();
}

// is_utf8 allows for no error handlers.
static int is_utf8(const char *value)
{
	return strcasecmp(value, "utf-8") == 0 || strcasecmp(value, "utf8") == 0;
}

static PyStatus set_encoding(PyConfig *own, const char *value)
{
	PyStatus status = PyConfig_SetBytesString(own, &own->stdio_encoding, "utf-8");

	if (PyStatus_Exception(status))
		return status;
	return PyConfig_SetBytesString(own, &own->stdio_errors, "strict");
}

// ignored is what makes no difference: UTF-8 is on already.
static PyStatus ignored(PyConfig *own, const char *value)
{
	return PyStatus_Ok();
}

// is_normal tells whether a folder would be put into sys.path as it is written.
static int is_normal(const char *folder)
{
	const char *last = strrchr(folder, '/');

	return folder[0] == '/' && last[1] != 0 && strstr(folder, "//") == NULL && strstr(folder, "/./") == NULL &&
		strstr(folder, "/../") == NULL && strcmp(last, "/.") != 0 && strcmp(last, "/..") != 0;
}

// next_folder cuts the first folder off a list of them. It is NULL if there is none or if it is too long.
static const char *next_folder(const char **path, char folder[PATH_MAX])
{
	size_t length = strcspn(*path, ":");

	if (length >= PATH_MAX)
		return NULL;
	memcpy(folder, *path, length);
	folder[length] = 0;
	*path += length;
	return folder;
}

// starts tells whether a folder has a module that would be imported from there when Python starts.
static int starts(const char *folder)
{
	static const char *const names[] = {"encodings", "sitecustomize", "usercustomize"};
	static const char *const suffixes[] = {"", ".py", ".pyc"};
	char file[PATH_MAX + 32];

	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 3; j++) {
			snprintf(file, sizeof file, "%s/%s%s", folder, names[i], suffixes[j]);
			if (access(file, F_OK) == 0)
				return 1;
		}
	return 0;
}

// is_followable leaves out what would be made absolute, and what is in sys.path twice. shadow.c looks for modules that
// would be hidden.
static int is_followable(const char *value)
{
	PyObject *path = PySys_GetObject("path"), *seen = path ? PySet_New(path) : NULL;
	char folder[PATH_MAX];
	int result = seen != NULL;

	while (result && *value) {
		PyObject *name;

		if (next_folder(&value, folder) == NULL || !is_normal(folder) || starts(folder))
			result = 0;
		name = result ? PyUnicode_DecodeFSDefault(folder) : NULL;
		if (name == NULL || PySet_Contains(seen, name) != 0 || PySet_Add(seen, name) < 0)
			result = 0;
		Py_XDECREF(name);
		if (*value == ':' && *++value == 0)
			result = 0; // an empty name at the end
	}
	Py_XDECREF(seen);
	PyErr_Clear();
	return result;
}

static PyStatus add_folder(PyConfig *own, Py_ssize_t at, const char *folder)
{
	wchar_t *wide = Py_DecodeLocale(folder, NULL);
	PyStatus status = wide ? PyWideStringList_Insert(&own->module_search_paths, at, wide) : PyStatus_NoMemory();
	PyObject *name = wide ? PyUnicode_FromWideChar(wide, -1) : NULL;

	if (!PyStatus_Exception(status) && (name == NULL || PyList_Insert(PySys_GetObject("path"), at, name) < 0))
		status = PyStatus_NoMemory();
	Py_XDECREF(name);
	PyMem_RawFree(wide);
	return status;
}

static PyStatus set_path(PyConfig *own, const char *value)
{
	PyStatus status = PyConfig_SetBytesString(own, &own->pythonpath_env, value);
	char folder[PATH_MAX];

	for (Py_ssize_t at = 0; *value && !PyStatus_Exception(status); at++) {
		if (next_folder(&value, folder) == NULL)
			return PyStatus_Error("PYTHONPATH is too long");
		status = add_folder(own, at, folder);
		value += *value == ':';
	}
	return status;
}

static const struct {
	const char *name;
	int (*can)(const char *value);
	PyStatus (*follow)(PyConfig *own, const char *value);
	int streams; // depend on it
} known[] = {
	{"PYTHONUNBUFFERED", any_switch, set_unbuffered, 1},
	{"PYTHONDONTWRITEBYTECODE", any_switch, set_no_bytecode, 0},
	{"PYTHONIOENCODING", is_utf8, set_encoding, 1},
	{"PYTHONUTF8", is_on, ignored, 0},
	{"PYTHONPATH", is_followable, set_path, 0},
};

enum { count = sizeof known / sizeof *known };

int can_follow(const char *entry)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(known[i].name);

		if (strncmp(entry, known[i].name, length) == 0 && entry[length] == '=')
			return known[i].can(entry + length + 1);
	}
	return 0;
}

PyStatus follow_variables(int *streams)
{
	PyConfig *own = (PyConfig *)_PyInterpreterState_GetConfig(_PyInterpreterState_GET());
	PyStatus status = PyStatus_Ok();

	for (size_t i = 0; i < count && !PyStatus_Exception(status); i++) {
		const char *value = getenv(known[i].name);

		if (value == NULL || *value == 0 || was_captured(known[i].name))
			continue;
		*streams |= known[i].streams;
		status = known[i].follow(own, value);
	}
	return status;
}
