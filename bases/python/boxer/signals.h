// Signals that come from outside while a program runs.
#ifndef BOXER_SIGNALS_H
#define BOXER_SIGNALS_H

// interrupted_by lets the interpreter raise an exception for a signal that nobody has a handler for. It tells whether it
// will. It is called where little may be done.
int interrupted_by(int number);

// prepare_interrupts makes what interrupted_by needs, once the interpreter is there. It returns a negative number and
// leaves an exception if that fails.
int prepare_interrupts(void);

// wake_poll lets the next poll or select return at once.
void wake_poll(void);

#endif
