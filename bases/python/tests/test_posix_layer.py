"""What preview 1 lacks and the base brings: modes, owners, descriptors, signals, users."""

import errno
import fcntl
import grp
import os
import pwd
import select
import shutil
import signal
import stat
import tempfile
import time
import unittest


class InTempDir(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.path = os.path.join(self.dir, "file")

    def mode(self, path=None, **kwargs):
        return stat.S_IMODE(os.stat(path or self.path, **kwargs).st_mode)


class Modes(InTempDir):
    def test_open_mode_and_umask(self):
        old = os.umask(0o027)
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o777))
            self.assertEqual(self.mode(), 0o750)
            self.assertEqual(os.umask(0o022), 0o027)
        finally:
            os.umask(old)

    def test_mode_of_one_creation_does_not_reach_the_next(self):
        os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        other = os.path.join(self.dir, "other")
        with open(other, "w"):
            pass
        self.assertEqual(self.mode(), 0o600)
        self.assertEqual(self.mode(other), 0o644)

    def test_mode_of_a_failed_creation_does_not_reach_the_next(self):
        os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o644))
        with self.assertRaises(FileExistsError):
            os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        for function, flags in (os.open, [os.O_CREAT]), (os.mkdir, []):
            with self.assertRaises(FileNotFoundError):
                function("", *flags, 0o600)
        other = os.path.join(self.dir, "other")
        with open(other, "w"):
            pass
        self.assertEqual(self.mode(other), 0o644)

    def test_mkdir_mode(self):
        os.mkdir(self.path, 0o700)
        self.assertEqual(self.mode(), 0o700)
        os.mkdir(self.path + "2")
        self.assertEqual(self.mode(self.path + "2"), 0o755)

    def test_relative_to_a_descriptor(self):
        fd = os.open(self.dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.mkdir("sub", 0o711, dir_fd=fd)
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=fd))
            self.assertEqual(self.mode("sub", dir_fd=fd), 0o711)
            os.chmod("file", 0o604, dir_fd=fd)
            self.assertEqual(self.mode(), 0o604)
            os.chown("file", 5, 6, dir_fd=fd)
            self.assertEqual((os.stat(self.path).st_uid, os.stat(self.path).st_gid), (5, 6))
            self.assertEqual(sorted(os.listdir(fd)), ["file", "sub"])
        finally:
            os.close(fd)

    def test_chmod(self):
        with open(self.path, "w") as file:
            os.chmod(self.path, 0o4711)
            self.assertEqual(self.mode(), 0o4711)
            os.fchmod(file.fileno(), 0o600)
            self.assertEqual(stat.S_IMODE(os.fstat(file.fileno()).st_mode), 0o600)
        with self.assertRaises(FileNotFoundError):
            os.chmod(self.path + "missing", 0o600)

    def test_chmod_follows_links(self):
        with open(self.path, "w"):
            pass
        link = self.path + "link"
        os.symlink(self.path, link)
        os.chmod(link, 0o600)
        self.assertEqual(self.mode(), 0o600)
        self.assertTrue(stat.S_ISLNK(os.lstat(link).st_mode))

    def test_chown(self):
        with open(self.path, "w") as file:
            os.chown(self.path, 12, 34)
            os.fchown(file.fileno(), -1, 35)
            self.assertEqual((os.stat(self.path).st_uid, os.stat(self.path).st_gid), (12, 35))

    def test_access(self):
        with open(self.path, "w"):
            pass
        os.chmod(self.path, 0o600)
        self.assertTrue(os.access(self.path, os.R_OK | os.W_OK))
        self.assertFalse(os.access(self.path, os.X_OK))
        os.chmod(self.path, 0o700)
        self.assertTrue(os.access(self.path, os.X_OK))
        self.assertFalse(os.access(self.path + "missing", os.F_OK))

    def test_descriptors_have_a_type(self):
        r, w = os.pipe()
        try:
            self.assertTrue(stat.S_ISFIFO(os.fstat(r).st_mode))
        finally:
            os.close(r)
            os.close(w)
        self.assertTrue(stat.S_ISDIR(os.stat("/").st_mode))
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/null").st_mode))


