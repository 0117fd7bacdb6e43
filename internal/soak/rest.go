package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// served is a server that runs.
type served struct {
	process *exec.Cmd
	url     string
	ended   chan error
}

// serve starts a server of small limits, which a load reaches soon.
func serve(ctx context.Context, boxer string) (*served, error) {
	s := &served{ended: make(chan error, 1)}
	s.process = exec.CommandContext(ctx, boxer, "serve", "--addr", "127.0.0.1:0", "--log", "json", "--pprof",
		"--memory", "64M", "--timeout", "5s", "--max-body", "1M", "--sessions", "40", "--session-memory", "128M", "--session-idle", "30s")
	stderr, err := s.process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stderr)
	for s.url == "" && lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			s.url = line.Address
		}
	}
	go func() {
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"level":"ERROR"`) {
				fmt.Fprintln(os.Stderr, lines.Text())
			}
		}
		s.ended <- s.process.Wait()
	}()
	if s.url == "" {
		return nil, errors.Join(errors.New("the server does not listen"), <-s.ended)
	}
	return s, nil
}

// end has the server drain.
func (s *served) end() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := <-s.ended; err != nil {
		return fmt.Errorf("the server's end: %w", err)
	}
	return nil
}

// get reads something of the server's.
func (s *served) get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return string(text), err
}

// rest is what a server has when nobody asks anything of it.
type rest struct {
	goroutines, files int
	memory            int64 // of its own, in bytes
	workers           int
	workerFiles       int
	workerMemory      int64
}

const (
	restless  = 2 * time.Minute // after which a server will not come to rest
	settling  = time.Second     // that it is left alone then, for what it does in the background
	lookAgain = 100 * time.Millisecond
)

// rest waits until nothing goes on, and looks at what is left.
func (s *served) rest(ctx context.Context) (r rest, err error) {
	for end := time.Now().Add(restless); ; time.Sleep(lookAgain) {
		text, err := s.get(ctx, "/metrics")
		if err != nil {
			return r, err
		}
		if quiet(text) {
			break
		}
		if time.Now().After(end) {
			return r, errors.New("the server does not come to rest: runs or sessions are left")
		}
	}
	time.Sleep(settling)
	if _, err := s.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
		return r, err
	}
	text, err := s.get(ctx, "/debug/pprof/goroutine?debug=1")
	if err != nil {
		return r, err
	}
	if _, err := fmt.Sscanf(text, "goroutine profile: total %d", &r.goroutines); err != nil {
		return r, fmt.Errorf("reading the goroutines: %w", err)
	}
	pid := strconv.Itoa(s.process.Process.Pid)
	if r.memory, r.files, err = usage(pid); err != nil {
		return r, err
	}
	children, err := childrenOf(pid)
	if err != nil {
		return r, err
	}
	for _, child := range children {
		memory, files, err := usage(child)
		if err != nil {
			continue // it has just ended
		}
		r.workers++
		r.workerMemory += memory
		r.workerFiles += files
	}
	return r, nil
}

// quiet reports whether metrics say that nothing goes on.
func quiet(metrics string) bool {
	left := 3
	for line := range strings.Lines(metrics) {
		switch strings.TrimSpace(line) {
		case "boxer_running 0", "boxer_waiting 0", "boxer_sessions 0":
			left--
		}
	}
	return left == 0
}

// usage is the memory that a process has for itself, in bytes, and how many files it has open (proc_pid_status(5)).
func usage(pid string) (memory int64, files int, err error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "RssAnon:" {
			memory, err = strconv.ParseInt(words[1], 10, 64)
		}
	}
	open, failed := os.ReadDir("/proc/" + pid + "/fd")
	return memory << 10, len(open), errors.Join(err, failed)
}

// childrenOf lists the processes that a process has started, those that nobody has waited for included.
func childrenOf(pid string) (children []string, err error) {
	threads, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil {
		return nil, err
	}
	for _, thread := range threads {
		list, err := os.ReadFile("/proc/" + pid + "/task/" + thread.Name() + "/children")
		if err != nil {
			continue // the thread has ended
		}
		children = append(children, strings.Fields(string(list))...)
	}
	return children, nil
}

// What a rest may have more than another: connections that are about to be closed, workers that stand by.
const (
	moreGoroutines = 12
	moreFiles      = 12
	moreWorkers    = 4
	moreMemory     = 16 << 20 // and an eighth
)

// verdict compares the last rests with the first ones, but for the very first: by then not everything has been used once.
func verdict(rests []rest) error {
	third := len(rests) / 3
	before, after := rests[1], rests[len(rests)-1]
	for _, r := range rests[1 : 1+third] { // the most that there was
		before.goroutines, before.files = max(before.goroutines, r.goroutines), max(before.files, r.files)
		before.memory, before.workerMemory = max(before.memory, r.memory), max(before.workerMemory, r.workerMemory)
		before.workers, before.workerFiles = max(before.workers, r.workers), max(before.workerFiles, r.workerFiles)
	}
	for _, r := range rests[len(rests)-third:] { // the least: what leaks never comes back
		after.goroutines, after.files = min(after.goroutines, r.goroutines), min(after.files, r.files)
		after.memory, after.workerMemory = min(after.memory, r.memory), min(after.workerMemory, r.workerMemory)
		after.workers, after.workerFiles = min(after.workers, r.workers), min(after.workerFiles, r.workerFiles)
	}
	var err error
	for _, of := range []struct {
		what          string
		before, after int64
		most          int64
	}{
		{"goroutines", int64(before.goroutines), int64(after.goroutines), int64(before.goroutines) + moreGoroutines},
		{"open files of the server", int64(before.files), int64(after.files), int64(before.files) + moreFiles},
		{"bytes of the server", before.memory, after.memory, before.memory*9/8 + moreMemory},
		{"workers", int64(before.workers), int64(after.workers), int64(before.workers) + moreWorkers},
		{"open files of workers", int64(before.workerFiles), int64(after.workerFiles), int64(before.workerFiles) + moreWorkers*moreFiles},
		{"bytes of workers", before.workerMemory, after.workerMemory, before.workerMemory*9/8 + moreMemory},
	} {
		if of.after > of.most {
			err = errors.Join(err, fmt.Errorf("%s grow: at most %d in the first third, at least %d in the last", of.what, of.before, of.after))
		}
	}
	return err
}
