// The environment: what of it acts on the interpreter when it starts, and what only programs look at.
#define Py_BUILD_CORE 1
#include "image.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

extern char **environ;

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

int capture_environment(void)
{
	PyObject *posix = PyImport_ImportModule("posix");
	size_t count = 0;

	os_environ = posix ? PyObject_GetAttrString(posix, "environ") : NULL;
	Py_XDECREF(posix);
	for (char **entry = environ; entry && *entry; entry++)
		count += acts(*entry);
	variables = calloc(count + 1, sizeof *variables);
	ctype = strdup(ctype_name());
	time_zone = strdup(zone_name());
	if (os_environ == NULL || variables == NULL || ctype == NULL || time_zone == NULL)
		return -1;
	count = 0;
	for (char **entry = environ; entry && *entry; entry++)
		if (acts(*entry) && (variables[count++] = strdup(*entry)) == NULL)
			return -1;
	return 0;
}

void forget_environment(void)
{
	PyDict_Clear(os_environ);
}

static int was_captured(const char *entry)
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
		if (!was_captured(*entry))
			return 0;
		count++;
	}
	for (char **variable = variables; *variable; variable++)
		count--;
	return count == 0 && (strcmp(name, ctype) == 0 || (!is_plain(name) && !is_plain(ctype)));
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