class EmptyPath(InTempDir):
    """wasi-libc takes it for the working directory."""

    def test_names_nothing(self):
        with open(self.path, "w"):
            pass
        for call in (
            os.stat, os.lstat, os.listdir, os.scandir, os.mkdir, os.rmdir, os.unlink, os.readlink, os.chdir, os.utime,
            lambda p: os.open(p, os.O_RDONLY), lambda p: os.chmod(p, 0o600), lambda p: os.chown(p, 1, 1),
            lambda p: os.truncate(p, 0), lambda p: os.pathconf(p, "PC_NAME_MAX"), lambda p: os.symlink("x", p),
            lambda p: os.rename(p, self.path), lambda p: os.rename(self.path, p),
            lambda p: os.link(p, self.path), lambda p: os.link(self.path, p),
        ):
            with self.assertRaises(FileNotFoundError):
                call("")
        self.assertFalse(os.path.exists("") or os.path.isdir("") or os.access("", os.F_OK))


class WorkingDirectory(InTempDir):
    def setUp(self):
        super().setUp()
        self.addCleanup(os.chdir, os.getcwd())

    def test_dots_and_links_are_resolved(self):
        os.makedirs(os.path.join(self.dir, "a/b"))
        os.symlink("a/b", os.path.join(self.dir, "link"))
        os.chdir(self.dir)
        os.chdir("a/./b/..")
        self.assertEqual(os.getcwd(), os.path.realpath(self.dir) + "/a")
        os.chdir("../link")
        self.assertEqual(os.getcwd(), os.path.realpath(self.dir) + "/a/b")
        with open("here", "w"):
            pass
        self.assertTrue(os.path.exists(os.path.join(self.dir, "a/b/here")))

    def test_errors(self):
        with open(self.path, "w"):
            pass
        with self.assertRaises(NotADirectoryError):
            os.chdir(self.path)
        with self.assertRaises(FileNotFoundError):
            os.chdir(self.path + "missing")


class Descriptors(InTempDir):
    def test_dup_shares_the_offset(self):
        with open(self.path, "wb+", buffering=0) as file:
            copy = os.dup(file.fileno())
            try:
                file.write(b"abc")
                self.assertEqual(os.lseek(copy, 0, os.SEEK_CUR), 3)
                os.write(copy, b"def")
            finally:
                os.close(copy)
            file.seek(0)
            self.assertEqual(file.read(), b"abcdef")

    def test_dup2(self):
        r, w = os.pipe()
        with open(self.path, "wb+", buffering=0) as file:
            os.dup2(file.fileno(), w)
            os.write(w, b"x")
            self.assertEqual(os.path.getsize(self.path), 1)
        self.assertEqual(os.read(r, 1), b"")
        os.close(r)
        os.close(w)

    def test_redirected_stdout(self):
        saved = os.dup(1)
        with open(self.path, "w+") as file:
            os.dup2(file.fileno(), 1)
            os.write(1, b"captured")
            os.dup2(saved, 1)
            os.close(saved)
            file.seek(0)
            self.assertEqual(file.read(), "captured")

    def test_fcntl(self):
        with open(self.path, "w") as file:
            fd = fcntl.fcntl(file, fcntl.F_DUPFD, 40)
            self.assertGreaterEqual(fd, 40)
            os.close(fd)
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_UN)

    def test_bad_descriptor(self):
        for call in (os.dup, os.fstat, lambda fd: os.fchmod(fd, 0o600), lambda fd: os.dup2(fd, 1)):
            with self.assertRaises(OSError) as caught:
                call(9999)
            self.assertEqual(caught.exception.errno, errno.EBADF)

    def test_pipe(self):
        r, w = os.pipe()
        os.write(w, b"abc")
        self.assertEqual(os.read(r, 2), b"ab")
        poll = select.poll()
        poll.register(r, select.POLLIN)
        self.assertEqual([fd for fd, _ in poll.poll(0)], [r])
        os.close(w)
        self.assertEqual(os.read(r, 10), b"c")
        self.assertEqual(os.read(r, 10), b"")
        os.close(r)

    def test_pipe_without_reader(self):
        r, w = os.pipe()
        os.close(r)
        with self.assertRaises(BrokenPipeError):
            os.write(w, b"x")
        os.close(w)

    def test_nonblocking_pipe(self):
        r, w = os.pipe2(os.O_NONBLOCK)
        self.assertFalse(os.get_blocking(r))
        with self.assertRaises(BlockingIOError):
            os.read(r, 1)
        os.close(r)
        os.close(w)

    def test_limits(self):
        fd = os.open(self.dir, os.O_RDONLY)
        self.assertEqual(os.fpathconf(fd, "PC_NAME_MAX"), 255)
        os.close(fd)
        with self.assertRaises(OSError) as caught:
            os.fpathconf(fd, "PC_NAME_MAX")
        self.assertEqual(caught.exception.errno, errno.EBADF)
        self.assertEqual(os.pathconf(self.dir, "PC_NAME_MAX"), 255)

    def test_vectors(self):
        with open(self.path, "wb+", buffering=0) as file:
            self.assertEqual(os.writev(file.fileno(), [b"ab", b"cd"]), 4)
            first, second = bytearray(1), bytearray(3)
            self.assertEqual(os.preadv(file.fileno(), [first, second], 0), 4)
            self.assertEqual(first + second, b"abcd")

    def test_scandir_of_a_descriptor(self):
        os.mkdir(self.path)
        fd = os.open(self.dir, os.O_RDONLY)
        with os.scandir(fd) as entries:
            self.assertEqual([entry.name for entry in entries], ["file"])
        self.assertEqual([names for _, names, _, _ in os.fwalk(self.dir)], [["file"], []])
        os.close(fd)


