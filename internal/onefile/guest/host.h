// The functions of preview 1 that the library needs of the runtime.
#ifndef GUEST_HOST_H
#define GUEST_HOST_H

#include "guest.h"

HOST(args_get)(u32 *pointers, char *text);
HOST(args_sizes_get)(u32 *count, u32 *size);
HOST(environ_get)(u32 *pointers, char *text);
HOST(environ_sizes_get)(u32 *count, u32 *size);
HOST(clock_res_get)(u32 clock, u64 *out);
HOST(clock_time_get)(u32 clock, u64 precision, u64 *out);
HOST(random_get)(void *to, u32 length);
HOST(sched_yield)(void);
HOST(poll_oneoff)(const void *in, void *out, u32 count, u32 *events);
__attribute__((import_module(PREVIEW1), import_name("proc_exit"), noreturn)) void host_proc_exit(u32 status);

HOST(fd_advise)(u32 fd, u64 offset, u64 length, u32 advice);
HOST(fd_allocate)(u32 fd, u64 offset, u64 length);
HOST(fd_close)(u32 fd);
HOST(fd_datasync)(u32 fd);
HOST(fd_fdstat_get)(u32 fd, void *out);
HOST(fd_fdstat_set_flags)(u32 fd, u32 flags);
HOST(fd_fdstat_set_rights)(u32 fd, u64 base, u64 inheriting);
HOST(fd_filestat_get)(u32 fd, void *out);
HOST(fd_filestat_set_size)(u32 fd, u64 size);
HOST(fd_filestat_set_times)(u32 fd, u64 atim, u64 mtim, u32 flags);
HOST(fd_pread)(u32 fd, const void *iovs, u32 count, u64 offset, u32 *done);
HOST(fd_prestat_dir_name)(u32 fd, char *path, u32 length);
HOST(fd_prestat_get)(u32 fd, void *out);
HOST(fd_pwrite)(u32 fd, const void *iovs, u32 count, u64 offset, u32 *done);
HOST(fd_read)(u32 fd, const void *iovs, u32 count, u32 *done);
HOST(fd_readdir)(u32 fd, void *to, u32 length, u64 cookie, u32 *used);
HOST(fd_seek)(u32 fd, u64 offset, u32 whence, u64 *out);
HOST(fd_sync)(u32 fd);
HOST(fd_tell)(u32 fd, u64 *out);
HOST(fd_write)(u32 fd, const void *iovs, u32 count, u32 *done);
HOST(path_create_directory)(u32 fd, const char *path, u32 length);
HOST(path_filestat_get)(u32 fd, u32 flags, const char *path, u32 length, void *out);
HOST(path_filestat_set_times)(u32 fd, u32 flags, const char *path, u32 length, u64 atim, u64 mtim, u32 fst);
HOST(path_link)(u32 fd, u32 flags, const char *path, u32 length, u32 to, const char *name, u32 name_length);
HOST(path_open)(u32 fd, u32 flags, const char *path, u32 length, u32 oflags, u64 base, u64 inheriting, u32 fdflags, u32 *out);
HOST(path_readlink)(u32 fd, const char *path, u32 length, char *to, u32 size, u32 *used);
HOST(path_remove_directory)(u32 fd, const char *path, u32 length);
HOST(path_rename)(u32 fd, const char *path, u32 length, u32 to, const char *name, u32 name_length);
HOST(path_symlink)(const char *target, u32 target_length, u32 fd, const char *path, u32 length);
HOST(path_unlink_file)(u32 fd, const char *path, u32 length);
HOST(sock_accept)(u32 fd, u32 flags, u32 *out);
HOST(sock_recv)(u32 fd, const void *iovs, u32 count, u32 flags, u32 *done, u32 *out_flags);
HOST(sock_send)(u32 fd, const void *iovs, u32 count, u32 flags, u32 *done);
HOST(sock_shutdown)(u32 fd, u32 how);

#endif
