// The host functions that give a box what WASI preview 1 lacks (import module "boxer").
//
// Conventions are preview 1's: results are its errno values, pointers lead into linear memory. A runtime without these
// functions may link stubs that answer ENOSYS; every caller then does what preview 1 alone allows.
#ifndef BOXER_HOST_H
#define BOXER_HOST_H

#include <stddef.h>
#include <stdint.h>
#include <wasi/api.h>

#define BOXER_HOST(name) __attribute__((import_module("boxer"), import_name(#name)))

// What stat(2) tells: preview 1's record and the four fields that it has no room for.
struct boxer_stat {
	__wasi_filestat_t file;
	uint32_t mode; // st_mode with its type bits
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
};
_Static_assert(sizeof(struct boxer_stat) == 80, "the host writes 80 bytes");

struct boxer_ids {
	uint32_t pid, ppid, uid, gid;
};

BOXER_HOST(cwd_get) int boxer_cwd_get(char *buf, size_t len, size_t *used);
BOXER_HOST(fd_stat) int boxer_fd_stat(int fd, struct boxer_stat *out);
BOXER_HOST(path_stat)
int boxer_path_stat(int fd, uint32_t lookup, const char *path, size_t len, struct boxer_stat *out);
BOXER_HOST(fd_chmod) int boxer_fd_chmod(int fd, uint32_t mode);
BOXER_HOST(path_chmod) int boxer_path_chmod(int fd, uint32_t lookup, const char *path, size_t len, uint32_t mode);
BOXER_HOST(fd_chown) int boxer_fd_chown(int fd, uint32_t uid, uint32_t gid);
BOXER_HOST(path_chown)
int boxer_path_chown(int fd, uint32_t lookup, const char *path, size_t len, uint32_t uid, uint32_t gid);
BOXER_HOST(create_mode) void boxer_create_mode(uint32_t mode);
BOXER_HOST(umask) uint32_t boxer_umask(uint32_t mask);
BOXER_HOST(ids_get) int boxer_ids_get(struct boxer_ids *out);
BOXER_HOST(fd_dup) int boxer_fd_dup(int fd, int min, int *out);
BOXER_HOST(fd_dup2) int boxer_fd_dup2(int fd, int to);
BOXER_HOST(pipe) int boxer_pipe(uint32_t out[2]);
BOXER_HOST(tty_size) int boxer_tty_size(int fd, uint32_t out[2]);

// What an embedding program lends (functions.c) and says (session.c); docs/embedding.md.
BOXER_HOST(call) int boxer_call(const char *name, size_t name_len, const char *args, size_t len, int *out);
BOXER_HOST(functions) int boxer_functions(char *buf, size_t len, size_t *used);
BOXER_HOST(source) int boxer_source(char *buf, size_t len);
BOXER_HOST(result) int boxer_result_part(int kind, const char *text, size_t len);

// Preview 1's own, which wasi-libc no longer declares: ends the run as the signal's default action does.
__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise")))
int boxer_proc_raise(int signal);

// boxer_result turns a host function's answer into POSIX's 0, or -1 with errno set. wasi-libc's errno values are
// preview 1's.
int boxer_result(int host_errno);

#endif
