// The environment: what of it acts on the interpreter when it starts, and what only programs look at.
#define Py_BUILD_CORE 1
#include "image.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "zone.h"

extern char **environ, **__wasilibc_environ;

static char **variables;     // PYTHON*, NULL at the end
static char *ctype;          // what names the locale of characters
static char *time_zone;      // TZ
static PyObject *os_environ; // the dict that os.environ is a view of

// acts tells whether a variable acts on Python's start. PYTHON_VERSION is one that images for Python carry for people.
static int acts(const char *entry)
{
	return strncmp(entry, "PYTHON", 6) == 0 && strncmp(entry, "PYTHON_VERSION=", 15) != 0;
}

static const char *ctype_name(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < 3; i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			return value;
	}
	return "";
}

static char *zone_name(void)
{
	char *value = getenv("TZ");

	return value ? value : "";
}

static int fill_dict(void)
{
	for (char **entry = environ; entry && *entry; entry++) {
		const char *equals = strchr(*entry, '=');
		PyObject *key, *value;
		int result;

		if (equals == NULL)
			continue;
		key = PyBytes_FromStringAndSize(*entry, equals - *entry);
		value = PyBytes_FromString(equals + 1);
		result = key && value && PyDict_SetDefault(os_environ, key, value) ? 0 : -1;
		Py_XDECREF(key);
		Py_XDECREF(value);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int acts_through_c(const char *entry)
{
	return strncmp(entry, "LC_", 3) == 0 || strncmp(entry, "LANG=", 5) == 0 || strncmp(entry, "TZ=", 3) == 0;
}

// The variables of the capture. They do not lie on the heap, where others after them would have other places.
static struct {
	char *all[512];
	char *acting[512];
	char text[32 << 10];
} held;

int hold_environment_back(void)
{
	size_t count, size, n = 0;
	int any = 0;

	held.acting[n++] = "PATH=" PYTHON_BIN;
	if (__wasi_environ_sizes_get(&count, &size) != 0 || count >= 511 || size > sizeof held.text ||
		__wasi_environ_get((uint8_t **)held.all, (uint8_t *)held.text) != 0)
		return 1; // as it is: there will be more that differs
	for (char **entry = held.all; *entry; entry++) {
		if (acts(*entry) || acts_through_c(*entry))
			held.acting[n++] = *entry;
		any |= acts(*entry);
	}
	__wasilibc_environ = held.acting;
	return any;
}

static int capture_variables(void)
{
	size_t count = 0;

	for (char **entry = environ; *entry; entry++)
		count += acts(*entry);
	variables = calloc(count + 1, sizeof *variables);
	ctype = strdup(ctype_name());
	time_zone = strdup(zone_name());
	if (variables == NULL || ctype == NULL || time_zone == NULL)
		return -1;
	count = 0;
	for (char **entry = environ; *entry; entry++)
		if (acts(*entry) && (variables[count++] = strdup(*entry)) == NULL)
			return -1;
	return 0;
}

int capture_environment(void)
{
	PyObject *posix = PyImport_ImportModule("posix");

	if (__wasilibc_environ == held.acting)
		__wasilibc_environ = held.all;
	os_environ = posix ? PyObject_GetAttrString(posix, "environ") : NULL;
	Py_XDECREF(posix);
	if (os_environ == NULL || capture_variables() < 0)
		return -1;
	PyDict_Clear(os_environ);
	return fill_dict();
}

void forget_environment(void)
{
	PyDict_Clear(os_environ);
}

int was_captured(const char *name)
{
	size_t length = strcspn(name, "=");

	for (char **variable = variables; *variable; variable++)
		if (strncmp(*variable, name, length) == 0 && (*variable)[length] == '=')
			return 1;
	return 0;
}

static int is_as_captured(const char *entry)
{
	char **variable = variables;

	while (*variable && strcmp(*variable, entry) != 0)
		variable++;
	return *variable != NULL;
}

// is_plain tells whether a locale keeps Python from taking UTF-8 for granted.
static int is_plain(const char *name)
{
	return strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0;
}

int same_environment(void)
{
	size_t count = 0;
	const char *name = ctype_name();

	for (char **entry = environ; entry && *entry; entry++) {
		if (!acts(*entry))
			continue;
		if (is_as_captured(*entry))
			count++;
		else if (was_captured(*entry) || !can_follow(*entry))
			return 0;
	}
	for (char **variable = variables; *variable; variable++)
		count--;
	return count == 0 && (strcmp(name, ctype) == 0 || (!is_plain(name) && !is_plain(ctype)));
}

static int renew_zone(void)
{
	PyObject *module, *result;

	boxer_zone_forget();
	module = PyImport_ImportModule("time");
	result = module ? PyObject_CallMethod(module, "tzset", NULL) : NULL;
	Py_XDECREF(module);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

int renew_environment(void)
{
	if (strcmp(ctype_name(), ctype) != 0)
		setlocale(LC_CTYPE, "");
	if (fill_dict() < 0)
		return -1;
	// What /etc/localtime says has been read for the capture; the host serves no run to which it says something else.
	return strcmp(zone_name(), time_zone) == 0 ? 0 : renew_zone();
}
