package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
)

// cachedBuild is a directory that is built again and again with one cache.
type cachedBuild struct {
	t     *testing.T
	dir   string
	store *oci.Store
	runs  []string // commands that were carried out
	opts  Options
}

func newCachedBuild(t *testing.T, files ...string) *cachedBuild {
	t.Helper()
	c := &cachedBuild{t: t, dir: t.TempDir(), store: newStore(t)}
	for _, name := range files {
		c.write(name, name)
	}
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	c.opts = Options{
		Context: root, Rootfs: c.store.Rootfs, Snapshot: testSnapshot, TempDir: t.TempDir(), Identity: "1", DigestDir: t.TempDir(),
		Run: func(ctx context.Context, r RunRequest) (int, error) {
			c.runs = append(c.runs, strings.Join(r.Args, " "))
			return testRun(ctx, r)
		},
	}
	return c
}

func (c *cachedBuild) write(name, text string) {
	c.t.Helper()
	writeFile(c.t, filepath.Join(c.dir, name), []byte(text))
}

// build builds, and checks that a build without a cache gives the same.
func (c *cachedBuild) build(boxfile string) *Result {
	c.t.Helper()
	opts := c.opts
	opts.Boxfile = mustParse(c.t, boxfile)
	uncached := opts
	want, err := Build(c.t.Context(), uncached)
	if err != nil {
		c.t.Fatal(err)
	}
	c.runs = nil
	opts.Cache = c.store.Cache()
	got, err := Build(c.t.Context(), opts)
	if err != nil {
		c.t.Fatal(err)
	}
	if got.Digest != want.Digest {
		c.t.Errorf("the digest is %s with the cache and %s without", got.Digest, want.Digest)
	}
	if err := oci.Validate(got.Image); err != nil {
		c.t.Error(err)
	}
	return got
}

// cached lists the steps of a build, those from the cache marked "=".
func cached(res *Result) string {
	var b strings.Builder
	for _, step := range res.Steps {
		if step.Cached {
			b.WriteString("= ")
		}
		b.WriteString(step.Instruction + "\n")
	}
	return b.String()
}

func (c *cachedBuild) want(res *Result, want string) {
	c.t.Helper()
	if diff := cmp.Diff(want, cached(res)); diff != "" {
		c.t.Errorf("steps (-want +got):\n%s", diff)
	}
}

const cacheText = `FROM scratch
WORKDIR /app
COPY requirements .
RUN write installed yes
ENV MODE=x
COPY . .
RUN env /env
SNAPSHOT
CMD ["app"]
`

func TestCacheStartsWhereSomethingChanged(t *testing.T) {
	c := newCachedBuild(t, "requirements", "main", "lib/a")
	c.want(c.build(cacheText), "WORKDIR /app\nCOPY requirements .\nRUN write installed yes\nCOPY . .\nRUN env /env\nSNAPSHOT\n")
	c.want(c.build(cacheText), "= WORKDIR /app\n= COPY requirements .\n= RUN write installed yes\n= COPY . .\n= RUN env /env\n= SNAPSHOT\n")
	if len(c.runs) > 0 {
		t.Errorf("an unchanged build ran %q", c.runs)
	}
	c.write("lib/a", "changed")
	c.want(c.build(cacheText), "= WORKDIR /app\n= COPY requirements .\n= RUN write installed yes\nCOPY . .\nRUN env /env\nSNAPSHOT\n")
	c.write("requirements", "changed")
	c.want(c.build(cacheText), "= WORKDIR /app\nCOPY requirements .\nRUN write installed yes\nCOPY . .\nRUN env /env\nSNAPSHOT\n")
	// What was before is remembered, too.
	c.write("lib/a", "lib/a")
	c.write("requirements", "requirements")
	c.want(c.build(cacheText), "= WORKDIR /app\n= COPY requirements .\n= RUN write installed yes\n= COPY . .\n= RUN env /env\n= SNAPSHOT\n")
}

