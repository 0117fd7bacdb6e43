package builder

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const reproducible = `
FROM scratch
ARG v=1
COPY . /app/
ADD data.tar /data/
COPY **/*.py /flat/
WORKDIR /work
RUN random /r && write new x && env /env
ENV a=$v
SNAPSHOT import app
`

// makeContext writes the same files in an order of its own, with times of its own.
func makeContext(t *testing.T, seed uint64) *os.Root {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(seed, seed))
	for _, i := range rng.Perm(40) {
		name := filepath.Join(dir, fmt.Sprintf("d%d", i%5), fmt.Sprintf("f%d.py", i))
		writeFile(t, name, fmt.Appendf(nil, "contents of %d", i))
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
		then := time.Unix(rng.Int64N(2e9), rng.Int64N(1e9))
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		if err := os.Chmod(filepath.Join(dir, fmt.Sprintf("d%d", i)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	makeTar(t, dir, "data.tar", []string{"a", "b/c"})
	if err := os.Chmod(filepath.Join(dir, "data.tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func digestOf(t *testing.T, opts Options) string {
	t.Helper()
	opts.Run, opts.Snapshot = testRun, testSnapshot
	res, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res.Digest.String()
}

func TestSameInputsSameDigest(t *testing.T) {
	boxfile := mustParse(t, reproducible)
	want := digestOf(t, Options{Boxfile: boxfile, Context: makeContext(t, 1)})
	for seed := range uint64(3) {
		old := setUmask(0o077 >> (seed * 3))
		t.Setenv("TZ", fmt.Sprintf("UTC-%d", seed))
		got := digestOf(t, Options{Boxfile: boxfile, Context: makeContext(t, seed+2), TempDir: t.TempDir()})
		setUmask(old)
		if got != want {
			t.Errorf("digest %s, then %s", want, got)
		}
	}
}

func TestOtherInputsOtherDigest(t *testing.T) {
	boxfile, root := mustParse(t, reproducible), makeContext(t, 1)
	seen := map[string]string{}
	for name, opts := range map[string]Options{
		"as it is":  {},
		"argument":  {Args: map[string]string{"v": "2"}},
		"epoch":     {Epoch: time.Unix(1e9, 0)},
		"epoch arg": {Args: map[string]string{epochArg: "1000000001"}},
	} {
		opts.Boxfile, opts.Context = boxfile, root
		digest := digestOf(t, opts)
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s: both %s", name, other, digest)
		}
		seen[digest] = name
	}
}

func TestEpochArgument(t *testing.T) {
	boxfile := mustParse(t, "FROM scratch\nENV a=1\n")
	res, err := Build(t.Context(), Options{Boxfile: boxfile, Args: map[string]string{epochArg: "1000000000"}, Epoch: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	file, err := res.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(1e9, 0); !file.Created.Equal(want) || !file.History[0].Created.Equal(want) {
		t.Errorf("created %v, history %v; want %v", file.Created, file.History[0].Created, want)
	}
	if len(res.Warnings) > 0 {
		t.Errorf("warnings %v", res.Warnings)
	}
	for _, bad := range []string{"", "-1", "now", "1e9", "999999999999999"} {
		if _, err := Build(t.Context(), Options{Boxfile: boxfile, Args: map[string]string{epochArg: bad}}); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}
