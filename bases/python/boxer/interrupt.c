// The host asks a program to come to its end: Python code sees KeyboardInterrupt (SIGINT, whose handler is Python's own) or
// TimeoutError (SIGXCPU: a limit of time has been reached that is not the last one).
//
// The second must not be seen before it comes: signal.getsignal(SIGXCPU) is SIG_DFL, as elsewhere. So its handler becomes
// Python's only when the signal is delivered, by the store of a pointer.
#define Py_BUILD_CORE 1
#include "interpreter.h"

#include "internal/pycore_ceval.h"
#include "internal/pycore_pyatomic_ft_wrappers.h"
#include "internal/pycore_runtime.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <wasi/api.h>

#include "signals.h"

static PyObject *deadline; // deadline_reached

static PyObject *deadline_reached(PyObject *self, PyObject *args)
{
	PyErr_SetString(PyExc_TimeoutError, "the run has taken too long");
	return NULL;
}

static PyMethodDef deadline_method = {"deadline_reached", deadline_reached, METH_VARARGS, NULL};

int prepare_interrupts(void)
{
	deadline = PyCFunction_New(&deadline_method, NULL);
	return deadline ? 0 : -1;
}

int interrupted_by(int number)
{
	if (number != SIGXCPU || deadline == NULL || !_PyRuntime.initialized)
		return 0;
	_Py_atomic_store_ptr(&_PyRuntime.signals.handlers[number].func, Py_NewRef(deadline));
	return PyErr_SetInterruptEx(number) == 0;
}

// boxer.attention is where the host sets bits so that it is called, whatever goes on: the evaluation loop looks at the second
// word and then, as C code does that takes its time, at the first. Whoever finds it set clears it, calls the host, which hands
// over the signals that there are, and looks for these (patches/0011).
const struct {
	const void *word;
	uint32_t bits;
} boxer_attention[] __asm__("boxer.attention") = {
	{&_PyRuntime.signals.is_tripped, 1},
	{&_PyRuntime._main_interpreter._initial_thread.base.eval_breaker, _PY_SIGNALS_PENDING_BIT},
	{NULL, 0},
};

// Waiting. wasi-libc does not expect to be interrupted, and takes EINTR for a clock that there is none of.

static int woken, sleeping;
static int failure; // of the last wait

__wasi_errno_t __real___wasi_poll_oneoff(const __wasi_subscription_t *in, __wasi_event_t *out, size_t count, size_t *events);

__wasi_errno_t __wrap___wasi_poll_oneoff(const __wasi_subscription_t *in, __wasi_event_t *out, size_t count, size_t *events)
{
	failure = 0;
	if (woken && !sleeping) {
		woken = 0;
		*events = 0;
		return 0;
	}
	failure = __real___wasi_poll_oneoff(in, out, count, events);
	return failure;
}

void wake_poll(void)
{
	woken = 1;
}

int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *left);

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *left)
{
	int result;

	sleeping = 1;
	result = __real_clock_nanosleep(clock, flags, request, left);
	sleeping = 0;
	return result != 0 && failure == EINTR ? EINTR : result;
}
