// Starting Python from nothing, as the python3 command does.
#include "interpreter.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wasi/api.h>

#include "functions.h"
#include "host.h"
#include "signals.h"

static const char own_path[] = "/usr/local/bin/python3";

struct arguments read_arguments(void)
{
	struct arguments args = {0};
	size_t count, size;
	char *text;

	if (__wasi_args_sizes_get(&count, &size) != 0 || count == 0)
		count = size = 0;
	args.values = calloc(count + 2, sizeof *args.values);
	text = malloc(size + 1);
	if (args.values == NULL || text == NULL)
		abort();
	if (count == 0 || __wasi_args_get((uint8_t **)args.values, (uint8_t *)text) != 0) {
		args.values[0] = (char *)own_path;
		count = 1;
	}
	args.values[count] = NULL;
	args.count = count;
	return args;
}

// enter_working_directory makes the run's directory wasi-libc's: preview 1 has no such thing.
void enter_working_directory(void)
{
	size_t size = 256, used = 0;
	char *path = malloc(size);
	int e = boxer_cwd_get(path, size, &used);

	if (e == ERANGE) {
		size = used;
		path = realloc(path, size);
		e = boxer_cwd_get(path, size, &used);
	}
	if (e == 0) {
		path = realloc(path, used + 1);
		path[used] = 0;
		chdir(path);
	} else if (getenv("PWD")) {
		chdir(getenv("PWD"));
	}
	free(path);
}

// on_path tells whether Python will find the program that it was started as.
static int on_path(const char *name)
{
	const char *path = getenv("PATH");
	char candidate[4096];

	if (strchr(name, '/'))
		return access(name, X_OK) == 0;
	while (path && *path) {
		size_t len = strcspn(path, ":");
		int n = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)len, path, name);
		if (n > 0 && (size_t)n < sizeof candidate && access(candidate, X_OK) == 0)
			return 1;
		path += len + (path[len] == ':');
	}
	return 0;
}

PyStatus read_config(PyConfig *config, struct arguments args)
{
	PyStatus status;

	PyConfig_InitPythonConfig(config);
	config->parse_argv = 1;
	status = PyConfig_SetBytesArgv(config, args.count, args.values);
	// Under another runtime the first argument may be anything; a program's own name must still be found.
	if (!PyStatus_Exception(status) && !on_path(args.values[0]))
		status = PyConfig_SetBytesString(config, &config->executable, own_path);
	if (!PyStatus_Exception(status))
		status = PyConfig_Read(config);
	if (PyStatus_Exception(status))
		PyConfig_Clear(config);
	return status;
}

PyStatus start_fresh(struct arguments args)
{
	PyPreConfig before;
	PyConfig config;
	PyStatus status;

	if (add_own_module() < 0)
		return PyStatus_NoMemory();
	PyPreConfig_InitPythonConfig(&before);
	before.utf8_mode = 1;
	status = Py_PreInitializeFromBytesArgs(&before, args.count, args.values);
	if (PyStatus_Exception(status))
		return status;
	status = read_config(&config, args);
	if (PyStatus_Exception(status))
		return status;
	status = Py_InitializeFromConfig(&config);
	PyConfig_Clear(&config);
	if (!PyStatus_Exception(status) && prepare_interrupts() < 0)
		return PyStatus_NoMemory();
	return status;
}
