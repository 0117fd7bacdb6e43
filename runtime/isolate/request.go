package isolate

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"boxer.dev/runtime"
)

// request is a run, as a worker is asked for it.
type request struct {
	serial           int // of the pool's runs: what is said of one that is over is for nobody
	Args, Entrypoint []string
	hasEntrypoint    bool
	Env              []string
	Dir, User        string
	limits           runtime.Limits

	stdin, stdout, stderr stream
	input                 []byte // standard input, if that is carried
	terminal              bool
	rows, columns         int

	files  []runtime.File // that it begins with
	wanted wanted         // of those that it leaves

	functions                         []string
	maxArguments, maxResult, maxCalls int
	signals                           bool
	seed                              int
	grace                             time.Duration
	fresh, stats, countFuel           bool
}

// stream says how a standard stream crosses.
type stream byte

const (
	absent  stream = iota
	framed         // in messages
	passed         // as a file
	carried        // standard input: in the request
	joined         // standard error: it is standard output
)

// maxCarried is how much standard input, which is in memory, goes with the request.
const maxCarried = 32 << 10

// ErrCannotCross says of a runtime.Cmd that it has something which exists in its own process only.
var ErrCannotCross = errors.New("FS, Now and Random of a command cannot be taken to another process")

// newRequest makes a request of a command, and the files that go with it.
func newRequest(c *runtime.Cmd) (*request, []*os.File, error) {
	if c.FS != nil || c.Now != nil || c.Random != nil {
		return nil, nil, ErrCannotCross
	}
	r := &request{
		Args: c.Args, Entrypoint: c.Entrypoint, hasEntrypoint: c.Entrypoint != nil, Env: c.Env, Dir: c.Dir, User: c.User,
		limits: c.Limits, maxArguments: c.Calls.MaxArguments, maxResult: c.Calls.MaxResult, maxCalls: c.Calls.MaxRunning, signals: c.Signals != nil,
		seed: int(c.Seed), grace: c.Grace,
		fresh: c.Fresh, stats: c.Stats != nil, countFuel: c.CountFuel, files: c.Files, wanted: newWanted(c.Collect),
	}
	for name := range c.Functions {
		r.functions = append(r.functions, name)
	}
	slices.Sort(r.functions) // equal runs are equal requests
	if c.Terminal != nil {
		r.terminal = true
		if r.rows, r.columns = 24, 80; c.Terminal.Size != nil {
			r.rows, r.columns = c.Terminal.Size()
		}
	}
	files, err := r.setStreams(c)
	return r, files, err
}

func (r *request) setStreams(c *runtime.Cmd) (files []*os.File, err error) {
	pass := func(s any) stream {
		if s == nil {
			return absent
		}
		if file, ok := s.(*os.File); ok && passesFiles {
			files = append(files, file)
			return passed
		}
		return framed
	}
	if r.input, err = inMemory(c.Stdin); err != nil {
		return nil, err
	}
	if r.stdin = carried; r.input == nil {
		r.stdin = pass(c.Stdin)
	}
	r.stdout = pass(c.Stdout)
	if r.stderr = joined; !same(c.Stdout, c.Stderr) {
		r.stderr = pass(c.Stderr)
	}
	return files, nil
}

// inMemory reads standard input that is in memory, and little; nil if it is not.
func inMemory(stdin io.Reader) ([]byte, error) {
	length := -1
	switch r := stdin.(type) {
	case *bytes.Reader:
		length = r.Len()
	case *bytes.Buffer:
		length = r.Len()
	case *strings.Reader:
		length = r.Len()
	}
	if length < 0 || length > maxCarried {
		return nil, nil
	}
	input := make([]byte, length)
	_, err := io.ReadFull(stdin, input)
	return input, err
}

// same reports whether two streams are one. Absent ones are not, nor are those of a type that cannot be compared.
func same(a, b any) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Comparable() && a == b
}

// kind is what a worker has to know of the run to prepare itself: not what the program is told.
func (r *request) kind() *request {
	like := *r
	like.serial, like.Args, like.input = 0, r.Args[:min(len(r.Args), 1)], nil
	like.files, like.wanted = nil, wanted{}
	return &like
}

// Switches of a request.
const (
	hasEntrypoint = 1 << iota
	isTerminal
	isFresh
	wantsStats
	countsFuel
	takesSignals
	allSwitches = 1<<iota - 1
)

func (r *request) switches() (bits int) {
	for i, on := range []bool{r.hasEntrypoint, r.terminal, r.fresh, r.stats, r.countFuel, r.signals} {
		if on {
			bits |= 1 << i
		}
	}
	return bits
}

