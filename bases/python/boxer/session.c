// Sessions: an interpreter that executes one piece of source after another, in one __main__, while the host looks after it
// in between. No call is going on then, so that all of its state lies in the memory and the globals of the module, and a
// copy of these is another session in the same state.
//
//   boxer.open      takes the interpreter up, as python3 does that was given nothing to run
//   boxer.execute   fetches so many bytes of source from the host and runs them; 0: the session goes on, 1: it has ended
//   boxer.forked    is called in a copy, which must not draw the random numbers of the original
#define Py_BUILD_CORE 1
#include "interpreter.h"

#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "host.h"
#include "image.h"
#include "session.h"

// Parts of a result, as the host knows them.
enum part { part_repr, part_json, part_type, part_message, part_traceback, part_status };

// session() gives execute(source, report): whether the program has asked for its end. What it does not need each time is
// imported when it is needed: without a memory image, imports take time.
//
// A traceback begins with the first frame of the source, not with the frames that led there. A value that JSON cannot
// express has none.
static const char session_source[] =
	"def session():\n"
	"    import ast, linecache, sys\n"
	"    names = sys.modules['__main__'].__dict__\n"
	"    count, runner = 0, None\n"
	"    def evaluate(code):\n"
	"        nonlocal runner\n"
	"        value = eval(code, names)\n"
	"        if not code.co_flags & 0x80:\n" // inspect.CO_COROUTINE
	"            return value\n"
	"        import asyncio\n"
	"        if runner is None:\n"
	"            runner = asyncio.Runner()\n"
	"        return runner.run(value)\n"
	"    def run(source, name):\n"
	"        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT\n"
	"        tree = compile(source, name, 'exec', flags | ast.PyCF_ONLY_AST, True)\n"
	"        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None\n"
	"        if tree.body:\n"
	"            evaluate(compile(tree, name, 'exec', flags, True))\n"
	"        if last is not None:\n"
	"            return evaluate(compile(ast.Expression(last.value), name, 'eval', flags, True))\n"
	"    def tell(value, report):\n"
	"        report(0, repr(value).encode('utf-8', 'backslashreplace'))\n"
	"        import json\n"
	"        try:\n"
	"            text = json.dumps(value, allow_nan=False)\n"
	"        except (TypeError, ValueError, RecursionError):\n"
	"            return\n"
	"        report(1, text)\n"
	"    def tell_error(error, name, report):\n"
	"        import traceback\n"
	"        at = error.__traceback__\n"
	"        while at and at.tb_frame.f_code.co_filename != name:\n"
	"            at = at.tb_next\n"
	"        kind = type(error)\n"
	"        report(2, kind.__qualname__ if kind.__module__ == 'builtins' else kind.__module__ + '.' + kind.__qualname__)\n"
	"        lines = traceback.format_exception(kind, error, at)\n"
	"        report(4, ''.join(lines).encode('utf-8', 'backslashreplace'))\n"
	"        report(3, str(error).encode('utf-8', 'backslashreplace'))\n"
	"    def end(code, report):\n"
	"        if code is not None and not isinstance(code, int):\n"
	"            print(code, file=sys.stderr)\n"
	"            code = 1\n"
	"        report(5, str((code or 0) & 255))\n"
	"        return 1\n"
	"    def execute(source, report):\n"
	"        nonlocal count\n"
	"        count += 1\n"
	"        name = f'<input {count}>'\n"
	"        linecache.cache[name] = len(source), None, source.splitlines(True), name\n"
	"        try:\n"
	"            try:\n"
	"                value = run(source, name)\n"
	"                if value is not None:\n"
	"                    tell(value, report)\n"
	"            except SystemExit as asked:\n"
	"                return end(asked.code, report)\n"
	"            except BaseException as error:\n"
	"                tell_error(error, name, report)\n"
	"            return 0\n"
	"        finally:\n"
	"            for stream in sys.stdout, sys.stderr:\n"
	"                if stream is not None:\n"
	"                    stream.flush()\n"
	"    if not sys.flags.safe_path:\n"
	"        sys.path.insert(0, '')\n"
	"    if sys.stdout is not None:\n"
	"        sys.stdout.reconfigure(line_buffering=True)\n"
	"    return execute\n";

