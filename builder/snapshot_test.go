package builder

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// testSnapshot stands in for the runtime. What it captures tells of everything that a program would see.
func testSnapshot(_ context.Context, r SnapshotRequest) (*Snapshot, error) {
	if slices.Contains(r.Args, "fail") {
		fmt.Fprintln(r.Stderr, "Traceback")
		return nil, errors.New("its initialisation ended with exit status 1")
	}
	random := make([]byte, 4)
	if _, err := io.ReadFull(r.Random, random); err != nil {
		return nil, err
	}
	entries, err := r.FS.ReadDir("/")
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(r.Stdout, "captured")
	fmt.Fprintf(r.Image, "%s %q\nenv %q, dir %s, user %s, root %v\n%x at %s\n", r.Program, r.Args,
		r.Config.Env, r.Config.WorkingDir, r.Config.User, sortedNames(entries), random, r.Now().UTC().Format(time.RFC3339))
	return &Snapshot{
		File: fmt.Sprintf("%x.image", sha256.Sum256([]byte(r.Program))), Program: r.Program,
		Pages: 412, Elapsed: 84 * time.Millisecond, Entropy: int64(len(random)),
	}, nil
}

// buildSnapshots builds a Boxfile over a context that holds the files a, b and SNAPSHOT.
func buildSnapshots(t *testing.T, boxfile string, opts Options) (*Result, error) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), []byte("a"))
	writeFile(t, filepath.Join(dir, "b"), []byte("b"))
	writeFile(t, filepath.Join(dir, "SNAPSHOT"), []byte("b"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	opts.Boxfile, opts.Context, opts.Run, opts.TempDir = mustParse(t, boxfile), root, testRun, t.TempDir()
	if opts.Snapshot == nil {
		opts.Snapshot = testSnapshot
	}
	return Build(t.Context(), opts)
}

// imagesOf gives the contents of memory images by program, the whiteouts with contents "none", layer by layer.
func imagesOf(t *testing.T, img v1.Image) (perLayer []map[string]string) {
	t.Helper()
	root, err := newStore(t).Rootfs(img)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	for _, layer := range root.Layers {
		images := map[string]string{}
		var names []string
		if err := layer.ReservedNames(func(name string, _ bool) { names = append(names, name) }); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			stored, err := layer.ReservedFile(name)
			if err != nil {
				t.Fatal(err)
			}
			images[name] = string(stored)
			if stored == nil {
				images[name] = "none"
			}
		}
		perLayer = append(perLayer, images)
	}
	if _, err := root.FS().Lstat("/" + vfs.Reserved); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("programs see /%s: %v", vfs.Reserved, err)
	}
	return perLayer
}

func historyOf(t *testing.T, img v1.Image) (entries []string) {
	t.Helper()
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range file.History {
		entry := h.CreatedBy
		if h.EmptyLayer {
			entry += " (no layer)"
		}
		entries = append(entries, entry)
	}
	return entries
}

