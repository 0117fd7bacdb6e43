// The end of a run that continued a memory image.
//
// Py_FinalizeEx takes apart every module and the interpreter, most of it captured, and all of it about to vanish. What of
// that can be seen from outside are exit functions, flushed streams, and what the program's own objects do when they are
// destroyed: finalizers, and files that write what they hold back. So the program's objects are looked at first. Mostly
// there is none of that kind; else the program's modules are destroyed in Python's order; and should anything of that
// kind survive, held by a captured module, everything is.
#define Py_BUILD_CORE 1
#include "image.h"

#include "internal/pycore_ceval.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_import.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_moduleobject.h"
#include "internal/pycore_pylifecycle.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#include "internal/pycore_weakref.h"

#include <string.h>

// Of main.c and pylifecycle.c.
void pymain_run_python(int *exitcode);
int exit_sigint(void);
void wait_for_thread_shutdown(PyThreadState *thread);
int flush_std_files(void);
void finalize_modules_delete_special(PyThreadState *thread, int verbose);

static struct {
	int exit_functions;             // of the library's modules
	PyObject *lists[2];             // to which programs add what is to happen at the end
	Py_ssize_t lengths[2];          // without them
	PyObject *modules;              // names of the captured ones
	int application_ends;           // captured objects of the application must be destroyed
} captured;

static PyObject *attribute(const char *module, const char *name)
{
	PyObject *object = PyImport_ImportModule(module);
	PyObject *value = object ? PyObject_GetAttrString(object, name) : NULL;

	Py_XDECREF(object);
	return value;
}

int capture_end(void)
{
	PyInterpreterState *interp = _PyInterpreterState_GET();

	captured.exit_functions = interp->atexit.ncallbacks;
	captured.lists[0] = attribute("threading", "_threading_atexits");
	captured.lists[1] = attribute("logging", "_handlerList");
	for (int i = 0; i < 2; i++) {
		if (captured.lists[i] == NULL || !PyList_Check(captured.lists[i]))
			return -1;
		captured.lengths[i] = PyList_GET_SIZE(captured.lists[i]);
	}
	return 0;
}

// is_library tells whether code is the standard library's: its weak references keep books, and do nothing else.
static int is_library(PyObject *callback)
{
	static const char library[] = PYTHON_LIBRARY "/";
	const char *file;

	if (PyCFunction_Check(callback))
		return 1;
	if (!PyFunction_Check(callback))
		return 0;
	file = PyUnicode_AsUTF8(((PyCodeObject *)PyFunction_GET_CODE(callback))->co_filename);
	return file && strncmp(file, library, sizeof library - 1) == 0 &&
		strncmp(file + sizeof library - 1, "site-packages/", 14) != 0;
}

// is_watched tells whether somebody wants to know when an object is destroyed.
static int is_watched(PyObject *object)
{
	PyObject *reference;

	if (!_PyType_SUPPORTS_WEAKREFS(Py_TYPE(object)))
		return 0;
	reference = *_PyObject_GET_WEAKREFS_LISTPTR(object);
	for (; reference; reference = (PyObject *)((PyWeakReference *)reference)->wr_next) {
		PyObject *callback = ((PyWeakReference *)reference)->wr_callback;
		if (callback && !is_library(callback))
			return 1;
	}
	return 0;
}

static int finalizes(PyTypeObject *type)
{
	return type->tp_finalize || type->tp_del;
}

// hides_ends tells whether a class has finalizers and objects that the collector does not know.
static int hides_ends(PyTypeObject *type)
{
	return finalizes(type) && !_PyType_IS_GC(type) &&
		!Py_IS_TYPE(_PyType_Lookup(type, &_Py_ID(__del__)), &PyWrapperDescr_Type);
}

// ends_visibly tells whether the end of an object, or of one that only its type shows, can be seen from outside.
static int ends_visibly(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);

	if (PyType_Check(object) && hides_ends((PyTypeObject *)object))
		return 1;
	if (!finalizes(type))
		return is_watched(object);
	if (PyGen_CheckExact(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object))
		return ((PyGenObject *)object)->gi_frame_state < FRAME_COMPLETED;
	return 1;
}

// any_ends_visibly looks at the objects made since the capture.
static int any_ends_visibly(PyInterpreterState *interp)
{
	for (int i = 0; i < NUM_GENERATIONS; i++) {
		PyGC_Head *list = &interp->gc.generations[i].head;

		for (PyGC_Head *at = _PyGCHead_NEXT(list); at != list; at = _PyGCHead_NEXT(at))
			if (ends_visibly(_Py_FROM_GC(at)))
				return 1;
	}
	return 0;
}

static int look_for_end(PyObject *object, void *found)
{
	// Files cannot be open, other than the standard streams.
	if (strncmp(Py_TYPE(object)->tp_name, "_io.", 4) == 0 ? is_watched(object) : ends_visibly(object))
		*(int *)found = 1;
	return 1;
}

