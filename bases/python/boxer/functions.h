#ifndef BOXER_FUNCTIONS_H
#define BOXER_FUNCTIONS_H

#include <Python.h>

// add_own_module makes _boxer one of the interpreter's own modules. It must not be initialised yet.
int add_own_module(void);

#endif
