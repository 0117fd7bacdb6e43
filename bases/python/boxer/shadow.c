// Modules that a run would not find where the captured interpreter found them.
//
// An image holds modules that the run has not imported yet. Before one of them is imported, Python looks for it in the
// script's folder, and finds another there if it has that name. Such runs cannot be served.
#include "image.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

// A module by its name, and where import finds it. Modules without a folder are known to be missing, or to be the
// library's: any file of that name in a folder that is searched earlier takes their place.
struct module {
	char *name;
	char *folder;
};

static struct {
	struct module *slots; // open addressing; unused ones have no name
	size_t count, size;   // size is a power of two
} table;

static uint32_t hash(const char *name, size_t length)
{
	uint32_t h = 2166136261u;

	while (length--)
		h = (h ^ (unsigned char)*name++) * 16777619u;
	return h;
}

// slot returns where a name is, or would be.
static struct module *slot(const char *name, size_t length)
{
	size_t i = hash(name, length);

	for (;; i++) {
		struct module *m = &table.slots[i & (table.size - 1)];
		if (m->name == NULL || (strncmp(m->name, name, length) == 0 && m->name[length] == 0))
			return m;
	}
}

static int grow(void)
{
	struct module *old = table.slots;
	size_t size = table.size;

	table.size = size ? 2 * size : 512;
	table.slots = calloc(table.size, sizeof *table.slots);
	if (table.slots == NULL)
		return -1;
	for (size_t i = 0; i < size; i++)
		if (old[i].name)
			*slot(old[i].name, strlen(old[i].name)) = old[i];
	free(old);
	return 0;
}

int capture_module(const char *name, const char *folder)
{
	struct module *m;

	if (2 * table.count >= table.size && grow() < 0)
		return -1;
	m = slot(name, strlen(name));
	if (m->name == NULL) {
		m->name = strdup(name);
		table.count++;
	}
	free(m->folder);
	m->folder = folder ? strdup(folder) : NULL;
	return m->name && (m->folder || folder == NULL) ? 0 : -1;
}

// stem returns how much of a file's name is that of a module, or 0 if it is none.
static size_t stem(const char *name, size_t length, int type)
{
	const char *dot = memchr(name, '.', length);
	size_t n = dot ? (size_t)(dot - name) : length, rest = length - n;

	if (dot == NULL)
		return type == __WASI_FILETYPE_REGULAR_FILE ? 0 : length;
	if ((rest == 3 && memcmp(dot, ".py", 3) == 0) || (rest == 4 && memcmp(dot, ".pyc", 4) == 0))
		return n;
	return rest >= 3 && memcmp(name + length - 3, ".so", 3) == 0 ? n : 0;
}

// The folder that application modules were found in because it was the working directory, or NULL.
static char *script_folder;

int capture_script_folder(void)
{
	script_folder = getcwd(NULL, 0);
	return script_folder ? 0 : -1;
}

struct look {
	const char *folder;
	const char *found;
};

static int look_at(void *context, const char *name, size_t length, int type)
{
	struct look *look = context;
	size_t n = stem(name, length, type);
	struct module *m = n ? slot(name, n) : NULL;

	if (m == NULL || m->name == NULL || (m->folder && strcmp(m->folder, look->folder) == 0))
		return 0;
	look->found = m->name;
	return 1;
}

const char *hidden_by(const char *folder)
{
	struct look look = {folder, NULL};

	each_entry(folder, look_at, &look);
	return look.found;
}

// is_archive tells whether a file ends as a zip archive does: modules are imported from it.
static int is_archive(int fd, off_t size)
{
	enum { record = 22, comment = 65535 };
	unsigned char buffer[4096];
	off_t start = size > record + comment ? size - record - comment : 0;

	for (off_t end = size; end - start >= record;) {
		off_t at = end - start > (off_t)sizeof buffer ? end - (off_t)sizeof buffer : start;
		ssize_t n = pread(fd, buffer, end - at, at);

		for (unsigned char *p = buffer; n >= 4 && (p = memchr(p, 5, buffer + n - p)) != NULL; p++)
			if (p - buffer >= 2 && p + 1 < buffer + n && p[-2] == 'P' && p[-1] == 'K' && p[1] == 6)
				return 1;
		if (n < 0 || at == start)
			break;
		end = at + 3;
	}
	return 0;
}

// folder_of gives the folder that Python puts before sys.path for a script, or fails.
static int folder_of(const char *file, char folder[PATH_MAX])
{
	char *slash;

	if (file[0] != '/' || readlink(file, folder, PATH_MAX) >= 0) {
		if (realpath(file, folder) == NULL)
			return -1;
	} else if (strlen(file) < PATH_MAX) {
		strcpy(folder, file);
	} else {
		return -1;
	}
	slash = strrchr(folder, '/');
	slash[slash == folder] = 0;
	return 0;
}

// look_at_script is for a file, a folder, or an archive with a program in it. It returns 1 and the folder that modules
// are found in first, 0 if there is none, or a negative number if that is too hard to tell.
static int look_at_script(struct command_line *line, char folder[PATH_MAX])
{
	struct stat st;
	int fd = open(line->text, O_RDONLY | O_CLOEXEC), result = -1;

	if (fd < 0)
		return 0; // nothing will run
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !is_archive(fd, st.st_size)) {
		line->is_script = 1;
		result = folder_of(line->text, folder) == 0 ? 1 : -1;
	}
	close(fd);
	return result;
}

// is_imported tells whether a module of a package has been imported; running it as a program would warn of that.
static int is_imported(const char *name)
{
	PyObject *module = NULL, *key = strchr(name, '.') ? PyUnicode_DecodeFSDefault(name) : NULL;

	if (key)
		module = PyImport_GetModule(key);
	Py_XDECREF(key);
	Py_XDECREF(module);
	PyErr_Clear();
	return module != NULL;
}

// path_hides tells whether a folder of PYTHONPATH hides a module, or depends on the working directory.
static int path_hides(const char *path)
{
	char folder[PATH_MAX];

	while (path && *path) {
		size_t length = strcspn(path, ":");

		if (path[0] != '/' || length >= sizeof folder)
			return 1;
		memcpy(folder, path, length);
		folder[length] = 0;
		if (hidden_by(folder))
			return 1;
		path += length + (path[length] == ':');
	}
	return 0;
}

int finds_captured_modules(struct command_line *line)
{
	char folder[PATH_MAX];
	int found = 1;

	if (line->target == target_module && is_imported(line->text))
		return 0;
	if (line->target == target_file)
		found = look_at_script(line, folder);
	else if (getcwd(folder, sizeof folder) == NULL)
		found = -1;
	if (found < 0 || (script_folder && (!found || strcmp(folder, script_folder) != 0)))
		return 0;
	return (!found || hidden_by(folder) == NULL) && !path_hides(getenv("PYTHONPATH"));
}
