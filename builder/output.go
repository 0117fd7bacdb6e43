package builder

import (
	"bytes"
	"strings"
	"sync"
)

// output hands on what a command writes, and keeps the end of it.
type output struct {
	build *build
	step  *Step
	tail  *tail
	lock  sync.Mutex
}

func (o *output) Write(p []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.tail.write(p)
	o.build.opts.Progress.Output(o.step, p)
	return len(p), nil
}

const (
	tailBytes = 8 << 10
	tailLines = 20
)

// tail keeps the last lines of what is written to it.
type tail struct {
	kept []byte
}

func (t *tail) write(p []byte) {
	if len(p) > tailBytes {
		p = p[len(p)-tailBytes:]
	}
	t.kept = append(t.kept, p...)
	if n := len(t.kept); n > 2*tailBytes {
		t.kept = append(t.kept[:0], t.kept[n-tailBytes:]...)
	}
}

// String returns the last lines without what could steer a terminal.
func (t *tail) String() string {
	lines := strings.Split(string(bytes.TrimRight(t.kept, "\n")), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	for i, line := range lines {
		lines[i] = printable(strings.TrimRight(line, "\r"))
	}
	return strings.Join(lines, "\n")
}
