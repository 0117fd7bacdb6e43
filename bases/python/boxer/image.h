// The parts that a memory image is made of and continued by (image.c).
#ifndef BOXER_IMAGE_H
#define BOXER_IMAGE_H

#include "interpreter.h"

#include <stddef.h>

// image.c

// set_objects_aside takes all objects out of the collector's sight, so that it does not write to them and they do not count
// as the program's: all but __main__, which goes with the program's objects.
void set_objects_aside(void);

// commandline.c: what a run is asked to execute, recognised without Python's own reading of its configuration.

enum target { target_input, target_command, target_module, target_file };

// A plain command line is an own program name followed by nothing, "-", -c CODE, -m MODULE or a file, and arguments.
struct command_line {
	enum target target;
	const char *text;   // the code, the module's name or the file's
	int first;          // number of the argument in whose place sys.argv[0] stands
	const char *python; // path of the program
	int is_script;      // a file that is known not to be an archive
};

// plain_command_line tells whether args is one.
int plain_command_line(struct arguments args, struct command_line *line);

// adopt_command_line gives it to the running interpreter.
PyStatus adopt_command_line(struct arguments args, const struct command_line *line);

// environment.c

// hold_environment_back lets only those variables be seen that act on the interpreter. It tells whether Python's own are
// among them.
int hold_environment_back(void);

// capture_environment lets all be seen and remembers which have acted.
int capture_environment(void);

// forget_environment empties os.environ.
void forget_environment(void);

// same_environment tells whether the run's would have acted the same way, but for what can be followed.
int same_environment(void);

// was_captured tells whether a variable has acted on the captured interpreter, with whatever value.
int was_captured(const char *name);

// renew_environment fills os.environ, and follows the locale and the time zone.
int renew_environment(void);

// variables.c

// can_follow tells whether what a variable ("NAME=value") does to Python's start can be done afterwards.
int can_follow(const char *entry);

// follow_variables does that. It tells whether the standard streams depend on it.
PyStatus follow_variables(int *streams);

// directory.c

// each_entry calls see with the name and the preview 1 type of each entry of a directory, until see returns something
// else than 0; that is the result. A directory that cannot be read has no entries.
int each_entry(const char *path, int (*see)(void *, const char *, size_t, int), void *context);

// warm.c

// import_warm_modules imports the modules that runs will want.
int import_warm_modules(void);

// capture_application runs a statement as python3 -c does; what it imported stays.
int capture_application(const char *statement);

// forget_capture makes modules forget what they know of the capturing process. It is an error if that cannot be.
int forget_capture(void);

// forget_random makes a generator draw new entropy if it was seeded by entropy.
void forget_random(PyObject *generator);

// renew_modules gives them what they would have found out when the run imported them.
int renew_modules(void);

// shadow.c

// capture_module remembers that import finds a module in a folder, or (NULL) that it finds none or the library's.
int capture_module(const char *name, const char *folder);

// capture_script_folder remembers the working directory as one that modules have been found in because it was a script's.
int capture_script_folder(void);

// hidden_by names a captured module that is found elsewhere when this folder is searched first; NULL: none.
const char *hidden_by(const char *folder);

// finds_captured_modules tells whether a run would find the modules where the capture found them.
int finds_captured_modules(struct command_line *line);

// site.c

// capture_site remembers what changes start-up in site-packages.
void capture_site(void);

// same_site tells whether the run's site-packages start Python the same way, or with no more than can be made up for.
int same_site(void);

// renew_site makes up for it.
int renew_site(void);

// streams.c

// capture_streams flushes the standard streams and remembers what they were opened on.
int capture_streams(void);

// renew_streams keeps them if the run's are alike and they need not be opened anew.
PyStatus renew_streams(int anew);

// settle.c

// align_memory lets malloc go on at a round address, however much the C library has taken for the environment: what is
// allocated from then on lies at the same place in all images.
void align_memory(void);

// settle_memory makes the run's first allocations dense and what is free zero, so that a run touches and an image holds
// as few pages as possible.
void settle_memory(void);

// finish.c

// capture_end remembers what ends a run, so that it can be told when nothing was added. After warm modules, before an
// application's.
int capture_end(void);

// capture_end_of_application looks for what of the application's must be ended with each run.
void capture_end_of_application(void);

#endif
