// Users and groups, read from the box's own /etc/passwd and /etc/group: passwd(5), group(5).
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	line_max = 4096,
	members_max = 256,
};

// A database is a file that is read line by line; what a line holds points into its buffer.
struct database {
	const char *path;
	FILE *file;
	char line[line_max];
};

static struct database users = {.path = "/etc/passwd"};
static struct database groups = {.path = "/etc/group"};

static void rewind_database(struct database *db)
{
	if (db->file)
		fclose(db->file);
	db->file = NULL;
}

// split cuts a line into exactly n fields at its colons, or returns 0.
static int split(char *line, char *fields[], int n)
{
	line[strcspn(line, "\n")] = 0;
	for (int i = 0; i < n; i++) {
		fields[i] = line;
		line = strchr(line, ':');
		if (line == NULL)
			return i == n - 1;
		*line++ = 0;
	}
	return 0;
}

// next_fields reads the next well-formed line into fields, skipping others, or returns 0 at the end.
static int next_fields(struct database *db, char *fields[], int n)
{
	if (db->file == NULL)
		db->file = fopen(db->path, "r");
	if (db->file == NULL)
		return 0;
	while (fgets(db->line, sizeof db->line, db->file))
		if (db->line[0] != '#' && split(db->line, fields, n))
			return 1;
	return 0;
}

static int next_user(struct passwd *out)
{
	char *f[7];

	if (!next_fields(&users, f, 7))
		return 0;
	*out = (struct passwd){f[0], f[1], strtoul(f[2], NULL, 10), strtoul(f[3], NULL, 10), f[4], f[5], f[6]};
	return 1;
}

static int next_group(struct group *out, char *members[members_max])
{
	char *f[4];
	int n = 0;

	if (!next_fields(&groups, f, 4))
		return 0;
	for (char *name = strtok(f[3], ","); name && n < members_max - 1; name = strtok(NULL, ","))
		members[n++] = name;
	members[n] = NULL;
	*out = (struct group){f[0], f[1], strtoul(f[2], NULL, 10), members};
	return 1;
}

static struct passwd *find_user(const char *name, uid_t uid)
{
	static struct passwd found;
	struct passwd *result = NULL;

	rewind_database(&users);
	while (result == NULL && next_user(&found))
		if (name ? strcmp(name, found.pw_name) == 0 : found.pw_uid == uid)
			result = &found;
	rewind_database(&users);
	return result;
}

static struct group *find_group(const char *name, gid_t gid)
{
	static struct group found;
	static char *members[members_max];
	struct group *result = NULL;

	rewind_database(&groups);
	while (result == NULL && next_group(&found, members))
		if (name ? strcmp(name, found.gr_name) == 0 : found.gr_gid == gid)
			result = &found;
	rewind_database(&groups);
	return result;
}

// take copies a string into what is left of a caller's buffer, or returns NULL when that is too small.
static char *take(const char *text, char **buf, size_t *len)
{
	size_t need = strlen(text) + 1;
	char *copy = *buf;

	if (need > *len)
		return NULL;
	memcpy(copy, text, need);
	*buf += need;
	*len -= need;
	return copy;
}

static int copy_user(const struct passwd *from, struct passwd *to, char *buf, size_t len, struct passwd **result)
{
	*result = NULL;
	if (from == NULL)
		return 0;
	*to = *from;
	if (!(to->pw_name = take(from->pw_name, &buf, &len)) || !(to->pw_passwd = take(from->pw_passwd, &buf, &len)) ||
	    !(to->pw_gecos = take(from->pw_gecos, &buf, &len)) || !(to->pw_dir = take(from->pw_dir, &buf, &len)) ||
	    !(to->pw_shell = take(from->pw_shell, &buf, &len)))
		return ERANGE;
	*result = to;
	return 0;
}

static int copy_group(const struct group *from, struct group *to, char *buf, size_t len, struct group **result)
{
	size_t n = 0, padding = -(uintptr_t)buf % sizeof(char *);

	*result = NULL;
	if (from == NULL)
		return 0;
	while (from->gr_mem[n])
		n++;
	if (len < padding + (n + 1) * sizeof(char *))
		return ERANGE;
	*to = *from;
	to->gr_mem = (char **)(buf + padding);
	buf += padding + (n + 1) * sizeof(char *);
	len -= padding + (n + 1) * sizeof(char *);
	to->gr_mem[n] = NULL;
	for (size_t i = 0; i < n; i++)
		if (!(to->gr_mem[i] = take(from->gr_mem[i], &buf, &len)))
			return ERANGE;
	if (!(to->gr_name = take(from->gr_name, &buf, &len)) || !(to->gr_passwd = take(from->gr_passwd, &buf, &len)))
		return ERANGE;
	*result = to;
	return 0;
}

void setpwent(void)
{
	rewind_database(&users);
}

void endpwent(void)
{
	rewind_database(&users);
}

struct passwd *getpwent(void)
{
	static struct passwd entry;

	return next_user(&entry) ? &entry : NULL;
}

struct passwd *getpwuid(uid_t uid)
{
	return find_user(NULL, uid);
}

struct passwd *getpwnam(const char *name)
{
	return find_user(name, 0);
}

int getpwuid_r(uid_t uid, struct passwd *to, char *buf, size_t len, struct passwd **result)
{
	return copy_user(find_user(NULL, uid), to, buf, len, result);
}

int getpwnam_r(const char *name, struct passwd *to, char *buf, size_t len, struct passwd **result)
{
	return copy_user(find_user(name, 0), to, buf, len, result);
}

void setgrent(void)
{
	rewind_database(&groups);
}

void endgrent(void)
{
	rewind_database(&groups);
}

struct group *getgrent(void)
{
	static struct group entry;
	static char *members[members_max];

	return next_group(&entry, members) ? &entry : NULL;
}

struct group *getgrgid(gid_t gid)
{
	return find_group(NULL, gid);
}

struct group *getgrnam(const char *name)
{
	return find_group(name, 0);
}

int getgrgid_r(gid_t gid, struct group *to, char *buf, size_t len, struct group **result)
{
	return copy_group(find_group(NULL, gid), to, buf, len, result);
}

int getgrnam_r(const char *name, struct group *to, char *buf, size_t len, struct group **result)
{
	return copy_group(find_group(name, 0), to, buf, len, result);
}

char *getlogin(void)
{
	struct passwd *user = find_user(NULL, getuid());

	if (user == NULL)
		errno = ENXIO;
	return user ? user->pw_name : NULL;
}

// A box has no network of its own; the name that every /etc/hosts knows will do.
int gethostname(char *name, size_t len)
{
	const char *host = getenv("HOSTNAME");
	size_t need;

	host = host && *host ? host : "localhost";
	need = strlen(host) + 1;
	if (need > len) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(name, host, need);
	return 0;
}
