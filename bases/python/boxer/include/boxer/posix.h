// Declares what POSIX has and wasi-libc's headers leave out, for every file that the base compiles (cc force-includes
// it). The definitions are in files.c, process.c, passwd.c and zone.c. Types are spelled out because no system header may be
// read before a file has set its feature macros; they equal uid_t, gid_t, mode_t (unsigned int) and pid_t (int).
#ifndef BOXER_POSIX_H
#define BOXER_POSIX_H

#ifndef __ASSEMBLER__

// fcntl(2), flock(2)
#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030
#define F_GETLK 12
#define F_SETLK 13
#define F_SETLKW 14
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

// ioctl_tty(2)
#define TIOCGWINSZ 0x5413
struct winsize {
	unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel;
};

#ifdef __cplusplus
extern "C" {
#endif

unsigned umask(unsigned);
int chown(const char *, unsigned, unsigned);
int fchown(int, unsigned, unsigned);
int lchown(const char *, unsigned, unsigned);
int fchownat(int, const char *, unsigned, unsigned, int);

int dup(int);
int dup2(int, int);
int dup3(int, int, int);
int pipe(int[2]);
int pipe2(int[2], int);
int flock(int, int);

int getppid(void);
int getpgrp(void);
int getpgid(int);
unsigned getuid(void);
unsigned geteuid(void);
unsigned getgid(void);
unsigned getegid(void);
int getgroups(int, unsigned *);

int kill(int, int);
int killpg(int, int);

int gethostname(char *, __SIZE_TYPE__);
char *getlogin(void);

// zone.c
void tzset(void);
extern char *tzname[2];
extern long timezone;
extern int daylight;

#ifdef __cplusplus
}
#endif

#endif
#endif
