package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// ServeReport holds the figures of a server. Each is a median over rounds, which go: as many runs as there can be, then half of
// that rate, whatever the answers take.
type ServeReport struct {
	RunsPerSecond *Figure // answered, in the closed loop
	Offered       *Figure // asked for in a second at half load
	Half          *Figure // answered in a second at half load
	P50, P99      *Figure // from when a run was to be asked for to the end of its answer, at half load, in microseconds
	LoadBefore    *Figure // the system's load average as the measurement began; nil where there is none
	Missing       map[string]string
}

func (r *ServeReport) lines() []line {
	return []line{
		{"runs_per_second", "isolated hellos over HTTP", "/s", r.RunsPerSecond, 1, "≥ 3000"},
		{"offered_per_second", "half load, asked for", "/s", r.Offered, 1, ""},
		{"half_load_per_second", "  answered", "/s", r.Half, 1, ""},
		{"p50_us", "  half of them within", "ms", r.P50, 1e-3, "≤ 1"},
		{"p99_us", "  99 of 100 within", "ms", r.P99, 1e-3, "≤ 10"},
		{"load_before", "load average before", "", r.LoadBefore, 1, ""},
	}
}

// MarshalJSON gives each figure's median under its name, spreads and what is missing as StartReport does.
func (r *ServeReport) MarshalJSON() ([]byte, error) { return marshalLines(r.lines(), r.Missing) }

// Write prints the report as a table.
func (r *ServeReport) Write(w io.Writer) error { return writeLines(w, r.lines(), r.Missing) }

const (
	serveRounds = 5
	serveTime   = 3 * time.Second // of each loop of a round
	serveWarm   = 500             // runs before the first round
)

// Run takes all figures.
func (s Serve) Run(ctx context.Context) (_ *ServeReport, err error) {
	r := &ServeReport{Missing: map[string]string{}, LoadBefore: loadAverage()}
	if r.LoadBefore == nil {
		r.Missing["load_before"] = "the system does not tell"
	}
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
	r.RunsPerSecond, r.Offered, r.Half, r.P50, r.P99 = figure(closed), figure(offered), figure(half), figure(p50), figure(p99)
	return r, nil
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