// What a step is keyed by, and what it is not.
func TestCacheKeys(t *testing.T) {
	const text = `FROM scratch
ARG A
COPY --chmod=644 a d/ /x/
COPY --from=0 /x /y
RUN write /z z
`
	stages := strings.Replace(text, "FROM scratch", "FROM scratch AS first\nCOPY a /x/\nFROM scratch", 1)
	for name, change := range map[string]struct {
		do   func(t *testing.T, c *cachedBuild) string
		from int // the first step that is carried out again
	}{
		"nothing":       {func(*testing.T, *cachedBuild) string { return stages }, 4},
		"a label":       {func(*testing.T, *cachedBuild) string { return stages + "LABEL a=b\n" }, 4},
		"a line":        {func(*testing.T, *cachedBuild) string { return "# first\n" + stages }, 4},
		"another stage": {func(*testing.T, *cachedBuild) string { return strings.Replace(stages, "AS first", "AS one", 1) }, 4},
		"a time": {func(t *testing.T, c *cachedBuild) string {
			at := time.Now().Add(-time.Hour)
			if err := os.Chtimes(filepath.Join(c.dir, "a"), at, at); err != nil {
				t.Fatal(err)
			}
			return stages
		}, 4},
		"an unread file":    {func(_ *testing.T, c *cachedBuild) string { c.write("other", "x"); return stages }, 4},
		"contents":          {func(_ *testing.T, c *cachedBuild) string { c.write("d/b", "new"); return stages }, 1},
		"a name":            {func(_ *testing.T, c *cachedBuild) string { c.write("d/c", "new"); return stages }, 1},
		"an argument":       {func(_ *testing.T, c *cachedBuild) string { c.opts.Args = map[string]string{"A": "1"}; return stages }, 3},
		"who builds":        {func(_ *testing.T, c *cachedBuild) string { c.opts.Identity = "2"; return stages }, 0},
		"how it is packed":  {func(_ *testing.T, c *cachedBuild) string { c.opts.Compression = oci.Gzip; return stages }, 0},
		"when it is":        {func(_ *testing.T, c *cachedBuild) string { c.opts.Epoch = time.Unix(1e9, 0); return stages }, 0},
		"a flag":            {func(*testing.T, *cachedBuild) string { return strings.Replace(stages, "644", "600", 1) }, 1},
		"a destination":     {func(*testing.T, *cachedBuild) string { return strings.Replace(stages, "/y", "/yy", 1) }, 2},
		"a command":         {func(*testing.T, *cachedBuild) string { return strings.Replace(stages, "/z z", "/z zz", 1) }, 3},
		"a directory above": {func(*testing.T, *cachedBuild) string { return strings.Replace(stages, "ARG A", "ARG A\nWORKDIR /w", 1) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCachedBuild(t, "a", "d/b")
			c.build(stages)
			steps := c.build(change.do(t, c)).Steps
			if n := len(steps) - 4; n > 0 {
				steps = append(steps[:1], steps[1+n:]...) // the one that was added
			}
			for i, step := range steps {
				if step.Cached != (i < change.from) {
					t.Errorf("step %d, %s: cached %t", i, step.Instruction, step.Cached)
				}
			}
		})
	}
}

// An argument of a command is not a variable that looks the same.
func TestCacheTellsArgumentsFromVariables(t *testing.T) {
	c := newCachedBuild(t)
	var got []string
	for _, text := range []string{"RUN [\"env\", \"/e\", \"A=1\"]\n", "ENV A=1\nRUN [\"env\", \"/e\"]\n"} {
		got = append(got, c.build("FROM scratch\n" + text).Steps[0].Layer.String())
	}
	if got[0] == got[1] || len(c.runs) != 1 {
		t.Errorf("layers %v; the second build ran %q", got, c.runs)
	}
}

// A name with a blank in it is not two names.
func TestCacheTellsNamesApart(t *testing.T) {
	c := newCachedBuild(t, "a", "b", "a b")
	var got []string
	for _, sources := range []string{`"a", "b"`, `"a b"`, `"a", "b"`} {
		text := "FROM scratch AS x\nCOPY . /\nFROM scratch\nCOPY --from=x [" + sources + ", \"/c/\"]\nCOPY [" + sources + ", \"/d/\"]\n"
		steps := c.build(text).Steps
		got = append(got, steps[1].Layer.String()+steps[2].Layer.String())
	}
	if got[0] == got[1] || got[0] != got[2] {
		t.Errorf("layers %v", got)
	}
}

// A stage that is built anew and gives the same files does not make what is copied from it new.
func TestCacheGoesByContents(t *testing.T) {
	const text = `FROM scratch AS build
COPY src /src
RUN write /out same
FROM scratch
COPY --from=build /out /
RUN write /done x
`
	c := newCachedBuild(t, "src")
	c.build(text)
	c.write("src", "changed")
	c.want(c.build(text), "COPY src /src\nRUN write /out same\n= COPY --from=build /out /\n= RUN write /done x\n")
}

