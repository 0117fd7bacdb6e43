// Package capability is what a box asks of the host that runs it, and what it is granted.
//
// A box says two things about itself. Its limits are bounds that it can live with; those of whoever runs it count as well,
// and of two the smaller: [Limits.Narrow]. Its needs are what it cannot do without; they grant nothing, and a run that is not
// granted one is refused before it starts: [Requests.Check]. Both travel as labels in the image's configuration, in the words
// of the Boxfile, which are the only form of them that is read: [ParseLimit], [ParseNeed], [FromLabels].
package capability

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits bound what a run may use. Zero, and false, are no bound. None of them grants anything.
type Limits struct {
	Memory    int64         // bytes of the linear memories that the run's programs have at one time
	Fuel      int64         // instructions
	Timeout   time.Duration // by the clock on the wall
	CPU       time.Duration // of the processor
	Output    int64         // bytes written to standard output and error together
	Writable  int64         // bytes that files written to the box's tree take
	Files     int64         // files made in or changed of the box's tree
	OpenFiles int64         // descriptors of each program

	ReadOnly     bool // no file can be changed, mounted ones included
	FixedClock   bool // the clock shows no real time
	NoClock      bool // nor any other
	SeededRandom bool // random numbers are the same in all runs
	NoRandom     bool // there are none
	// Deterministic makes equal runs equal to the byte. It implies FixedClock and SeededRandom.
	Deterministic bool
}

// limit is a limit that is a number.
type limit struct {
	name  string // in LIMIT
	key   string // in JSON, as in boxer.yaml
	unit  unit
	field func(*Limits) *int64
}

type unit int

const (
	bytes    unit = iota // in powers of 1024
	count                // in powers of 1000
	duration             // of nanoseconds
)

var numbers = []limit{
	{"memory", "memory_limit_bytes", bytes, func(l *Limits) *int64 { return &l.Memory }},
	{"fuel", "max_fuel", count, func(l *Limits) *int64 { return &l.Fuel }},
	{"timeout", "execution_timeout_ms", duration, func(l *Limits) *int64 { return (*int64)(&l.Timeout) }},
	{"cpu", "cpu_time_ms", duration, func(l *Limits) *int64 { return (*int64)(&l.CPU) }},
	{"output", "max_output_bytes", bytes, func(l *Limits) *int64 { return &l.Output }},
	{"writable", "max_writable_bytes", bytes, func(l *Limits) *int64 { return &l.Writable }},
	{"files", "max_files", count, func(l *Limits) *int64 { return &l.Files }},
	{"open-files", "max_open_files", count, func(l *Limits) *int64 { return &l.OpenFiles }},
}

// switches are the limits that are on or off, by the word that turns them on.
var switches = []struct {
	word, key string
	field     func(*Limits) *bool
}{
	{"readonly", "fs_readonly", func(l *Limits) *bool { return &l.ReadOnly }},
	{"clock=fixed", "fixed_clock", func(l *Limits) *bool { return &l.FixedClock }},
	{"clock=off", "no_clock", func(l *Limits) *bool { return &l.NoClock }},
	{"random=seeded", "seeded_random", func(l *Limits) *bool { return &l.SeededRandom }},
	{"random=off", "no_random", func(l *Limits) *bool { return &l.NoRandom }},
	{"deterministic", "deterministic", func(l *Limits) *bool { return &l.Deterministic }},
}

// LimitWords are the words that begin a limit, for messages and completion.
func LimitWords() []string {
	var words []string
	for _, n := range numbers {
		words = append(words, n.name+"=")
	}
	for _, s := range switches {
		words = append(words, s.word)
	}
	return words
}

// Narrow is the tighter of two limits in each respect. Neither is exceeded by the result.
func (l Limits) Narrow(other Limits) Limits {
	for _, n := range numbers {
		mine, theirs := n.field(&l), *n.field(&other)
		if theirs > 0 && (*mine <= 0 || theirs < *mine) {
			*mine = theirs
		}
	}
	for _, s := range switches {
		*s.field(&l) = *s.field(&l) || *s.field(&other)
	}
	return l
}

// Complete adds the limits that others imply.
func (l Limits) Complete() Limits {
	l.FixedClock = l.FixedClock || l.NoClock || l.Deterministic
	l.SeededRandom = l.SeededRandom || l.NoRandom || l.Deterministic
	return l
}