class Signals(unittest.TestCase):
    def test_handler(self):
        seen = []
        old = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
        try:
            os.kill(os.getpid(), signal.SIGUSR1)
            signal.raise_signal(signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, old)
        self.assertEqual(seen, [signal.SIGUSR1] * 2)

    def test_ignored(self):
        for number in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT):
            os.kill(os.getpid(), number)
        old = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertIs(signal.signal(signal.SIGTERM, old), signal.SIG_IGN)

    def test_interrupt(self):
        with self.assertRaises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    def test_other_processes(self):
        os.kill(os.getpid(), 0)
        with self.assertRaises(ProcessLookupError):
            os.kill(os.getpid() + 1, 0)

    def test_what_cannot_be_caught(self):
        with self.assertRaises(OSError):
            signal.signal(signal.SIGKILL, signal.SIG_IGN)


class Identity(unittest.TestCase):
    def test_ids(self):
        self.assertGreater(os.getpid(), 0)
        self.assertEqual((os.getuid(), os.geteuid()), (0, 0))
        self.assertEqual((os.getgid(), os.getegid()), (0, 0))
        self.assertEqual(os.getgroups(), [0])

    def test_users(self):
        root = pwd.getpwuid(0)
        self.assertEqual((root.pw_name, root.pw_dir), ("root", "/root"))
        self.assertEqual(pwd.getpwnam("nobody").pw_uid, 65534)
        self.assertEqual([user.pw_name for user in pwd.getpwall()], ["root", "nobody"])
        with self.assertRaises(KeyError):
            pwd.getpwnam("nemo")
        self.assertEqual(os.getlogin(), "root")
        self.assertEqual(os.path.expanduser("~root"), "/root")

    def test_groups(self):
        self.assertEqual(grp.getgrgid(0).gr_name, "root")
        self.assertEqual(grp.getgrnam("nogroup").gr_gid, 65534)
        self.assertEqual(len(grp.getgrall()), 2)


class ProcessorTime(unittest.TestCase):
    def test_work_counts_and_sleep_does_not(self):
        start = time.process_time()
        time.sleep(0.5)
        slept = time.process_time() - start
        self.assertLess(slept, 0.5)
        while time.process_time() - start < slept + 0.01:
            pass


class LocalTime(unittest.TestCase):
    summer = 1751371200  # 2025-07-01 12:00 UTC

    def setUp(self):
        self.old = os.environ.get("TZ")
        self.addCleanup(self.use, self.old)

    def use(self, zone):
        os.environ.pop("TZ", None)
        if zone is not None:
            os.environ["TZ"] = zone
        time.tzset()

    def test_zone(self):
        self.use("Europe/Berlin")
        self.assertEqual(time.tzname, ("CET", "CEST"))
        self.assertEqual(time.strftime("%H %Z %z", time.localtime(self.summer)), "14 CEST +0200")
        self.assertEqual(time.mktime(time.localtime(self.summer)), self.summer)

    def test_rule(self):
        self.use("EST5EDT")
        self.assertEqual((time.timezone, time.altzone, time.daylight), (18000, 14400, 1))
        self.assertEqual(time.localtime(self.summer).tm_hour, 8)

    def test_unset_and_unknown(self):
        for zone in (None, "", "No/Where"):
            self.use(zone)
            self.assertEqual(time.localtime(self.summer).tm_hour, 12)


if __name__ == "__main__":
    unittest.main()