// Equal instructions of several stages are carried out once.
func TestCacheWithinABuild(t *testing.T) {
	c := newCachedBuild(t)
	opts := c.opts
	opts.Cache = c.store.Cache()
	opts.Boxfile = mustParse(t, `FROM scratch AS a
RUN write /x x
FROM scratch AS b
RUN write /x x
FROM scratch
COPY --from=a /x /a
COPY --from=b /x /b
`)
	if _, err := Build(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if len(c.runs) != 1 {
		t.Errorf("ran %q", c.runs)
	}
}

func TestNoCache(t *testing.T) {
	const text = "FROM scratch AS a\nRUN write /a a\nFROM scratch\nCOPY --from=a /a /\nRUN write /b b\n"
	c := newCachedBuild(t)
	c.build(text)
	c.opts.NoCacheFilter = []string{"A"}
	c.want(c.build(text), "RUN write /a a\n= COPY --from=a /a /\n= RUN write /b b\n")
	c.opts.NoCacheFilter, c.opts.NoCache = nil, true
	c.want(c.build(text), "RUN write /a a\nCOPY --from=a /a /\nRUN write /b b\n")
	c.opts.NoCache = false
	c.want(c.build(text), "= RUN write /a a\n= COPY --from=a /a /\n= RUN write /b b\n")
}

// Warnings, and accounts of memory images, are as they were when the step was carried out.
func TestCacheKeepsAccounts(t *testing.T) {
	c := newCachedBuild(t, "d/a")
	if err := makeFIFO(filepath.Join(c.dir, "d", "pipe")); err != nil {
		t.Skipf("there are no named pipes here: %v", err)
	}
	const text = "FROM scratch\nCOPY d /d\nCMD [\"app\"]\nSNAPSHOT\n"
	first := c.build(text)
	again := c.build(text)
	if diff := cmp.Diff(first.Warnings, again.Warnings); diff != "" || len(first.Warnings) != 1 {
		t.Errorf("warnings (-first +again):\n%s", diff)
	}
	if diff := cmp.Diff(first.Steps[1].Snapshot, again.Steps[1].Snapshot); diff != "" || first.Steps[1].Snapshot == nil {
		t.Errorf("memory image (-first +again):\n%s", diff)
	}
	if first.Steps[0].Layer != again.Steps[0].Layer || first.Steps[0].Size != again.Steps[0].Size {
		t.Errorf("layer %v, then %v", first.Steps[0], again.Steps[0])
	}
}

// An unchanged build opens neither its base nor a layer, and runs nothing.
func TestUnchangedBuildOpensNothing(t *testing.T) {
	c := newCachedBuild(t, "a", "d/b")
	base := c.build("FROM scratch\nCOPY d /base\nENV A=1\n").Image
	opts := c.opts
	opts.Resolve = func(context.Context, string) (v1.Image, string, error) { return base, "", nil }
	const text = `FROM base AS first
WORKDIR /app
COPY a .
RUN write b b
FROM base
COPY --from=first /app /app
COPY --from=base /base /copy
RUN write c c
CMD ["app"]
SNAPSHOT
`
	opts.Cache, opts.Boxfile = c.store.Cache(), mustParse(t, text)
	first, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("an unchanged build needs this")
	opts.Rootfs = func(v1.Image) (*oci.Rootfs, error) { return nil, refused }
	opts.Run = func(context.Context, RunRequest) (int, error) { return 0, refused }
	opts.Snapshot = func(context.Context, SnapshotRequest) (*Snapshot, error) { return nil, refused }
	c.damage("blobs/sha256", func(name string) error { // of the right size, and not to be read
		info, err := os.Stat(name)
		if err == nil {
			err = os.WriteFile(name, make([]byte, info.Size()), 0o644)
		}
		return err
	})
	opts.Cache = c.store.Cache()
	again, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest != first.Digest {
		t.Errorf("digest %s, then %s", first.Digest, again.Digest)
	}
}

// damage does something to every file of a directory of the store.
func (c *cachedBuild) damage(dir string, do func(name string) error) {
	c.t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.store.Dir(), dir))
	if err != nil || len(entries) == 0 {
		c.t.Fatalf("%s: %d files, %v", dir, len(entries), err)
	}
	for _, entry := range entries {
		if err := do(filepath.Join(c.store.Dir(), dir, entry.Name())); err != nil {
			c.t.Fatal(err)
		}
	}
}

