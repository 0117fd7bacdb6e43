package coreutils

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"boxer.dev/vfs"
)

// unameFields are what a box says it is: the platform of its images.
var unameFields = []struct{ option, value string }{
	{"s", "wasip1"}, {"n", ""}, {"r", "1"}, {"v", "boxer"}, {"m", "wasm32"}, {"p", "unknown"}, {"i", "unknown"}, {"o", "WASI"},
}

func unameMain(c *call) int {
	opts, _, status, done := c.parse("a|all s|kernel-name n|nodename r|kernel-release v|kernel-version m|machine p|processor" +
		" i|hardware-platform o|operating-system")
	if done {
		return status
	}
	o := flags(opts)
	if len(o) == 0 {
		o["s"] = ""
	}
	var words []string
	for _, f := range unameFields {
		if f.option == "n" {
			f.value = c.hostname()
		}
		if set(o, f.option) || set(o, "a") && f.value != "unknown" {
			words = append(words, f.value)
		}
	}
	c.print(strings.Join(words, " ") + "\n")
	return 0
}

// hostname is the box's: $HOSTNAME or /etc/hostname, never the host's.
func (c *call) hostname() string {
	if name := c.getenv("HOSTNAME"); name != "" {
		return name
	}
	data, err := c.FS.ReadSmallFile("/etc/hostname", maxLookup)
	if name := strings.TrimSpace(string(data)); err == nil && name != "" {
		return name
	}
	return "box"
}

func hostnameMain(c *call) int {
	_, operands, status, done := c.parse("s|short f|fqdn i|ip-address I|all-ip-addresses d|domain")
	if done {
		return status
	}
	if len(operands) > 0 {
		c.errorf("you must be root to change the host name")
		return 1
	}
	c.print(c.hostname() + "\n")
	return 0
}

func archMain(c *call) int {
	c.print("wasm32\n")
	return 0
}

func nprocMain(c *call) int {
	if _, _, status, done := c.parse("all ignore:"); done {
		return status
	}
	c.print("1\n")
	return 0
}

func syncMain(c *call) int {
	_, _, status, _ := c.parse("d|data f|file-system")
	return status
}

func pwdMain(c *call) int {
	opts, _, status, done := c.parse("L|logical P|physical")
	if done {
		return status
	}
	dir := c.Dir
	if logical := len(opts) > 0 && opts[len(opts)-1].name == "L"; !logical {
		resolved, err := c.realpath(".", 0)
		if err != nil {
			c.errorf("%s", errText(err))
			return 1
		}
		dir = resolved
	}
	c.print(dir + "\n")
	return 0
}

func sleepMain(c *call) int {
	_, operands, status, done := c.parse("")
	if done {
		return status
	}
	if len(operands) == 0 {
		return c.missingOperand(nil)
	}
	total := 0.0
	for _, s := range operands {
		d, ok := parseInterval(s)
		if !ok {
			return c.usageError("invalid time interval %s", quote(s))
		}
		total += d
	}
	if !sleep(c.ctx, time.Duration(min(total, float64(1<<62)/1e9)*float64(time.Second))) {
		return 130
	}
	return 0
}

