// The processor time of a run, counted from _start (clock.c).
#ifndef BOXER_CLOCK_H
#define BOXER_CLOCK_H

// boxer_clock_start sets the run's processor time to zero.
void boxer_clock_start(void);

#endif