// A damaged cache costs time, and a warning; the image is right.
func TestDamagedCache(t *testing.T) {
	flip := func(name string) error {
		data, err := os.ReadFile(name)
		if err == nil {
			data[len(data)/2] ^= 0x20
			err = os.WriteFile(name, data, 0o644)
		}
		return err
	}
	truncate := func(name string) error { return os.Truncate(name, 5) }
	for name, damage := range map[string]func(*cachedBuild){
		"records flipped":   func(c *cachedBuild) { c.damage("cache", flip) },
		"records truncated": func(c *cachedBuild) { c.damage("cache", truncate) },
		"records empty":     func(c *cachedBuild) { c.damage("cache", func(name string) error { return os.Truncate(name, 0) }) },
		"layers gone":       func(c *cachedBuild) { c.damage("blobs/sha256", os.Remove) },
		"layers truncated":  func(c *cachedBuild) { c.damage("blobs/sha256", truncate) },
	} {
		t.Run(name, func(t *testing.T) {
			const text = "FROM scratch\nCOPY a /a\nRUN write /b b\n"
			c := newCachedBuild(t, "a")
			c.build(text)
			damage(c)
			res := c.build(text)
			if len(res.Warnings) == 0 {
				t.Error("no warning")
			}
			for _, step := range res.Steps {
				if step.Cached {
					t.Errorf("%s comes from the damaged cache", step.Instruction)
				}
			}
			c.want(c.build(text), "= COPY a /a\n= RUN write /b b\n")
		})
	}
}