// It describes the finished image, wherever in the stage it stands, and the last one counts.
func TestSnapshotOfTheFinishedStage(t *testing.T) {
	res, err := buildSnapshots(t, `FROM scratch
SNAPSHOT import one
COPY a /
SNAPSHOT import app, $flask
ENV x=1
USER 1000
COPY b /
WORKDIR /app
CMD ["python3", "app.py"]
`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	history := historyOf(t, res.Image)
	if last := history[len(history)-1]; last != "SNAPSHOT import app, $flask" {
		t.Errorf("history ends with %q", last)
	}
	images := imagesOf(t, res.Image)
	top := slices.Collect(maps.Values(images[len(images)-1]))
	want := `python3 ["-c" "import app, $flask"]
env ["x=1"], dir /app, user 1000, root [a app b]
`
	if len(top) != 1 || !strings.HasPrefix(top[0], want) || !strings.HasSuffix(top[0], " at 1980-01-01T00:00:00Z\n") {
		t.Errorf("captured %q", top)
	}
	for i, layer := range images[:len(images)-1] {
		if len(layer) > 0 {
			t.Errorf("layer %d holds %v", i, layer)
		}
	}
	step := res.Steps[len(res.Steps)-1]
	if step.Index != 4 || step.Total != 4 || step.Line != 4 || step.Layer.Hex == "" || step.Size == 0 {
		t.Errorf("step %+v", step)
	}
	if step.Snapshot == nil || step.Snapshot.Pages != 412 || step.Snapshot.Entropy != 4 {
		t.Errorf("account %+v", step.Snapshot)
	}
	if err := oci.Validate(res.Image); err != nil {
		t.Error(err)
	}
}

func TestSnapshotForms(t *testing.T) {
	tests := []struct{ name, boxfile, want, history string }{
		{"bare", "SNAPSHOT", `prog []`, "SNAPSHOT"},
		{"lower case", "snapshot  import a", `prog ["-c" "import a"]`, "SNAPSHOT import a"},
		{"continued", "SNAPSHOT import a, \\\n  b", `prog ["-c" "import a,   b"]`, "SNAPSHOT import a,   b"},
		{"here-document", "SNAPSHOT <<EOF\nimport a\nif a:\n\tx = $b \\\n\nEOF", `prog ["-c" "import a\nif a:\n\tx = $b \\\n\n"]`,
			"SNAPSHOT import a\nif a:\n\tx = $b \\"},
		{"here-document without tabs", "  Snapshot\t<<-'EOF'\n\timport a\n\tEOF", `prog ["-c" "import a\n"]`, "SNAPSHOT import a"},
		{"shift", "SNAPSHOT x = 1 << 3", `prog ["-c" "x = 1 << 3"]`, "SNAPSHOT x = 1 << 3"},
		{"in a here-document", "SNAPSHOT <<EOF\nSNAPSHOT <<X\nRUN <<Y\nEOF", `prog ["-c" "SNAPSHOT <<X\nRUN <<Y\n"]`, "SNAPSHOT SNAPSHOT <<X\nRUN <<Y"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got string
			opts := Options{Snapshot: func(ctx context.Context, r SnapshotRequest) (*Snapshot, error) {
				got = fmt.Sprintf("%s %q", r.Program, r.Args)
				return testSnapshot(ctx, r)
			}}
			res, err := buildSnapshots(t, "FROM scratch\nCMD [\"prog\"]\n"+test.boxfile+"\n", opts)
			if err != nil {
				t.Fatal(err)
			}
			if got != test.want {
				t.Errorf("asked for %s, want %s", got, test.want)
			}
			if history := historyOf(t, res.Image); history[1] != test.history {
				t.Errorf("history %q, want %q", history[1], test.history)
			}
		})
	}
}

