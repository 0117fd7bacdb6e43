// What changes Python's start: .pth files in site-packages, the modules sitecustomize and usercustomize, and packages of the
// user's own. A layer above the captured one may have brought some, and the run's user may be another.
#include "image.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SITE PYTHON_LIBRARY "/site-packages"

// What was found, as a sum that does not depend on order.
struct found {
	unsigned count;
	uint64_t sum;
};

static struct found captured, now;
static uint64_t captured_home;

// Where a user lives, or NULL: not known yet.
static struct {
	uid_t uid;
	char *home;
} listed;

static uint64_t hash(const char *text, size_t length)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)text[i]) * 1099511628211u;
	return h;
}

// listed_home is the user's directory in the list of users. That is not read again for the same user: it has been read for
// the image.
static const char *listed_home(void)
{
	uid_t uid = getuid();
	struct passwd *entry;

	if (listed.home == NULL || listed.uid != uid) {
		entry = getpwuid(uid);
		free(listed.home);
		listed.uid = uid;
		listed.home = strdup(entry ? entry->pw_dir : "");
	}
	return listed.home ? listed.home : "";
}

// home is the run's, as os.path.expanduser finds it. When an image is initialised, $HOME is held back.
static const char *home(void)
{
	const char *set = getenv("HOME");

	return set ? set : listed_home();
}

// user_site tells whether a user has packages of their own, and where.
static int user_site(const char *home, char path[PATH_MAX])
{
	struct stat is;
	int length = snprintf(path, PATH_MAX, "%s/.local/lib%s/site-packages", home, strrchr(PYTHON_LIBRARY, '/'));

	return length < PATH_MAX && stat(path, &is) == 0 && S_ISDIR(is.st_mode);
}

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

	if (counts(name, length)) {
		found->count++;
		found->sum += hash(name, length);
	}
	return 0;
}

static struct found look(const char *home)
{
	struct found found = {0};
	char user[PATH_MAX];

	each_entry(SITE, count, &found);
	if (user_site(home, user)) {
		found.count++;
		found.sum += hash(user, strlen(user));
		each_entry(user, count, &found);
	}
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
	captured = look(listed_home());
	captured_home = hash(listed_home(), strlen(listed_home()));
}

int same_site(void)
{
	char user[PATH_MAX];

	now = look(home());
	if (captured.count == 0)
		return !user_site(home(), user);
	return captured.count == now.count && captured.sum == now.sum;
}

static const char start_source[] =
	"import site, sys\n"
	"site.addsitepackages(set(sys.path))\n"
	"site.execsitecustomize()\n"
	"if site.ENABLE_USER_SITE:\n"
	"    site.execusercustomize()\n";

// home_source makes site forget where another user's packages would be.
static const char home_source[] =
	"import site\n"
	"site.USER_BASE = site.USER_SITE = None\n"
	"site.getusersitepackages()\n";

static int run(const char *source)
{
	PyObject *scope = PyDict_New();
	PyObject *done = scope ? PyRun_String(source, Py_file_input, scope, scope) : NULL;

	Py_XDECREF(scope);
	Py_XDECREF(done);
	return done ? 0 : -1;
}

int renew_site(void)
{
	if (hash(home(), strlen(home())) != captured_home && run(home_source) < 0)
		return -1;
	return captured.count || now.count == 0 ? 0 : run(start_source);
}
