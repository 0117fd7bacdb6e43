package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Serve says what `boxer bench serve` measures with: `boxer serve` as a process, with its defaults, and a load generator in this
// one, which asks it for isolated runs of hello by POST /v1/runs. Both share the machine.
type Serve struct {
	Boxer    string // the executable of boxer
	Clients  int    // that ask one run after another in the closed loop; 0: four for each core
	Quick    bool   // a fifth of the time
	Progress func(what string)
}

const (
	serveRounds = 5
	serveTime   = 3 * time.Second // of each loop of a round
	serveWarm   = 500             // runs before the first round
)

// Run takes all figures.
func (s Serve) Run(ctx context.Context) (_ *Section, err error) {
	load := loadAverage()
	address, stop, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	clients, took := s.Clients, serveTime
	if clients <= 0 {
		clients = 4 * goruntime.GOMAXPROCS(0)
	}
	if s.Quick {
		took /= 5
	}
	request := helloRequest(address)
	var warm atomic.Int64
	if err := closedLoop(ctx, address, request, clients, func() bool { return warm.Add(1) < serveWarm }); err != nil {
		return nil, err
	}
	var closed, offered, half, p50, p99 Sample
	for round := range serveRounds {
		s.tell(fmt.Sprintf("round %d of %d", round+1, serveRounds))
		rate, err := throughput(ctx, address, request, clients, took)
		if err != nil {
			return nil, err
		}
		latencies, answered, err := openLoop(ctx, address, request, rate/2, took)
		if err != nil {
			return nil, err
		}
		closed, offered, half = append(closed, rate), append(offered, rate/2), append(half, answered)
		p50, p99 = append(p50, latencies.quantile(0.5)), append(p99, latencies.quantile(0.99))
	}
	return serveSection(closed, offered, half, p50, p99, load), nil
}

// serveSection sums up rounds: what was answered in the closed loop, asked for and answered in a second at half load, and how long
// that took from when a run was to be asked for to the end of its answer, in microseconds; then the load average before, nil
// where there is none.
func serveSection(closed, offered, half, p50, p99 Sample, load *Figure) *Section {
	r := &Section{Name: "serve", Title: "Serving", How: []string{
		"`boxer serve` with its defaults is a process of its own; the load generator shares the machine with it.",
		"Rounds go: as many runs as there can be, then half of that rate at an even pace, whatever the answers take.",
	}}
	r.add(Line{Key: "runs_per_second", What: "isolated hellos over HTTP", Unit: "/s", Figure: figure(closed), Goal: "≥ 3000"})
	r.add(Line{Key: "offered_per_second", What: "half load, asked for", Unit: "/s", Figure: figure(offered)})
	r.add(Line{Key: "half_load_per_second", What: "  answered", Unit: "/s", Figure: figure(half)})
	r.add(Line{Key: "p50_us", What: "  half of them within", Unit: "ms", Figure: figure(p50), Scale: 1e-3, Goal: "≤ 1"})
	r.add(Line{Key: "p99_us", What: "  99 of 100 within", Unit: "ms", Figure: figure(p99), Scale: 1e-3, Goal: "≤ 10"})
	before := Line{Key: "load_before", What: "load average before", Figure: load}
	if load == nil {
		r.lacks(before, "the system does not tell")
		return r
	}
	r.add(before)
	return r
}

func (s Serve) tell(what string) {
	if s.Progress != nil {
		s.Progress(what)
	}
}

// start starts a server that logs to a file, as servers do.
func (s Serve) start(ctx context.Context) (address string, stop func() error, err error) {
	log, err := os.CreateTemp("", "boxer-bench-serve-*.log")
	if err != nil {
		return "", nil, err
	}
	clean := func() error { return errors.Join(log.Close(), os.Remove(log.Name())) }
	command := exec.CommandContext(ctx, s.Boxer, "serve", "--addr", "127.0.0.1:0", "--log", "json")
	command.Stderr = log
	if err := command.Start(); err != nil {
		return "", nil, errors.Join(err, clean())
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop = func() error {
		if command.Process.Signal(syscall.SIGTERM) != nil {
			_ = command.Process.Kill()
		}
		if err := <-ended; err != nil {
			return errors.Join(fmt.Errorf("boxer serve: %w\n%s", err, tail(log.Name())), clean())
		}
		return clean()
	}
	address, err = listening(ctx, log.Name(), ended)
	if err != nil {
		_ = command.Process.Kill()
		return "", nil, errors.Join(fmt.Errorf("starting boxer serve: %w\n%s", err, tail(log.Name())), clean())
	}
	return address, stop, nil
}

// listening waits until a log says where its server listens.
func listening(ctx context.Context, log string, ended <-chan error) (string, error) {
	for look := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case <-look.C:
		case err := <-ended:
			return "", errors.Join(errors.New("it ended"), err)
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
		text, err := os.ReadFile(log)
		if err != nil {
			return "", err
		}
		for said := range strings.Lines(string(text)) {
			var entry struct{ Msg, Address string }
			if json.Unmarshal([]byte(said), &entry) == nil && entry.Msg == "listening" {
				return strings.TrimPrefix(entry.Address, "http://"), nil
			}
		}
	}
}

func tail(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// loadAverage is that of the last minute (proc_loadavg(5)).
func loadAverage() *Figure {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return nil
	}
	return figure(Sample{load})
}