// Lines that look like SNAPSHOT with a here-document keep their text where they belong to another instruction.
func TestSnapshotInsideOthers(t *testing.T) {
	res, err := buildSnapshots(t, `FROM scratch
CMD ["prog"]
# SNAPSHOT <<EOF
COPY <<EOF /file
SNAPSHOT <<X
RUN true
EOF
COPY a \
  SNAPSHOT <<Y /c/
SNAPSHOT <<Y
Y
SNAPSHOT <<EOF
import app
EOF
`, Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := describeResult(t, res)["files"]
	for _, want := range []string{`/file "SNAPSHOT <<X\nRUN true\n"`, `/c/Y "SNAPSHOT <<Y\n"`, `/c/SNAPSHOT "b"`} {
		if !strings.Contains(files, want) {
			t.Errorf("files\n%s, want %s", files, want)
		}
	}
	if history := historyOf(t, res.Image); history[len(history)-1] != "SNAPSHOT import app" {
		t.Errorf("history %q", history)
	}
}

func TestSnapshotProgram(t *testing.T) {
	tests := []struct{ boxfile, want string }{
		{"CMD [\"python3\", \"app.py\"]", "python3"},
		{"ENTRYPOINT [\"/app/run\"]\nCMD [\"python3\"]", "/app/run"},
		{"CMD python3 app.py", "python3"},
		{"CMD A=1 exec \"python3\" app.py", "python3"},
		{"SHELL [\"/bin/bash\", \"-ec\"]\nENTRYPOINT exec python3 app.py", "python3"},
		{"CMD [\"/bin/sh\", \"-c\"]", "/bin/sh"},
		{"ENV a=1", ""},
	}
	for _, test := range tests {
		var got string
		opts := Options{Snapshot: func(ctx context.Context, r SnapshotRequest) (*Snapshot, error) {
			got = r.Program
			return testSnapshot(ctx, r)
		}}
		if _, err := buildSnapshots(t, "FROM scratch\nSNAPSHOT\n"+test.boxfile+"\n", opts); err != nil || got != test.want {
			t.Errorf("%q: program %q, want %q (%v)", test.boxfile, got, test.want, err)
		}
	}
}

const snapshotStages = `FROM scratch AS base
CMD ["prog"]
SNAPSHOT import base
FROM scratch AS files
CMD ["other"]
COPY a /
SNAPSHOT import files
FROM base AS hidden
SNAPSHOT none
FROM hidden AS again
COPY --from=files a /
SNAPSHOT import again
FROM again
SNAPSHOT none
`

// Images are taken of stages that become an image or the beginning of one, and are inherited like all else.
func TestSnapshotOfStages(t *testing.T) {
	tests := []struct {
		target  string
		history []string
		layers  []string // beginnings of memory images
	}{
		{"base", []string{`CMD ["prog"] (no layer)`, "SNAPSHOT import base"}, []string{`prog ["-c" "import base"]`}},
		{"hidden", []string{`CMD ["prog"] (no layer)`, "SNAPSHOT import base", "SNAPSHOT none"}, []string{`prog ["-c" "import base"]`, "none"}},
		{"", []string{`CMD ["prog"] (no layer)`, "SNAPSHOT import base", "SNAPSHOT none", "COPY --from=files a /", "SNAPSHOT import again", "SNAPSHOT none"},
			[]string{`prog ["-c" "import base"]`, "none", "", `prog ["-c" "import again"]`, "none"}},
	}
	for _, test := range tests {
		res, err := buildSnapshots(t, snapshotStages, Options{Target: test.target})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.history, historyOf(t, res.Image)); diff != "" {
			t.Errorf("%s: history (-want +got):\n%s", test.target, diff)
		}
		var layers []string
		for _, images := range imagesOf(t, res.Image) {
			first, _, _ := strings.Cut(strings.Join(slices.Collect(maps.Values(images)), "\n"), "\n")
			layers = append(layers, first)
		}
		if diff := cmp.Diff(test.layers, layers); diff != "" {
			t.Errorf("%s: layers (-want +got):\n%s", test.target, diff)
		}
	}
}

func TestSnapshotNoneOfNothing(t *testing.T) {
	res, err := buildSnapshots(t, "FROM scratch\nCOPY a /\nSNAPSHOT None\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"COPY a /", "SNAPSHOT none (no layer)"}
	if diff := cmp.Diff(want, historyOf(t, res.Image)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestSnapshotErrors(t *testing.T) {
	boxfile := "FROM scratch AS base\nSNAPSHOT fail\nCMD [\"prog\"]\n"
	for name, text := range map[string]string{"as the target": boxfile, "as the beginning of another": boxfile + "FROM base\nENV a=1\n"} {
		_, err := buildSnapshots(t, text, Options{})
		want := "Boxfile:2: SNAPSHOT: its initialisation ended with exit status 1\n     1 |     FROM scratch AS base\n     2 | >>> SNAPSHOT fail\n     3 |     CMD [\"prog\"]"
		var placed *Error
		if !errors.As(err, &placed) || !strings.HasPrefix(err.Error(), want) || !strings.Contains(placed.Hint(), "SNAPSHOT none") {
			t.Errorf("%s: got %v, hint %q", name, err, hintOf(err))
		}
	}
	own := func(context.Context, SnapshotRequest) (*Snapshot, error) {
		return nil, hintedError{errors.New("refused")}
	}
	if _, err := buildSnapshots(t, "FROM scratch\nSNAPSHOT\n", Options{Snapshot: own}); hintOf(err) != (hintedError{}).Hint() {
		t.Errorf("got %v, hint %q", err, hintOf(err))
	}
	elsewhere := func(context.Context, SnapshotRequest) (*Snapshot, error) { return &Snapshot{File: "../x.image"}, nil }
	if _, err := buildSnapshots(t, "FROM scratch\nSNAPSHOT\n", Options{Snapshot: elsewhere}); err == nil {
		t.Error("a memory image was stored outside of its directory")
	}
	_, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nSNAPSHOT\n")})
	if err == nil || !strings.Contains(err.Error(), "Boxfile:2: SNAPSHOT: there is nothing to run programs with") {
		t.Errorf("got %v", err)
	}
}