// A layer whose contents are damaged is found out when it is opened. The build begins again, and the layer is repaired.
func TestDamagedLayerIsRepaired(t *testing.T) {
	c := newCachedBuild(t, "a")
	const text = "FROM scratch\nCOPY a /a\nRUN write /b b\n"
	c.build(text)
	c.damage("blobs/sha256", func(name string) error {
		data, err := os.ReadFile(name)
		if err == nil {
			data[len(data)-1]++
			err = os.WriteFile(name, data, 0o644)
		}
		return err
	})
	c.damageOpened()
	res := c.build(text + "RUN write /c c\n")
	root, err := c.store.Rootfs(res.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{"/a": "a", "/b": "b\n", "/c": "c\n"} {
		if got, err := root.FS().ReadFile(name); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// damageOpened removes the opened forms of layers, if there are any.
func (c *cachedBuild) damageOpened() {
	dir := filepath.Join(c.store.Dir(), "layers", "sha256")
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, entry := range entries {
		if err := os.Remove(filepath.Join(dir, entry.Name())); err != nil {
			c.t.Fatal(err)
		}
	}
}

// A file that changes between being digested and being copied: what was copied is in the image, and not in the cache.
func TestFileChangesWhileItIsCopied(t *testing.T) {
	c := newCachedBuild(t, "a", "b")
	b, err := newBuild(Options{Boxfile: mustParse(t, "FROM scratch\n"), Context: c.opts.Context, Cache: c.store.Cache(), Progress: noProgress{}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := openContext(c.opts.Context, DefaultEpoch)
	if err != nil {
		t.Fatal(err)
	}
	seen := &seenTree{sourceTree: tree, files: map[string]*seenFile{}}
	file, err := seen.lstat("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seen.digest(t.Context(), "a", file); err != nil {
		t.Fatal(err)
	}
	read := func() {
		r, err := seen.open("a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, 1); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if read(); seen.changed.Load() {
		t.Error("the file is as it was")
	}
	c.write("a", "b")
	if read(); !seen.changed.Load() {
		t.Error("the file has changed")
	}
	// Such a step is added, and not kept.
	s := newStage(b, &node{src: b.program.stages[0]})
	err = s.change(t.Context(), seed{1}, "COPY", func() (*madeLayer, error) { s.unsure = true; return nil, nil })
	if records, listErr := c.store.Cache().Records(); err != nil || listErr != nil || len(records) > 0 {
		t.Errorf("%d records, %v, %v", len(records), err, listErr)
	}
}

func TestCancelledWhileDigesting(t *testing.T) {
	c := newCachedBuild(t, "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tree, err := openContext(c.opts.Context, DefaultEpoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := digestFile(ctx, tree, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The cache of one store serves another, through an image.
func TestImportedCache(t *testing.T) {
	const text = "FROM scratch AS a\nCOPY a /a\nFROM scratch\nCOPY --from=a /a /b\nRUN write /c c\n"
	c := newCachedBuild(t, "a")
	first := c.build(text)
	img, err := c.store.Cache().Image(first.Records)
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.Validate(img); err != nil {
		t.Error(err)
	}
	other := newCachedBuild(t, "a")
	opts := other.opts
	opts.Cache, opts.Boxfile = other.store.Cache(), mustParse(t, text)
	if err := opts.Cache.Import(img); err != nil {
		t.Fatal(err)
	}
	res, err := Build(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	other.want(res, "= COPY a /a\n= COPY --from=a /a /b\n= RUN write /c c\n")
	if res.Digest != first.Digest {
		t.Errorf("digest %s, want %s", res.Digest, first.Digest)
	}
	if n := len(first.TargetRecords); n == 0 || n >= len(first.Records) {
		t.Errorf("%d records of the target, %d in all", n, len(first.Records))
	}
	other.want(other.build(text), "= COPY a /a\n= COPY --from=a /a /b\n= RUN write /c c\n")
}

func TestImportOfAnyImage(t *testing.T) {
	c := newCachedBuild(t, "a")
	img := c.build("FROM scratch\nCOPY a /a\n").Image
	if err := c.store.Cache().Import(img); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkBuild(b *testing.B) {
	const files = 5000
	dir, store := b.TempDir(), newStore(b)
	for i := range files {
		writeFile(b, filepath.Join(dir, fmt.Sprintf("d%d/f%d.py", i/50, i)), []byte(strings.Repeat(fmt.Sprintf("x%d = %d\n", i, i), 40)))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	boxfile, err := Parse("Boxfile", strings.NewReader("FROM scratch\nCOPY . /app\n"))
	if err != nil {
		b.Fatal(err)
	}
	opts := Options{Boxfile: boxfile, Context: root, TempDir: store.TempDir(), DigestDir: b.TempDir()}
	for _, mode := range []string{"uncached", "cold", "cached"} {
		b.Run(mode, func(b *testing.B) {
			b.ReportAllocs()
			opts := opts
			if mode != "uncached" {
				opts.Cache, opts.NoCache = store.Cache(), mode == "cold"
			}
			for b.Loop() {
				if _, err := Build(b.Context(), opts); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What has a checksum is fetched once. What has none is asked for in every build, and taken from the cache if it is the same.
func TestCacheOfDownloads(t *testing.T) {
	const text = "from the web"
	requests, modified := 0, time.Unix(1e6, 0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.ServeContent(w, r, "", modified, strings.NewReader(text))
	}))
	defer server.Close()
	plain := "FROM scratch\nADD " + server.URL + "/file /\n"
	pinned := fmt.Sprintf("FROM scratch\nADD --checksum=sha256:%x %s/file /\n", sha256.Sum256([]byte(text)), server.URL)
	c := newCachedBuild(t)
	opts := c.opts
	opts.Cache = c.store.Cache()
	build := func(text string, wantCached bool, wantRequests int) string {
		t.Helper()
		requests = 0
		opts.Boxfile = mustParse(t, text)
		res, err := Build(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if requests != wantRequests || res.Steps[0].Cached != wantCached {
			t.Errorf("%s: %d requests, cached %t", text, requests, res.Steps[0].Cached)
		}
		return res.Digest.String()
	}
	build(plain, false, 1)
	build(plain, true, 1)
	first := build(pinned, false, 1)
	build(pinned, true, 0)
	// The time that the server tells is part of a layer. One with another time is not kept under what was known of the file.
	records, err := opts.Cache.Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if record.Layer != nil {
			key, err := hex.DecodeString(record.Key)
			if err == nil {
				err = opts.Cache.Forget(oci.CacheKey(key))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	modified = modified.Add(time.Hour)
	if build(pinned, false, 1) == first {
		t.Error("the layer does not have the time that the server tells")
	}
	modified = time.Unix(1e6, 0)
	if build(pinned, false, 1) != first {
		t.Error("the digest is not the one of before")
	}
	build(pinned, true, 0)
}

// Whether a download is unpacked is no property of the file.
func TestCacheTellsUnpackingApart(t *testing.T) {
	url := webServer(t).URL + "/a.tar.gz"
	c := newCachedBuild(t)
	packed := c.build("FROM scratch\nADD " + url + " /\n")
	unpacked := c.build("FROM scratch\nADD --unpack " + url + " /\n")
	if packed.Digest == unpacked.Digest {
		t.Error("both give the same box")
	}
}
