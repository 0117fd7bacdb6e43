// A process of its own: descriptors that can be copied, pipes, who am I, signals to oneself.
#include "host.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int __real_fcntl(int fd, int command, ...);
int __real_ioctl(int fd, int request, ...);

static int duplicate(int fd, int min)
{
	int copy;

	return boxer_result(boxer_fd_dup(fd, min, &copy)) == 0 ? copy : -1;
}

int dup(int fd)
{
	return duplicate(fd, 0);
}

int dup2(int fd, int to)
{
	return boxer_result(boxer_fd_dup2(fd, to)) == 0 ? to : -1;
}

int dup3(int fd, int to, int flags)
{
	return fd == to ? boxer_result(EINVAL) : dup2(fd, to);
}

int pipe2(int fds[2], int flags)
{
	uint32_t ends[2];

	if (flags & ~(O_NONBLOCK | O_CLOEXEC))
		return boxer_result(EINVAL);
	if (boxer_result(boxer_pipe(ends)) != 0)
		return -1;
	fds[0] = ends[0];
	fds[1] = ends[1];
	if (flags & O_NONBLOCK) {
		__real_fcntl(fds[0], F_SETFL, O_NONBLOCK);
		__real_fcntl(fds[1], F_SETFL, O_NONBLOCK);
	}
	return 0;
}

int pipe(int fds[2])
{
	return pipe2(fds, 0);
}

// Locks never conflict: they keep processes apart, and a box has one.
int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	int result;

	va_start(args, command);
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		result = duplicate(fd, va_arg(args, int));
		break;
	case F_GETLK:
		va_arg(args, struct flock *)->l_type = F_UNLCK;
		result = __real_fcntl(fd, F_GETFL) < 0 ? -1 : 0;
		break;
	case F_SETLK:
	case F_SETLKW:
		result = __real_fcntl(fd, F_GETFL) < 0 ? -1 : 0;
		break;
	case F_SETFD:
	case F_SETFL:
		result = __real_fcntl(fd, command, va_arg(args, int));
		break;
	default:
		result = __real_fcntl(fd, command);
	}
	va_end(args);
	return result;
}

int flock(int fd, int operation)
{
	return __real_fcntl(fd, F_GETFL) < 0 ? -1 : 0;
}

int __wrap_ioctl(int fd, int request, ...)
{
	va_list args;
	void *argument;
	uint32_t size[2];

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	if (request != TIOCGWINSZ)
		return __real_ioctl(fd, request, argument);
	if (boxer_result(boxer_tty_size(fd, size)) != 0)
		return -1;
	*(struct winsize *)argument = (struct winsize){.ws_row = size[0], .ws_col = size[1]};
	return 0;
}

// A runtime that does not say is taken for a container's usual: process 1, run by root.
static struct boxer_ids ids(void)
{
	struct boxer_ids out;

	return boxer_ids_get(&out) == 0 ? out : (struct boxer_ids){.pid = 1};
}

pid_t getpid(void)
{
	return ids().pid;
}

pid_t getppid(void)
{
	return ids().ppid;
}

pid_t getpgrp(void)
{
	return ids().pid;
}

pid_t getpgid(pid_t pid)
{
	pid_t self = getpid();

	return pid == 0 || pid == self ? self : boxer_result(ESRCH);
}

uid_t getuid(void)
{
	return ids().uid;
}

uid_t geteuid(void)
{
	return ids().uid;
}

gid_t getgid(void)
{
	return ids().gid;
}

gid_t getegid(void)
{
	return ids().gid;
}

int getgroups(int size, gid_t list[])
{
	if (size < 0)
		return boxer_result(EINVAL);
	if (size > 0)
		list[0] = ids().gid;
	return 1;
}

// Signals: a box is one process, so delivery is a function call: by the program, or by the host (boxer_signal).
static void (*handlers[_NSIG])(int);

void __SIG_IGN(int signal)
{
}

void __SIG_ERR(int signal)
{
	abort();
}

static int valid(int number)
{
	return number > 0 && number < _NSIG;
}

static int ignored_by_default(int number)
{
	switch (number) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
	// There is no shell to stop for, nor one to continue it.
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return 1;
	}
	return 0;
}

void (*signal(int number, void (*handler)(int)))(int)
{
	void (*old)(int);

	if (!valid(number) || number == SIGKILL || number == SIGSTOP) {
		errno = EINVAL;
		return SIG_ERR;
	}
	old = handlers[number];
	handlers[number] = handler;
	return old;
}

// boxer_signal is called by the host in a system call, which may be one that the host has asked for (interrupt.c), or at the head
// of a loop of a program that counts. As with signals anywhere, little may be done there. It tells whether the signal has been
// taken; if not, its default action is left to the host.
__attribute__((export_name("boxer.signal"))) int boxer_signal(int number)
{
	if (!valid(number))
		return 0;
	if (handlers[number] != SIG_DFL) {
		handlers[number](number);
		return 1;
	}
	return interrupted_by(number) || ignored_by_default(number);
}

int raise(int number)
{
	if (!valid(number))
		return boxer_result(EINVAL);
	if (handlers[number] != SIG_DFL) {
		handlers[number](number);
		return 0;
	}
	if (ignored_by_default(number))
		return 0;
	boxer_proc_raise(number);
	_Exit(128 + number);
}

int kill(pid_t pid, int number)
{
	pid_t self = getpid();

	if (number != 0 && !valid(number))
		return boxer_result(EINVAL);
	if (pid != self && pid != -self && pid != 0 && pid != -1)
		return boxer_result(ESRCH);
	return number == 0 ? 0 : raise(number);
}

int killpg(pid_t group, int number)
{
	return group < 0 ? boxer_result(EINVAL) : kill(-group, number);
}
