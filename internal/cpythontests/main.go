// Command cpythontests runs CPython's own tests inside a box and holds the outcome against docs/cpython-tests.md: a test
// that fails must be listed there with a reason, one that is listed must fail.
//
//	go run ./internal/cpythontests [-update] BOXER DOCUMENT TESTS [MODULE...]
//
// TESTS is the folder that testsuite.sh laid the tests out in. With -update the document's table of modules is renewed;
// reasons are written by hand.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// modules are the tests of what the base offers.
var modules = strings.Fields(`
	test_abc test_argparse test_array test_ast test_asyncgen test_atexit test_base64 test_binascii test_bisect test_bool
	test_builtin test_bytes test_bz2 test_calendar test_class test_cmath test_codecs test_collections test_compile
	test_complex test_configparser test_contextlib test_copy test_coroutines test_csv test_dataclasses test_datetime
	test_decimal test_decorators test_deque test_dict test_difflib test_email test_enum test_exceptions test_fileinput
	test_fileio test_float test_fnmatch test_format test_fractions test_fstring test_functools test_generators
	test_genericalias test_glob test_grp test_gzip test_hash test_hashlib test_heapq test_hmac test_html test_importlib
	test_inspect test_int test_io test_ipaddress test_isinstance test_itertools test_json test_keyword test_linecache
	test_list test_locale test_logging test_long test_lzma test_marshal test_math test_memoryview test_mimetypes test_mmap
	test_operator test_optparse test_ordered_dict test_os test_pathlib test_patma test_pickle test_pkgutil test_posix
	test_posixpath test_pprint test_property test_pwd test_queue test_quopri test_random test_range test_re test_sched
	test_secrets test_set test_shelve test_shlex test_shutil test_signal test_slice test_sort test_sqlite3 test_stat
	test_statistics test_str test_string test_struct test_sys test_sysconfig test_tarfile test_tempfile test_textwrap
	test_time test_tokenize test_tomllib test_traceback test_tuple test_types test_typing test_unicode_file
	test_unicodedata test_unittest test_urlparse test_userdict test_uuid test_warnings test_weakref test_xml_etree
	test_xml_etree_c test_zipfile test_zlib test_zoneinfo`)

func main() {
	update := flag.Bool("update", false, "renew the document's table of modules")
	flag.Parse()
	if flag.NArg() < 3 {
		fmt.Fprintln(os.Stderr, "usage: cpythontests [-update] BOXER DOCUMENT TESTS [MODULE...]")
		os.Exit(2)
	}
	if err := run(*update, flag.Arg(0), flag.Arg(1), flag.Arg(2), flag.Args()[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(update bool, boxer, document, tests string, only []string) error {
	known, err := readDocument(document)
	if err != nil {
		return err
	}
	chosen := modules
	if len(only) > 0 {
		chosen = only
	}
	outcomes := runAll(boxer, tests, chosen)
	var problems []error
	for _, o := range outcomes {
		problems = append(problems, o.check(known))
	}
	problems = append(problems, unknownModules(known, chosen, len(only) == 0))
	if update && len(only) == 0 {
		problems = append(problems, updateDocument(document, outcomes))
	}
	return errors.Join(problems...)
}

// runAll runs each module in a box of its own, two at a time.
func runAll(boxer, tests string, names []string) []outcome {
	outcomes := make([]outcome, len(names))
	var group sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			started := time.Now()
			outcomes[i] = runModule(boxer, tests, name)
			fmt.Fprintf(os.Stderr, "%-20s %s  %.1fs\n", name, outcomes[i], time.Since(started).Seconds())
		})
	}
	group.Wait()
	return outcomes
}

// runModule runs a module of tests by CPython's own driver, test.regrtest.
func runModule(boxer, tests, name string) outcome {
	folder, err := filepath.Abs(filepath.Join(tests, "test"))
	if err != nil {
		return outcome{module: name, broken: err.Error()}
	}
	command := exec.Command(boxer, "run", "-v", folder+":/usr/local/lib/python3.13/test:ro", "-w", "/tmp",
		"python:3.13", "python", "-m", "test", "-v", "-u", "all,-network,-urlfetch,-largefile,-gui,-audio,-walltime", name)
	log, err := command.CombinedOutput()
	if err := os.WriteFile(filepath.Join(tests, name+".log"), log, 0o666); err != nil {
		return outcome{module: name, broken: err.Error()}
	}
	o := parseLog(name, string(log))
	var exit *exec.ExitError
	if o.broken == "" && len(o.failed) == 0 && err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 0) {
		o.broken = err.Error()
	}
	return o
}

// unknownModules reports reasons that belong to no module that was run.
func unknownModules(known map[string]string, chosen []string, all bool) error {
	var problems []error
	for test := range known {
		if module := moduleOf(test); all && !slices.Contains(chosen, module) {
			problems = append(problems, fmt.Errorf("%s: the document gives a reason, and the module is not among those that are run", test))
		}
	}
	return errors.Join(problems...)
}
