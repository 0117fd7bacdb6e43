package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Kinds of values that are counted, numbered as LLVM does.
const (
	calls = iota // functions called through a pointer
	sizes        // bytes copied or set
)

var kindNames = [...]string{calls: "calls", sizes: "sizes"}

// A Site counts the values seen at one place.
type Site map[string]uint64

// A Function has the counters and values of one function.
type Function struct {
	Counters []uint64
	Values   [2][]Site
}

// key names a function. Static functions of equal name, in files of equal name, differ in the hash of their control flow.
type key struct {
	name string
	hash uint64
}

// A Profile holds what was counted.
type Profile map[key]*Function

// Values that LLVM would not act upon are left out: it wants a twentieth of all.
const leastPart = 20

func (p Profile) add(other Profile) error {
	for k, f := range other {
		if err := p.addFunction(k, f); err != nil {
			return err
		}
	}
	return nil
}

func (p Profile) addFunction(k key, f *Function) error {
	sum, ok := p[k]
	if !ok {
		p[k] = f
		return nil
	}
	if len(sum.Counters) != len(f.Counters) {
		return fmt.Errorf("%s has %d and %d counters", k.name, len(sum.Counters), len(f.Counters))
	}
	for i, n := range f.Counters {
		sum.Counters[i] += n
	}
	for kind := range f.Values {
		if len(sum.Values[kind]) != len(f.Values[kind]) {
			return fmt.Errorf("%s has %d and %d %s", k.name, len(sum.Values[kind]), len(f.Values[kind]), kindNames[kind])
		}
		for i, site := range f.Values[kind] {
			for value, count := range site {
				sum.Values[kind][i][value] += count
			}
		}
	}
	return nil
}

// sorted returns the keys: global functions first, static ones by file.
func (p Profile) sorted() []key {
	return slices.SortedFunc(maps.Keys(p), func(a, b key) int {
		fileA, nameA := splitName(a.name)
		fileB, nameB := splitName(b.name)
		return cmp.Or(cmp.Compare(fileA, fileB), cmp.Compare(nameA, nameB), cmp.Compare(a.hash, b.hash))
	})
}

// splitName splits LLVM's name of a static function, FILE;NAME.
func splitName(name string) (file, function string) {
	if file, function, ok := strings.Cut(name, ";"); ok {
		return file, function
	}
	return "", name
}

func (p Profile) write(out *bufio.Writer) {
	fmt.Fprintln(out, "# Written by make profile; main.go tells how to read it.")
	last := ""
	for _, k := range p.sorted() {
		file, name := splitName(k.name)
		if file != last {
			fmt.Fprintf(out, "%s:\n", file)
			last = file
		}
		fmt.Fprintf(out, "%s %s", name, strconv.FormatUint(k.hash, 36))
		writeCounters(out, p[k].Counters)
		out.WriteByte('\n')
		for kind, sites := range p[k].Values {
			writeSites(out, kind, sites)
		}
	}
}

func writeCounters(out *bufio.Writer, counters []uint64) {
	for i := 0; i < len(counters); {
		run := 1
		for i+run < len(counters) && counters[i+run] == counters[i] {
			run++
		}
		fmt.Fprintf(out, " %d", counters[i])
		if run > 1 {
			fmt.Fprintf(out, "*%d", run)
		}
		i += run
	}
}

// writeSites writes the sites at which a value stands out, if there are any.
func writeSites(out *bufio.Writer, kind int, sites []Site) {
	var line strings.Builder
	for i, site := range sites {
		if text := site.String(); text != "" {
			fmt.Fprintf(&line, " %d=%s", i, text)
		}
	}
	if line.Len() > 0 {
		fmt.Fprintf(out, "\t%s %d%s\n", kindNames[kind], len(sites), line.String())
	}
}

// frequent returns the values that stand out, the most frequent first.
func (s Site) frequent() []string {
	var sum uint64
	for _, count := range s {
		sum += count
	}
	values := slices.DeleteFunc(slices.Sorted(maps.Keys(s)), func(value string) bool { return s[value]*leastPart < sum })
	slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(s[b], s[a]) })
	return values
}

func (s Site) String() string {
	var parts []string
	for _, value := range s.frequent() {
		parts = append(parts, fmt.Sprintf("%s:%d", value, s[value]))
	}
	return strings.Join(parts, ",")
}

// readProfile reads what write wrote. Lines that begin with # are comments.
func readProfile(r io.Reader) (Profile, error) {
	profile := Profile{}
	file := ""
	var last *Function
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<24)
	for number := 1; scanner.Scan(); number++ {
		line := scanner.Text()
		err := error(nil)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasSuffix(line, ":"):
			file = strings.TrimSuffix(line, ":") + ";"
		case line[0] == '\t':
			err = last.parseSites(line[1:])
		default:
			var k key
			k, last, err = parseFunction(line)
			k.name = file + k.name
			if err == nil {
				err = profile.addFunction(k, last)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return profile, scanner.Err()
}

func parseFunction(line string) (k key, f *Function, err error) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return k, nil, fmt.Errorf("function without counters: %q", line)
	}
	k.name = fields[0]
	if k.hash, err = strconv.ParseUint(fields[1], 36, 64); err != nil {
		return k, nil, err
	}
	f = &Function{}
	for _, field := range fields[2:] {
		number, times, repeated := strings.Cut(field, "*")
		n, err := strconv.ParseUint(number, 10, 64)
		run := 1
		if err == nil && repeated {
			run, err = parseLength(times)
		}
		if err != nil {
			return k, nil, err
		}
		f.Counters = append(f.Counters, slices.Repeat([]uint64{n}, run)...)
	}
	return k, f, nil
}

// parseLength parses how many counters or sites there are: no function of 65,536 is known.
func parseLength(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err
}

// parseSites parses KIND SITES SITE=VALUE:COUNT,VALUE:COUNT...
func (f *Function) parseSites(line string) error {
	fields := strings.Fields(line)
	if f == nil || len(fields) < 2 {
		return fmt.Errorf("values of no function: %q", line)
	}
	kind := slices.Index(kindNames[:], fields[0])
	count, err := parseLength(fields[1])
	if kind < 0 || err != nil {
		return fmt.Errorf("unknown values %q", line)
	}
	f.Values[kind] = make([]Site, count)
	for _, field := range fields[2:] {
		number, values, _ := strings.Cut(field, "=")
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= count {
			return fmt.Errorf("no site %q among %d", number, count)
		}
		if f.Values[kind][i], err = parseSite(values); err != nil {
			return err
		}
	}
	return nil
}

func parseSite(text string) (Site, error) {
	site := Site{}
	for _, part := range strings.Split(text, ",") {
		at := strings.LastIndexByte(part, ':')
		count, err := strconv.ParseUint(part[at+1:], 10, 64)
		if at < 0 || err != nil {
			return nil, fmt.Errorf("value %q has no count", part)
		}
		site[part[:at]] = count
	}
	return site, nil
}