func (r *request) encode() ([]byte, error) {
	b := appendNumber(nil, r.serial)
	b = appendNumber(b, r.switches())
	for _, s := range []stream{r.stdin, r.stdout, r.stderr} {
		b = appendNumber(b, s)
	}
	for _, list := range [][]string{r.Args, r.Entrypoint, r.Env, r.functions} {
		b = appendTexts(b, list)
	}
	b = appendText(appendText(b, r.Dir), r.User)
	b = appendNumber(appendNumber(b, max(r.rows, 0)), max(r.columns, 0))
	b = appendNumber(appendNumber(b, r.seed), max(r.grace, 0))
	for _, bound := range []int{r.maxArguments, r.maxResult, r.maxCalls} {
		b = appendNumber(b, max(bound, 0))
	}
	b = appendFields(b, &r.limits)
	b = append(appendNumber(b, len(r.input)), r.input...)
	return r.wanted.append(appendFiles(b, r.files)), nil
}

const maxSize = 1 << 16 // rows and columns

func decodeRequest(message []byte) (*request, error) {
	p := parser{rest: message}
	serial, bits := p.number(math.MaxInt), p.number(allSwitches)
	r := &request{
		serial: serial, hasEntrypoint: bits&hasEntrypoint != 0, terminal: bits&isTerminal != 0,
		fresh: bits&isFresh != 0, stats: bits&wantsStats != 0, countFuel: bits&countsFuel != 0,
		signals: bits&takesSignals != 0,
	}
	for _, s := range []*stream{&r.stdin, &r.stdout, &r.stderr} {
		*s = stream(p.number(int(joined)))
	}
	for _, list := range []*[]string{&r.Args, &r.Entrypoint, &r.Env, &r.functions} {
		*list = p.texts()
	}
	r.Dir, r.User = p.text(), p.text()
	r.rows, r.columns = p.number(maxSize), p.number(maxSize)
	r.seed, r.grace = int(p.any()), time.Duration(p.number(math.MaxInt))
	for _, bound := range []*int{&r.maxArguments, &r.maxResult, &r.maxCalls} {
		*bound = p.number(math.MaxInt)
	}
	p.fields(&r.limits)
	if r.input = bytes.Clone(p.bytes()); r.input == nil {
		r.input = []byte{}
	}
	r.files, r.wanted = p.files(), p.wanted()
	if err := p.end(); err != nil {
		return nil, err
	}
	return r, nil
}

// command is the run, but for its streams.
func (r *request) command() *runtime.Cmd {
	c := &runtime.Cmd{
		Args: r.Args, Env: r.Env, Dir: r.Dir, User: r.User,
		Limits: r.limits, Seed: uint64(r.seed), Grace: r.grace,
		Fresh: r.fresh, CountFuel: r.countFuel, Files: r.files, Collect: r.wanted.collection(),
	}
	c.Calls.MaxArguments, c.Calls.MaxResult, c.Calls.MaxRunning = r.maxArguments, r.maxResult, r.maxCalls
	if r.hasEntrypoint {
		c.Entrypoint = append([]string{}, r.Entrypoint...)
	}
	if r.stats {
		c.Stats = new(runtime.Stats)
	}
	return c
}

// result is how a run ended.
type result struct {
	last       kind   // of the last output: kindStdout, kindStderr or, if there is none, 0
	output     []byte // that goes with it
	unprepared bool   // it has not begun: the worker has not loaded what it needs
	failure    []byte // a runtime.Failure in JSON; empty: the run ended with status 0
	stats      []byte // the fields of a runtime.Stats, if they were asked for
	files      []runtime.File
	omitted    int // files that are wanted
}

func (r *result) append(b []byte) []byte {
	b = appendNumber(b, r.last)
	b = append(appendNumber(b, len(r.output)), r.output...)
	unprepared := 0
	if r.unprepared {
		unprepared = 1
	}
	b = appendNumber(b, unprepared)
	b = append(appendNumber(b, len(r.failure)), r.failure...)
	b = append(appendNumber(b, len(r.stats)), r.stats...)
	return appendNumber(appendFiles(b, r.files), r.omitted)
}

// decodeResult gives views of the message, and copies of files.
func decodeResult(message []byte) (r result, err error) {
	p := parser{rest: message}
	r.last = kind(p.number(int(kindStderr)))
	r.output = p.bytes()
	r.unprepared = p.number(1) == 1
	r.failure, r.stats = p.bytes(), p.bytes()
	r.files, r.omitted = p.files(), p.number(math.MaxInt)
	if r.last != 0 && r.last != kindStdout && r.last != kindStderr || r.last == 0 && len(r.output) > 0 {
		return result{}, errMalformed
	}
	return r, p.end()
}