func parseInterval(s string) (seconds float64, ok bool) {
	unit := 1.0
	if s != "" {
		if i := strings.IndexByte("smhd", s[len(s)-1]); i >= 0 {
			unit = []float64{1, 60, 3600, 86400}[i]
			s = s[:len(s)-1]
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	return v * unit, err == nil && v >= 0
}

// sleep waits and reports whether it was not cut short by the end of ctx.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func timeoutMain(c *call) int {
	opts, operands, status, done := c.parse("+s|signal: k|kill-after: foreground preserve-status v|verbose")
	if done {
		return status
	}
	if len(operands) < 2 {
		return c.missingOperand(operands)
	}
	seconds, ok := parseInterval(operands[0])
	if !ok {
		return c.usageError("invalid time interval %s", quote(operands[0]))
	}
	if seconds == 0 {
		return c.command(operands[1:], c.stdin, nil)
	}
	outer := c.ctx
	ctx, cancel := context.WithTimeout(outer, time.Duration(seconds*float64(time.Second)))
	defer cancel()
	c.ctx = ctx
	status = c.command(operands[1:], c.stdin, nil)
	c.ctx = outer
	if ctx.Err() != nil && outer.Err() == nil {
		if set(flags(opts), "preserve-status") {
			return 128 + 15
		}
		return 124
	}
	return status
}

func yesMain(c *call) int {
	line := "y"
	if len(c.Args) > 1 {
		line = strings.Join(c.Args[1:], " ")
	}
	chunk := strings.Repeat(line+"\n", 1+4096/(len(line)+1))
	for !c.stopped() {
		c.print(chunk)
	}
	return statusPipe
}

func mktempMain(c *call) int {
	opts, operands, status, done := c.parse("d|directory u|dry-run q|quiet p: tmpdir? t suffix:")
	if done {
		return status
	}
	o := flags(opts)
	template := "tmp.XXXXXXXXXX"
	inTmp := set(o, "p") || set(o, "tmpdir") || set(o, "t") || len(operands) == 0
	if len(operands) > 0 {
		template = operands[0]
	}
	stem, suffix := template, o["suffix"]
	if !strings.HasSuffix(stem, "X") && suffix == "" {
		i := strings.LastIndexByte(stem, 'X') + 1
		stem, suffix = stem[:i], stem[i:]
	}
	run := len(stem) - len(strings.TrimRight(stem, "X"))
	if run < 3 {
		c.errorf("too few X's in template %s", quote(template))
		return 1
	}
	if inTmp && !strings.HasPrefix(stem, "/") {
		dir := cmp.Or(o["p"], o["tmpdir"], c.getenv("TMPDIR"), "/tmp")
		stem = join(dir, stem)
	}
	name, err := c.makeTemp(stem[:len(stem)-run], run, suffix, set(o, "d"), set(o, "u"))
	if err != nil {
		c.failed(err, "failed to create file via template %s", quote(template))
		return 1
	}
	c.print(name + "\n")
	return 0
}

// makeTemp tries names in a fixed order: a build that makes temporary files stays reproducible, and
// O_EXCL makes a collision harmless.
func (c *call) makeTemp(stem string, digits int, suffix string, dir, dry bool) (string, error) {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	seed := uint64(c.Now().UnixNano())
	for try := uint64(0); ; try++ {
		x := (seed + try) * 0x9e3779b97f4a7c15
		b := make([]byte, digits)
		for i := range b {
			x ^= x >> 29
			x *= 0xbf58476d1ce4e5b9
			b[i] = letters[(x>>32)%uint64(len(letters))]
		}
		name := stem + string(b) + suffix
		err := error(nil)
		switch {
		case c.exists(name):
			continue
		case dry:
		case dir:
			err = c.mkdir(name, 0o700)
		default:
			var f *vfs.File
			if f, err = c.createFile(name, vfs.O_RDWR|vfs.O_CREATE|vfs.O_EXCL, 0o600); err == nil {
				err = f.Close()
			}
		}
		if err == nil || try > 1000 || !isExist(err) {
			return name, err
		}
	}
}

func truncateMain(c *call) int {
	opts, operands, status, done := c.parse("s|size: r|reference: c|no-create o|io-blocks")
	if done {
		return status
	}
	o := flags(opts)
	if len(operands) == 0 || !set(o, "s") && !set(o, "r") {
		return c.usageError("you must specify either '--size' or '--reference'")
	}
	for _, name := range operands {
		if err := c.truncate(name, o); err != nil {
			c.failed(err, "cannot open %s for writing", quote(name))
		}
	}
	return c.status
}

func (c *call) truncate(name string, o map[string]string) error {
	st, err := c.stat(name)
	if err != nil && isNotExist(err) {
		if set(o, "c") {
			return nil
		}
		f, err := c.createFile(name, vfs.O_WRONLY|vfs.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		f.Close()
	} else if err != nil {
		return err
	}
	size := st.Size
	if set(o, "r") {
		ref, err := c.stat(o["r"])
		if err != nil {
			return err
		}
		size = ref.Size
	}
	if s := o["s"]; s != "" {
		op := s[0]
		n, ok := parseSize(strings.TrimLeft(s, "+-<>/%"))
		if !ok {
			return errInvalid("Invalid number: " + quote(s))
		}
		size = resize(op, size, n)
	}
	return c.FS.Truncate(c.abs(name), max(0, size))
}

func resize(op byte, size, n int64) int64 {
	switch op {
	case '+':
		return size + n
	case '-':
		return size - n
	case '<':
		return min(size, n)
	case '>':
		return max(size, n)
	case '/':
		return size / max(1, n) * n
	case '%':
		return (size + n - 1) / max(1, n) * n
	}
	return n
}
