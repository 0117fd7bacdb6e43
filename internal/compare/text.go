package compare

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"boxer.dev/internal/coreutils"
	"boxer.dev/vfs"
)

// Write tells the difference to people: files by docker diff's letters, with what changed behind those that did, then
// configuration and requests as lines of Boxfiles. Nothing that boxes bring along reaches the terminal as control characters.
func (d *Difference) Write(w io.Writer) error {
	out := &lines{w: w}
	for _, f := range d.Files {
		out.printf("%s %s%s\n", f.Change, Quoted(f.Path), f.details())
	}
	if len(d.Configuration) > 0 {
		out.section("Configuration")
	}
	for _, s := range d.Configuration {
		out.setting("-", s.Instruction, s.From)
		out.setting("+", s.Instruction, s.To)
	}
	if len(d.Requests) > 0 {
		out.section("Requests")
	}
	for _, r := range d.Requests {
		more := ""
		if r.More {
			more = "   ! more than before"
		}
		if r.From != "" {
			end := more
			if r.To != "" {
				end = ""
			}
			out.printf("- %s %s%s\n", r.Instruction, Quoted(r.From), end)
		}
		if r.To != "" {
			out.printf("+ %s %s%s\n", r.Instruction, Quoted(r.To), more)
		}
	}
	return out.err
}

// lines is a writer that remembers its first error.
type lines struct {
	w       io.Writer
	written bool
	err     error
}

func (l *lines) printf(format string, args ...any) {
	if l.err == nil {
		_, l.err = fmt.Fprintf(l.w, format, args...)
	}
	l.written = true
}

func (l *lines) section(title string) {
	if l.written {
		title = "\n" + title
	}
	l.printf("%s\n", title)
}

func (l *lines) setting(sign, instruction string, value *string) {
	if value != nil {
		l.printf("%s %s %s\n", sign, instruction, printable(*value))
	}
}

// details says what of a file changed.
func (f File) details() string {
	var all []string
	for _, what := range f.What {
		switch what {
		case "contents":
			what = "contents"
			if f.From.Size != f.To.Size {
				what = fmt.Sprintf("contents %s → %s", size(f.From.Size), size(f.To.Size))
			}
		case "kind":
			what = f.From.Kind + " → " + f.To.Kind
		case "mode":
			what = fmt.Sprintf("mode %s → %s", f.From.Mode, f.To.Mode)
		case "owner":
			what = fmt.Sprintf("owner %d:%d → %d:%d", f.From.UID, f.From.GID, f.To.UID, f.To.GID)
		case "target":
			what = fmt.Sprintf("target %s → %s", Quoted(f.From.Target), Quoted(f.To.Target))
		}
		all = append(all, what)
	}
	if len(all) == 0 {
		return ""
	}
	return "  (" + strings.Join(all, ", ") + ")"
}

func size(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	return units.HumanSizeWithPrecision(float64(bytes), 3)
}

// Quoted gives a name as it is, unless it has characters that must not reach a terminal, or that would be taken for something
// else: then as Go quotes strings.
func Quoted(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

// printable keeps control characters of a value from the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// maxPatched bounds the files whose contents WritePatch compares, in bytes.
const maxPatched = 4 << 20

// WritePatch writes what changed in text files, in the unified format of diff(1), as `patch -p1` takes it.
func (d *Difference) WritePatch(ctx context.Context, w io.Writer) error {
	for _, f := range d.Files {
		if f.Change == Changed && !slices.Contains(f.What, "contents") && !slices.Contains(f.What, "kind") {
			continue
		}
		before, err := patched(d.from, f.Path, f.From)
		if err != nil {
			return err
		}
		after, err := patched(d.to, f.Path, f.To)
		if err != nil {
			return err
		}
		if before == nil && after == nil {
			continue
		}
		if err := writePatch(ctx, w, f, before, after); err != nil {
			return err
		}
	}
	return nil
}

// patched gives the contents of a file, nil of what is none. Those of a large one are not read.
func patched(tree *vfs.FS, name string, e *Entry) ([]byte, error) {
	if e == nil || e.Kind != regular {
		return nil, nil
	}
	if e.Size > maxPatched {
		return []byte("\x00" + name + e.Mode), nil
	}
	data, err := tree.ReadFile(name)
	if data == nil {
		data = []byte{}
	}
	return data, err
}

func writePatch(ctx context.Context, w io.Writer, f File, before, after []byte) error {
	from, to := Quoted("a"+f.Path), Quoted("b"+f.Path)
	if before == nil {
		from = "/dev/null"
	}
	if after == nil {
		to = "/dev/null"
	}
	scratch := vfs.New()
	if err := scratch.WriteFile("/a", before, 0o600); err != nil {
		return err
	}
	if err := scratch.WriteFile("/b", after, 0o600); err != nil {
		return err
	}
	var text strings.Builder
	diff, _ := coreutils.Lookup("diff")
	switch diff(ctx, &coreutils.Env{FS: scratch, Args: []string{"diff", "-u", "-L", from, "-L", to, "a", "b"}, Stdout: &text}) {
	case 0:
		return nil
	case 1:
	default:
		return fmt.Errorf("comparing the contents of %s failed", Quoted(f.Path))
	}
	shown := text.String()
	if strings.HasPrefix(shown, "Binary files ") {
		shown = fmt.Sprintf("Binary files %s and %s differ\n", from, to)
	}
	_, err := io.WriteString(w, shown)
	return err
}
