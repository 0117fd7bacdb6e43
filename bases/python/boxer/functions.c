// The module _boxer: what the Python module boxer and others are made of.
//
// A function of the embedding program is called by boxer_call, which starts it and opens a descriptor. Its answer is read
// from there when there is one, and until then waiting is the same as for any other descriptor.
#include "functions.h"

#include <errno.h>
#include <stdlib.h>

#include "host.h"
#include "signals.h"

PyDoc_STRVAR(start_doc, "start(name, arguments, /)\n--\n\nCall a function of the host; a descriptor to read the answer from.");

static PyObject *start(PyObject *self, PyObject *args)
{
	const char *name, *arguments;
	Py_ssize_t name_length, length;
	int fd, e;

	if (!PyArg_ParseTuple(args, "s#s#:start", &name, &name_length, &arguments, &length))
		return NULL;
	e = boxer_call(name, name_length, arguments, length, &fd);
	if (e == 0)
		return PyLong_FromLong(fd);
	errno = e;
	return PyErr_SetFromErrno(PyExc_OSError);
}

PyDoc_STRVAR(functions_doc, "functions()\n--\n\nNames of the host's functions, each followed by a NUL.");

static PyObject *functions(PyObject *self, PyObject *unused)
{
	size_t size = 0;
	int e = boxer_functions(NULL, 0, &size);
	PyObject *names;

	if (e == ENOSYS || size == 0)
		return PyBytes_FromStringAndSize("", 0);
	names = PyBytes_FromStringAndSize(NULL, size);
	if (names == NULL)
		return NULL;
	e = boxer_functions(PyBytes_AS_STRING(names), size, &size);
	if (e == 0)
		return names;
	Py_DECREF(names);
	errno = e;
	return PyErr_SetFromErrno(PyExc_OSError);
}

PyDoc_STRVAR(wake_doc, "wake()\n--\n\nLet the next poll return at once.");

static PyObject *wake(PyObject *self, PyObject *unused)
{
	wake_poll();
	Py_RETURN_NONE;
}

PyDoc_STRVAR(report_doc, "report(kind, text, /)\n--\n\nHand the host a part of what came of its source.");

static PyObject *report(PyObject *self, PyObject *args)
{
	const char *text;
	Py_ssize_t length;
	int kind;

	if (!PyArg_ParseTuple(args, "is#:report", &kind, &text, &length))
		return NULL;
	boxer_result_part(kind, text, length);
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"start", start, METH_VARARGS, start_doc},
	{"functions", functions, METH_NOARGS, functions_doc},
	{"wake", wake, METH_NOARGS, wake_doc},
	{"report", report, METH_VARARGS, report_doc},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, .m_name = "_boxer", .m_doc = "Between Python and the program that runs this box.",
	.m_methods = methods,
};

static PyObject *initialize(void)
{
	return PyModuleDef_Init(&definition);
}

int add_own_module(void)
{
	static int added;

	if (!added && PyImport_AppendInittab("_boxer", initialize) < 0)
		return -1;
	added = 1;
	return 0;
}
