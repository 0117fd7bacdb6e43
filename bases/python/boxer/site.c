// What changes Python's start: .pth files in site-packages, and the modules sitecustomize and usercustomize. A layer above
// the captured one may have brought some.
#include "image.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define SITE PYTHON_LIBRARY "/site-packages"

// What was found, as a sum that does not depend on order.
struct found {
	unsigned count;
	uint64_t sum;
};

static struct found captured, now;

// counts tells whether a name in site-packages is looked at when Python starts.
static int counts(const char *name, size_t length)
{
	if (length > 4 && memcmp(name + length - 4, ".pth", 4) == 0)
		return name[0] != '.';
	return (length >= 13 && memcmp(name, "sitecustomize", 13) == 0) ||
		(length >= 13 && memcmp(name, "usercustomize", 13) == 0);
}

static int count(void *context, const char *name, size_t length, int type)
{
	struct found *found = context;
	uint64_t h = 14695981039346656037u;

	if (!counts(name, length))
		return 0;
	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)name[i]) * 1099511628211u;
	found->count++;
	found->sum += h;
	return 0;
}

static struct found look(void)
{
	struct found found = {0};

	each_entry(SITE, count, &found);
	return found;
}

// read_if_present lets the host note that a file was read, or was not there: it then sees to it that this stays so.
static void read_if_present(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
}

void capture_site(void)
{
	read_if_present(PYTHON_LIBRARY "/sitecustomize.py");
	read_if_present(PYTHON_LIBRARY "/usercustomize.py");
	captured = look();
}

int same_site(void)
{
	now = look();
	return captured.count == 0 || (captured.count == now.count && captured.sum == now.sum);
}

static const char start_source[] =
	"import site, sys\n"
	"site.addsitepackages(set(sys.path))\n"
	"site.execsitecustomize()\n"
	"if site.ENABLE_USER_SITE:\n"
	"    site.execusercustomize()\n";

int renew_site(void)
{
	PyObject *scope, *done;

	if (captured.count || now.count == 0)
		return 0;
	scope = PyDict_New();
	done = scope ? PyRun_String(start_source, Py_file_input, scope, scope) : NULL;
	Py_XDECREF(scope);
	Py_XDECREF(done);
	return done ? 0 : -1;
}
