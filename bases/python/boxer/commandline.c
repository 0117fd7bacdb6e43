// Command lines that say what to run and nothing else. Python's own reading of one computes where its library is and every
// option anew, partly in Python: many times the work of a short program.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_fileutils.h"
#include "internal/pycore_initconfig.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const programs[] = {
	PYTHON_BIN "/python3", PYTHON_BIN "/python", PYTHON_BIN "/python" PYTHON_VERSION,
};

enum { bin_length = sizeof PYTHON_BIN - 1 };

// comes_first tells whether a name is looked up to the programs' folder before another file has it. Such a one may be
// that of a virtual environment.
static int comes_first(const char *name)
{
	const char *path = getenv("PATH");
	char candidate[512];

	while (path && *path) {
		size_t len = strcspn(path, ":");
		int n = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)len, path, name);

		if (len == bin_length && memcmp(path, PYTHON_BIN, len) == 0)
			return 1;
		if (n >= (int)sizeof candidate || access(candidate, X_OK) == 0)
			return 0;
		path += len + (path[len] == ':');
	}
	return 0;
}

// own_program returns the path that a program of ours was started by, or NULL.
static const char *own_program(const char *name)
{
	int whole = strchr(name, '/') != NULL;

	for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
		if (strcmp(name, programs[i] + (whole ? 0 : bin_length + 1)) == 0)
			return whole || comes_first(name) ? programs[i] : NULL;
	return NULL;
}

int plain_command_line(struct arguments args, struct command_line *line)
{
	const char *first = args.count > 1 ? args.values[1] : NULL;

	*line = (struct command_line){.first = 1, .text = first};
	if (first == NULL || strcmp(first, "-") == 0) {
		line->target = target_input;
	} else if (first[0] != '-') {
		line->target = target_file;
	} else if (args.count > 2 && (strcmp(first, "-c") == 0 || strcmp(first, "-m") == 0)) {
		line->target = first[1] == 'c' ? target_command : target_module;
		line->text = args.values[2];
		line->first = 2;
	} else {
		return 0;
	}
	if (first && first[0] == 0)
		return 0;
	line->python = own_program(args.values[0]);
	return line->python != NULL;
}

// decode appends arguments to an empty list.
static PyStatus decode(PyWideStringList *list, char **values, int count)
{
	list->items = PyMem_RawCalloc(count, sizeof *list->items);
	if (list->items == NULL)
		return PyStatus_NoMemory();
	for (; list->length < count; list->length++) {
		list->items[list->length] = Py_DecodeLocale(values[list->length], NULL);
		if (list->items[list->length] == NULL)
			return PyStatus_NoMemory();
	}
	return PyStatus_Ok();
}

static int set_sys_list(const char *name, const PyWideStringList *list)
{
	PyObject *value = _PyWideStringList_AsList(list);
	int result = value ? PySys_SetObject(name, value) : -1;

	Py_XDECREF(value);
	return result;
}

static void take(PyWideStringList *to, const PyWideStringList *from)
{
	_PyWideStringList_Clear(to);
	*to = *from;
}

static PyStatus adopt_lists(PyConfig *own, struct arguments args, const struct command_line *line)
{
	PyWideStringList argv = {0}, original = {0};
	char none[] = "", *alone = none;
	PyStatus status = decode(&original, args.values, args.count);

	if (!PyStatus_Exception(status)) {
		if (line->first < args.count)
			status = decode(&argv, args.values + line->first, args.count - line->first);
		else
			status = decode(&argv, &alone, 1);
	}
	if (!PyStatus_Exception(status) && line->first == 2) {
		PyMem_RawFree(argv.items[0]);
		argv.items[0] = Py_DecodeLocale(args.values[1], NULL);
	}
	take(&own->argv, &argv);
	take(&own->orig_argv, &original);
	if (PyStatus_Exception(status))
		return status;
	if (set_sys_list("argv", &own->argv) < 0 || set_sys_list("orig_argv", &own->orig_argv) < 0)
		return PyStatus_NoMemory();
	return status;
}

// adopt_file gives the script's path as Python does: absolute where that can be told.
static PyStatus adopt_file(PyConfig *own, const char *file)
{
	PyStatus status = PyConfig_SetBytesString(own, &own->run_filename, file);
	wchar_t *absolute = NULL;

	if (PyStatus_Exception(status) || file[0] == '/' || _Py_abspath(own->run_filename, &absolute) < 0)
		return status;
	if (absolute == NULL)
		return PyStatus_NoMemory();
	PyMem_RawFree(own->run_filename);
	own->run_filename = absolute;
	return status;
}

static PyStatus adopt_target(PyConfig *own, const struct command_line *line)
{
	PyStatus status;
	size_t length;
	char *code;

	switch (line->target) {
	case target_module:
		return PyConfig_SetBytesString(own, &own->run_module, line->text);
	case target_file:
		return adopt_file(own, line->text);
	case target_input:
		return PyStatus_Ok();
	case target_command:
		break;
	}
	length = strlen(line->text);
	code = malloc(length + 2);
	if (code == NULL)
		return PyStatus_NoMemory();
	memcpy(code, line->text, length);
	memcpy(code + length, "\n", 2);
	status = PyConfig_SetBytesString(own, &own->run_command, code);
	free(code);
	return status;
}

// is_wide compares ASCII.
static int is_wide(const wchar_t *wide, const char *text)
{
	while (wide && *wide && *wide == (unsigned char)*text)
		wide++, text++;
	return wide && *wide == 0 && *text == 0;
}

static int set_sys_path(const char *name, const char *path)
{
	PyObject *value = PyUnicode_DecodeFSDefault(path);
	int result = value ? PySys_SetObject(name, value) : -1;

	Py_XDECREF(value);
	return result;
}

// adopt_name lets the interpreter have been started by another of its names.
static PyStatus adopt_name(PyConfig *own, const char *name, const char *python)
{
	PyStatus status = PyStatus_Ok();

	if (!is_wide(own->program_name, name))
		status = PyConfig_SetBytesString(own, &own->program_name, name);
	if (PyStatus_Exception(status) || is_wide(own->executable, python))
		return status;
	status = PyConfig_SetBytesString(own, &own->executable, python);
	if (!PyStatus_Exception(status))
		status = PyConfig_SetBytesString(own, &own->base_executable, python);
	if (PyStatus_Exception(status))
		return status;
	if (set_sys_path("executable", python) < 0 || set_sys_path("_base_executable", python) < 0)
		return PyStatus_NoMemory();
	return status;
}

// skip_importers says that a script is no folder or archive of modules. Python would ask its importers, which read it.
static PyStatus skip_importers(const PyConfig *own)
{
	PyObject *known = PySys_GetObject("path_importer_cache");
	PyObject *file = PyUnicode_FromWideChar(own->run_filename, -1);
	int result = known && file ? PyDict_SetItem(known, file, Py_None) : -1;

	Py_XDECREF(file);
	return result < 0 ? PyStatus_NoMemory() : PyStatus_Ok();
}

PyStatus adopt_command_line(struct arguments args, const struct command_line *line)
{
	PyConfig *own = (PyConfig *)_PyInterpreterState_GetConfig(_PyInterpreterState_GET());
	PyStatus status = adopt_name(own, args.values[0], line->python);

	if (!PyStatus_Exception(status))
		status = adopt_target(own, line);
	if (!PyStatus_Exception(status))
		status = adopt_lists(own, args, line);
	if (!PyStatus_Exception(status) && line->is_script)
		status = skip_importers(own);
	return status;
}