// Or gives each number that is not set the value that it has in others, and adds their switches.
func (l Limits) Or(others Limits) Limits {
	for _, n := range numbers {
		if mine := n.field(&l); *mine == 0 {
			*mine = *n.field(&others)
		}
	}
	for _, s := range switches {
		*s.field(&l) = *s.field(&l) || *s.field(&others)
	}
	return l
}

// ParseLimit reads one word of LIMIT, such as "memory=64M" or "readonly", into l. Bytes take the suffixes K, M, G and T in
// powers of 1024, other numbers in powers of 1000; durations are Go's ("30s", "1m30s"). A limit that l has already is
// narrowed.
func (l *Limits) ParseLimit(word string) error {
	one := Limits{}
	for _, s := range switches {
		if word == s.word {
			*s.field(&one) = true
			*l = l.Narrow(one)
			return nil
		}
	}
	name, value, assigned := strings.Cut(word, "=")
	for _, n := range numbers {
		if n.name != name || !assigned {
			continue
		}
		parsed, err := n.unit.parse(value)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		*n.field(&one) = parsed
		*l = l.Narrow(one)
		return nil
	}
	return fmt.Errorf("there is no limit %q: limits are %s", clip(word), strings.Join(LimitWords(), " "))
}

var errNumber = errors.New("a whole number is wanted")

func (u unit) parse(text string) (int64, error) {
	if u == duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, fmt.Errorf("%q is no duration such as 500ms, 30s or 1m30s", clip(text))
		}
		return positive(int64(d), text)
	}
	digits := strings.TrimRight(text, "kKmMgGtTibB")
	factor, err := u.factor(text[len(digits):])
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", clip(text), errNumber)
	}
	if n > math.MaxInt64/uint64(factor) {
		return 0, fmt.Errorf("%q is too large", clip(text))
	}
	return positive(int64(n)*factor, text)
}

func positive(n int64, text string) (int64, error) {
	if n <= 0 {
		return 0, fmt.Errorf("%q is no limit: leave it out, or give more than nothing", clip(text))
	}
	return n, nil
}

const suffixes = "kmgt"

// factor is what a suffix stands for, in any case: of bytes, K, KB and KiB are the same, as with docker.
func (u unit) factor(suffix string) (int64, error) {
	lower := strings.ToLower(suffix)
	if suffix == "" || u == bytes && lower == "b" {
		return 1, nil
	}
	power, rest := strings.Index(suffixes, lower[:1]), lower[1:]
	if power < 0 || rest != "" && (u != bytes || rest != "b" && rest != "ib") {
		return 0, fmt.Errorf("%q is no unit: K, M, G and T are", clip(suffix))
	}
	factor, base := int64(1), int64(1024)
	if u == count {
		base = 1000
	}
	for range power + 1 {
		factor *= base
	}
	return factor, nil
}

func (u unit) show(n int64) string {
	if u == duration {
		return time.Duration(n).String()
	}
	base := int64(1024)
	if u == count {
		base = 1000
	}
	suffix := ""
	for _, next := range strings.ToUpper(suffixes) {
		if n%base != 0 {
			break
		}
		n /= base
		suffix = string(next)
	}
	return strconv.FormatInt(n, 10) + suffix
}

// String gives the limits in the words of LIMIT, in a fixed order.
func (l Limits) String() string {
	var words []string
	for _, n := range numbers {
		if value := *n.field(&l); value > 0 {
			words = append(words, n.name+"="+n.unit.show(value))
		}
	}
	for _, s := range switches {
		if *s.field(&l) {
			words = append(words, s.word)
		}
	}
	return strings.Join(words, " ")
}

// MarshalJSON gives those that are set, under the names of boxer.yaml; times in milliseconds, rounded up.
func (l Limits) MarshalJSON() ([]byte, error) {
	shown := map[string]any{}
	for _, n := range numbers {
		value := *n.field(&l)
		if value <= 0 {
			continue
		}
		if n.unit == duration {
			value = (value-1)/int64(time.Millisecond) + 1
		}
		shown[n.key] = value
	}
	for _, s := range switches {
		if *s.field(&l) {
			shown[s.key] = true
		}
	}
	return json.Marshal(shown)
}

// clip makes what may be anything fit for a message, which quotes it.
func clip(text string) string {
	const longest = 60
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}