static PyObject *session; // session(), if it is ready
static PyObject *execute; // what it gave
static PyObject *report;  // of _boxer

int prepare_session(void)
{
	PyObject *scope, *done, *own;

	if (session)
		return 0;
	scope = PyDict_New();
	done = scope ? PyRun_String(session_source, Py_file_input, scope, scope) : NULL;
	own = done ? PyImport_ImportModule("_boxer") : NULL;
	if (own) {
		report = PyObject_GetAttrString(own, "report");
		session = Py_XNewRef(PyDict_GetItemString(scope, "session"));
	}
	Py_XDECREF(scope);
	Py_XDECREF(done);
	Py_XDECREF(own);
	return report && session ? 0 : -1;
}

int open_session(void)
{
	_PyInterpreterState_SetRunningMain(_PyInterpreterState_GET());
	if (prepare_session() < 0)
		return -1;
	execute = PyObject_CallNoArgs(session);
	return execute ? 0 : -1;
}

static PyObject *fetch_source(size_t size)
{
	char *text = malloc(size + 1);
	PyObject *source = NULL;

	if (text == NULL)
		return PyErr_NoMemory();
	if (boxer_source(text, size) == 0)
		source = PyUnicode_DecodeUTF8(text, size, NULL);
	else
		PyErr_SetString(PyExc_SystemError, "the host has no source to execute");
	free(text);
	return source;
}

// report_failure is for exceptions that nobody has reported: an interrupt while a result was, source that is no text.
static void report_failure(void)
{
	PyObject *error = PyErr_GetRaisedException(), *text = PyObject_Str(error);
	const char *type = Py_TYPE(error)->tp_name, *message = text ? PyUnicode_AsUTF8(text) : NULL;

	boxer_result_part(part_type, type, strlen(type));
	if (message)
		boxer_result_part(part_message, message, strlen(message));
	PyErr_Clear();
	Py_XDECREF(text);
	Py_DECREF(error);
}

// settle_signals lets those go by that came too late for this source; the next one is not meant.
static void settle_signals(void)
{
	while (PyErr_CheckSignals() < 0)
		PyErr_Clear();
}

int execute_source(size_t size)
{
	PyObject *source = fetch_source(size);
	PyObject *result = source ? PyObject_CallFunctionObjArgs(execute, source, report, NULL) : NULL;
	int ended = result ? PyLong_AsInt(result) : 0;

	if (result == NULL)
		report_failure();
	settle_signals();
	fflush(NULL);
	Py_XDECREF(result);
	Py_XDECREF(source);
	return ended;
}

// forget_young is for generators that were made after the capture.
static void forget_young(PyInterpreterState *interp, PyTypeObject *type)
{
	for (int i = 0; i < NUM_GENERATIONS; i++) {
		PyGC_Head *list = &interp->gc.generations[i].head;

		for (PyGC_Head *at = _PyGCHead_NEXT(list); at != list; at = _PyGCHead_NEXT(at))
			if (PyObject_TypeCheck(_Py_FROM_GC(at), type))
				forget_random(_Py_FROM_GC(at));
	}
}

int forget_after_fork(void)
{
	PyObject *module = PyImport_ImportModule("random");
	PyObject *shared = module ? PyObject_GetAttrString(module, "_inst") : NULL;
	PyTypeObject *type = shared ? Py_TYPE(shared)->tp_base : NULL;

	if (type) {
		forget_random(shared);
		forget_young(_PyInterpreterState_GET(), type);
	}
	PyErr_Clear();
	sqlite3_randomness(0, NULL);
	Py_XDECREF(shared);
	Py_XDECREF(module);
	return type ? 0 : -1;
}
