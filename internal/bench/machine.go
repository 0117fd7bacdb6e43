package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"strings"
	"time"
)

// Machine describes where figures come from. What the system does not tell is "" or 0.
type Machine struct {
	Processor string  `json:"processor,omitempty"`
	Cores     int     `json:"cores"` // that this process may use
	Memory    int64   `json:"memory_bytes,omitempty"`
	System    string  `json:"system"`
	Virtual   bool    `json:"virtual"` // whether a hypervisor says that it is there
	Load      float64 `json:"load"`    // processes that wanted to run during the minute before the first measurement
}

// ThisMachine describes the machine it runs on.
func ThisMachine() Machine {
	m := Machine{Cores: goruntime.NumCPU(), System: goruntime.GOOS + "/" + goruntime.GOARCH}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += ", Linux " + strings.TrimSpace(string(release))
	}
	eachField("/proc/cpuinfo", func(key, value string) {
		switch key {
		case "model name":
			m.Processor = value
		case "flags":
			m.Virtual = strings.Contains(" "+value+" ", " hypervisor ")
		}
	})
	eachField("/proc/meminfo", func(key, value string) {
		if key == "MemTotal" {
			var kilobytes int64
			fmt.Sscan(value, &kilobytes)
			m.Memory = kilobytes << 10
		}
	})
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Sscan(string(load), &m.Load)
	}
	return m
}

// String is the machine in half a sentence.
func (m Machine) String() string {
	s := fmt.Sprintf("%d cores", m.Cores)
	if m.Processor != "" {
		s += " of " + m.Processor
	}
	if m.Memory != 0 {
		s += fmt.Sprintf(", %d GB of memory", (m.Memory+1<<29)>>30)
	}
	s += ", " + m.System
	if m.Virtual {
		s += ", a virtual machine"
	}
	return s
}

// eachField reads lines "key : value", as those of proc(5).
func eachField(name string, found func(key, value string)) {
	file, err := os.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok {
			found(strings.TrimSpace(key), strings.TrimSpace(value))
		}
	}
}

// Noise measures processes that do nothing: `true`, or what the system has of the kind. Its quartiles tell how far apart figures
// of processes are here for no reason. It is nil if there is no such program.
func Noise(ctx context.Context, quick bool) (*Figure, error) {
	nothing, err := exec.LookPath("true")
	if err != nil {
		return nil, nil
	}
	var took Sample
	for range rounds(200, quick) {
		start := time.Now()
		if err := exec.CommandContext(ctx, nothing).Run(); err != nil {
			return nil, fmt.Errorf("running %s: %w", nothing, err)
		}
		took = append(took, microseconds(time.Since(start)))
	}
	return figure(took), nil
}

// rounds is how many measurements to take of n: all, or a fifth.
func rounds(n int, quick bool) int {
	if quick {
		return max(n/5, 3)
	}
	return n
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func figure(s Sample) *Figure {
	f := s.Figure()
	return &f
}