void capture_end_of_application(void)
{
	PyInterpreterState *interp = _PyInterpreterState_GET();

	PyUnstable_GC_VisitObjects(look_for_end, &captured.application_ends);
	captured.modules = PySet_New(_PyImport_GetModules(interp));
	if (captured.modules)
		PySet_Discard(captured.modules, &_Py_ID(__main__));
}

// objects_are_quiet tells whether there is nothing to do for the program's objects but to flush the streams.
static int objects_are_quiet(PyInterpreterState *interp)
{
	return PySys_GetObject("stdout") == PySys_GetObject("__stdout__") &&
		PySys_GetObject("stderr") == PySys_GetObject("__stderr__") && !any_ends_visibly(interp);
}

// adds_nothing tells whether the program left no function to be called at its end.
static int adds_nothing(PyInterpreterState *interp)
{
	return interp->atexit.ncallbacks == captured.exit_functions &&
		PyList_GET_SIZE(captured.lists[0]) == captured.lengths[0] &&
		PyList_GET_SIZE(captured.lists[1]) == captured.lengths[1];
}

// remove_modules takes the program's modules out of sys.modules and returns weak references to them, in order of import.
static PyObject *remove_modules(PyObject *modules)
{
	PyObject *references = PyList_New(0), *names = PyDict_Keys(modules);

	for (Py_ssize_t i = 0; references && names && i < PyList_GET_SIZE(names); i++) {
		PyObject *name = PyList_GET_ITEM(names, i), *module = PyDict_GetItemWithError(modules, name), *reference;

		if (PySet_Contains(captured.modules, name) || module == NULL || !PyModule_Check(module))
			continue;
		reference = PyWeakref_NewRef(module, NULL);
		if (reference == NULL || PyList_Append(references, reference) < 0 ||
			PyDict_SetItem(modules, name, Py_None) < 0)
			PyErr_FormatUnraisable("Exception ignored on removing modules");
		Py_XDECREF(reference);
	}
	Py_XDECREF(names);
	return references;
}

// clear_modules wipes those that are still alive, the last imported first.
static void clear_modules(PyObject *references)
{
	for (Py_ssize_t i = PyList_GET_SIZE(references); i-- > 0;) {
		PyObject *module = _PyWeakref_GET_REF(PyList_GET_ITEM(references, i));

		if (module)
			_PyModule_Clear(module);
		Py_XDECREF(module);
	}
}

static void destroy_modules(PyThreadState *thread)
{
	PyObject *references = remove_modules(_PyImport_GetModules(thread->interp));

	_PyGC_CollectNoFail(thread);
	if (references)
		clear_modules(references);
	Py_XDECREF(references);
	_PyGC_CollectNoFail(thread);
}

static void set_finalizing(PyThreadState *thread, int initialized)
{
	PyThreadState *by = initialized ? NULL : thread;

	_PyInterpreterState_SetFinalizing(thread->interp, by);
	_PyRuntimeState_SetFinalizing(&_PyRuntime, by);
	_PyRuntime.initialized = _PyRuntime.core_initialized = initialized;
}

// destroy_all does not leave out what was captured.
static int destroy_all(PyThreadState *thread)
{
	_PyGC_Unfreeze(thread->interp);
	return Py_FinalizeEx();
}

static int destroy_objects(PyThreadState *thread)
{
	int status;

	set_finalizing(thread, 0);
	status = flush_std_files();
	_PySignal_Fini();
	PyGC_Collect();
	_PyImport_FiniExternal(thread->interp);
	finalize_modules_delete_special(thread, 0);
	destroy_modules(thread);
	status |= flush_std_files();
	if (!any_ends_visibly(thread->interp))
		return status;
	set_finalizing(thread, 1);
	return destroy_all(thread) | status;
}

// end returns a negative number if the streams could not be flushed.
static int end(PyThreadState *thread)
{
	PyInterpreterState *interp = thread->interp;
	int quiet = adds_nothing(interp) && !captured.application_ends && objects_are_quiet(interp);

	if (!quiet) {
		interp->finalizing = 1;
		wait_for_thread_shutdown(thread);
		_Py_FinishPendingCalls(thread);
		_PyAtExit_Call(interp);
		if (captured.application_ends)
			return destroy_all(thread);
		if (!objects_are_quiet(interp))
			return destroy_objects(thread);
	}
	return flush_std_files();
}

int end_run(void)
{
	PyThreadState *thread = _PyThreadState_GET();

	return captured.modules ? end(thread) : Py_FinalizeEx();
}

int run_captured(void)
{
	PyThreadState *thread = _PyThreadState_GET();
	int exitcode = 0;

	pymain_run_python(&exitcode);
	if (end(thread) < 0)
		exitcode = 120;
	return _PyRuntime.signals.unhandled_keyboard_interrupt ? exit_sigint() : exitcode;
}
