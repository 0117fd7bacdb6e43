// An interpreter that executes source again and again (session.c).
#ifndef BOXER_SESSION_H
#define BOXER_SESSION_H

#include <stddef.h>

// prepare_session makes what open_session needs. It returns a negative number and leaves an exception if that fails.
int prepare_session(void);

// open_session begins a session in the running interpreter, likewise.
int open_session(void);

// execute_source executes so many bytes of source, which the host has. It tells whether the program has asked for its end.
int execute_source(size_t size);

// forget_after_fork makes generators that were seeded by entropy draw new entropy.
int forget_after_fork(void);

#endif
