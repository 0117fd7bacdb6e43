package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/internal/lockfile"
	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/oci"
)

// fault is what a test does to a request; false lets it pass.
type fault func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool

// faulty is a registry with faults, and the requests that it got.
type faulty struct {
	*registrytest.Server
	lock     sync.Mutex
	fault    fault
	requests []string
}

func startFaulty(t testing.TB, o registrytest.Options) *faulty {
	t.Helper()
	f := &faulty{}
	o.Wrap = func(inner http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.lock.Lock()
			f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")+r.Header.Get("Content-Range")))
			fault := f.fault
			f.lock.Unlock()
			if fault == nil || !fault(w, r, inner) {
				inner.ServeHTTP(w, r)
			}
		})
	}
	f.Server = registrytest.Start(t, o)
	return f
}

// with sets a fault and forgets the requests so far.
func (f *faulty) with(fault fault) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.fault, f.requests = fault, nil
}

// count counts the requests so far that begin with a method and have a text in them.
func (f *faulty) count(method, text string) (n int) {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, request := range f.requests {
		if strings.HasPrefix(request, method+" ") && strings.Contains(request, text) {
			n++
		}
	}
	return n
}

// times lets a fault happen n times.
func times(n int64, f fault) fault {
	var done atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		return done.Add(1) <= n && f(w, r, inner)
	}
}

// on limits a fault to some requests.
func on(method, text string, f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		return r.Method == method && strings.Contains(r.URL.Path, text) && f(w, r, inner)
	}
}

// brokenOff answers, and dies after some bytes of content.
func brokenOff(after int) fault {
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		inner.ServeHTTP(&brokenWriter{w, after}, r)
		return true
	}
}

type brokenWriter struct {
	http.ResponseWriter
	left int
}

func (b *brokenWriter) Write(p []byte) (int, error) {
	n, err := b.ResponseWriter.Write(p[:min(len(p), b.left)])
	if b.left -= n; b.left == 0 {
		b.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, err
}

// unread dies after it took some bytes of an upload.
func unread(after int64) fault {
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		content, _ := io.ReadAll(io.LimitReader(r.Body, after))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
		inner.ServeHTTP(&discarded{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
}

type discarded struct{ header http.Header }

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(int)             {}

// answer answers with a status, and perhaps Retry-After.
func answer(status int, retryAfter string) fault {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		io.Copy(io.Discard, r.Body)
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, `{"errors":[{"code":"UNAVAILABLE","message":"not now"}]}`, status)
		return true
	}
}

const large = 3 << 20

// published is a registry of some kind with an image of a large layer.
func published(t *testing.T, o registrytest.Options) (server *faulty, ref string, layer v1.Layer) {
	t.Helper()
	server = startFaulty(t, o)
	client, _ := impatient(Options{})
	store := newStore(t)
	ref, layer = server.Host+"/app", layerOf(t, "large", large)
	_, err := client.Push(t.Context(), store, stored(t, store, ref, layer), ref)
	check(t, err)
	server.with(nil)
	return server, ref, layer
}

func digestOfLayer(t *testing.T, layer v1.Layer) string {
	t.Helper()
	digest, err := layer.Digest()
	check(t, err)
	return digest.String()
}

// both are the registries that fault tests run against.
var both = map[string]registrytest.Options{"memory": {}, "Debian's": {Debian: true}}

// A registry that dies in the middle of a blob is asked for the rest.
func TestDownloadBreaksOff(t *testing.T) {
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			server, ref, layer := published(t, o)
			server.with(on("GET", digestOfLayer(t, layer), times(2, brokenOff(1<<20))))
			client, pauses := impatient(Options{})
			store := newStore(t)
			_, err := client.Pull(t.Context(), store, ref)
			check(t, err)
			whole(t, store, ref)
			if n := server.count("GET", "bytes="); n != 2 || len(*pauses) != 2 {
				t.Errorf("%d range requests, %d pauses, want 2 of each: %q", n, len(*pauses), server.requests)
			}
			if moved := client.options.Stats.Bytes.Load(); moved > large+64<<10 {
				t.Errorf("%d bytes were moved of %d", moved, large)
			}
		})
	}
}

// What a pull that failed for good has got, the next one has not to get again, in another process either.
func TestNextPullGoesOnWhereTheLastOneFailed(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	store := newStore(t)
	server.with(on("GET", digestOfLayer(t, layer), times(1, brokenOff(2<<20))))
	client, _ := impatient(Options{Backoff: Backoff{Attempts: 1}})
	if _, err := client.Pull(t.Context(), store, ref); err == nil {
		t.Fatal("the pull did not fail")
	}
	if _, err := store.Image(ref); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("an image that is not whole has a name: %v", err)
	}
	again, err := oci.Open(store.Dir())
	check(t, err)
	client, _ = impatient(Options{})
	_, err = client.Pull(t.Context(), again, ref)
	check(t, err)
	whole(t, again, ref)
	if moved := client.options.Stats.Bytes.Load(); moved > large-2<<20+64<<10 {
		t.Errorf("%d bytes were moved, though 2 MiB of %d were there", moved, large)
	}
}

// What is left of a pull may be damaged: then it is of no use, and of no harm.
func TestDamagedRestIsNotUsed(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	store := newStore(t)
	digest, err := layer.Digest()
	check(t, err)
	for name, rest := range map[string]int{"shorter": 1 << 20, "complete": large, "longer": large + 1<<20} {
		t.Run(name, func(t *testing.T) {
			server.with(nil)
			check(t, os.WriteFile(filepath.Join(store.TempDir(), digest.Hex+".partial"), make([]byte, rest), 0o600))
			client, _ := impatient(Options{})
			_, err = client.Pull(t.Context(), store, ref)
			check(t, err)
			whole(t, store, ref)
			_, err = store.Remove(ref, oci.RemoveOptions{})
			check(t, err)
			_, err = store.GC()
			check(t, err)
		})
	}
}

// A registry that knows no ranges is read from the start, and what was read is skipped.
func TestRegistryWithoutRanges(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	broken := times(1, brokenOff(1<<20))
	server.with(on("GET", digestOfLayer(t, layer), func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		r.Header.Del("Range")
		return broken(w, r, inner)
	}))
	client, _ := impatient(Options{})
	store := newStore(t)
	_, err := client.Pull(t.Context(), store, ref)
	check(t, err)
	whole(t, store, ref)
}

// A registry that dies in the middle of an upload gets the rest, if it can say what it has, else all of it.
func TestUploadBreaksOff(t *testing.T) {
	for name, o := range both {
		t.Run(name, func(t *testing.T) {
			server := startFaulty(t, o)
			client, pauses := impatient(Options{})
			store := newStore(t)
			ref := server.Host + "/app"
			server.with(on("PATCH", "", times(2, unread(1<<20))))
			_, err := client.Push(t.Context(), store, stored(t, store, ref, layerOf(t, "large", large)), ref)
			check(t, err)
			if len(*pauses) == 0 {
				t.Error("nothing broke off")
			}
			to := newStore(t)
			_, err = client.Pull(t.Context(), to, ref)
			check(t, err)
			whole(t, to, ref)
		})
	}
}

// tellsStatus adds to the registry in memory what the specification wants of registries and it has not: to tell how much of an
// upload it has.
func tellsStatus() fault {
	var lock sync.Mutex
	has := map[string]int64{}
	breaks := times(2, unread(1<<20))
	return func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
		lock.Lock()
		defer lock.Unlock()
		switch {
		case !strings.Contains(r.URL.Path, "/blobs/uploads/"):
			return false
		case r.Method == http.MethodGet:
			w.Header().Set("Location", r.URL.Path)
			w.Header().Set("Range", "0-"+strconv.FormatInt(has[r.URL.Path]-1, 10))
			w.WriteHeader(http.StatusNoContent)
			return true
		case r.Method == http.MethodPatch && r.ContentLength > 1<<20:
			has[r.URL.Path] += 1 << 20
			return breaks(w, r, inner)
		}
		return false
	}
}

// A registry that can tell what it has of an upload gets the rest only.
func TestUploadIsResumed(t *testing.T) {
	server := startFaulty(t, registrytest.Options{})
	client, _ := impatient(Options{})
	store := newStore(t)
	ref := server.Host + "/app"
	server.with(tellsStatus())
	_, err := client.Push(t.Context(), store, stored(t, store, ref, layerOf(t, "large", large)), ref)
	check(t, err)
	if server.count("PATCH", " 1048576-") != 1 || server.count("PATCH", " 2097152-") != 1 {
		t.Errorf("the upload was not resumed: %q", server.requests)
	}
	server.with(nil)
	to := newStore(t)
	_, err = client.Pull(t.Context(), to, ref)
	check(t, err)
	whole(t, to, ref)
}

// The answer to the last request of an upload gets lost: the blob is there, and is not sent again.
func TestAnswerGetsLost(t *testing.T) {
	server := startFaulty(t, registrytest.Options{Debian: true})
	client, _ := impatient(Options{})
	store := newStore(t)
	ref := server.Host + "/app"
	server.with(on("PUT", "/blobs/uploads/", times(2, unread(1<<30))))
	_, err := client.Push(t.Context(), store, stored(t, store, ref, layerOf(t, "large", large)), ref)
	check(t, err)
	if n := server.count("PATCH", ""); n != 2 {
		t.Errorf("%d uploads, want 2", n)
	}
}

// Every request is answered by an error at first.
func TestStorm(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			server := startFaulty(t, registrytest.Options{Debian: true})
			client, pauses := impatient(Options{})
			var lock sync.Mutex
			seen := map[string]int{}
			server.with(func(w http.ResponseWriter, r *http.Request, inner http.Handler) bool {
				lock.Lock()
				key := r.Method + strings.TrimRight(r.URL.Path, "0123456789abcdef-")
				seen[key]++
				fails := seen[key]%3 != 0
				lock.Unlock()
				return fails && answer(status, "")(w, r, inner)
			})
			store, to := newStore(t), newStore(t)
			ref := server.Host + "/app"
			_, err := client.Push(t.Context(), store, stored(t, store, ref, layerOf(t, "a", 1000)), ref)
			check(t, err)
			_, err = client.Pull(t.Context(), to, ref)
			check(t, err)
			whole(t, to, ref)
			if len(*pauses) < 6 {
				t.Errorf("only %d pauses", len(*pauses))
			}
		})
	}
}

// A registry that never recovers is given up, after pauses that grow.
func TestGivingUp(t *testing.T) {
	server := startFaulty(t, registrytest.Options{})
	server.with(answer(http.StatusServiceUnavailable, ""))
	client, pauses := impatient(Options{Backoff: Backoff{Attempts: 5, First: time.Second}})
	_, err := client.Pull(t.Context(), newStore(t), server.Host+"/app")
	if err == nil || !strings.Contains(err.Error(), "not now") {
		t.Errorf("%v", err)
	}
	for n, pause := range (*pauses)[:4] {
		if low := time.Second << n; pause < low || pause > low*5/4 {
			t.Errorf("pause %d is %v", n, pause)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	server, ref, _ := published(t, registrytest.Options{})
	server.with(on("GET", "/manifests/", times(1, answer(http.StatusTooManyRequests, "17"))))
	client, pauses := impatient(Options{})
	_, err := client.Pull(t.Context(), newStore(t), ref)
	check(t, err)
	if want := []time.Duration{17 * time.Second}; !slices.Equal(*pauses, want) {
		t.Errorf("paused %v, want %v", *pauses, want)
	}
	server.with(on("GET", "/manifests/", answer(http.StatusTooManyRequests, "86400")))
	_, err = client.Pull(t.Context(), newStore(t), ref)
	if err == nil || !strings.Contains(err.Error(), "24h") {
		t.Errorf("%v", err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if got := parseRetryAfter("Fri, 02 Jan 2026 03:05:05 GMT", now); got != time.Minute {
		t.Errorf("a date a minute away is %v", got)
	}
}

// Many pulls of one image at once, in as many processes as there are store handles: each blob moves once.
func TestPullsAtOnce(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	dir := newStore(t).Dir()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			store, err := oci.Open(dir)
			if err == nil {
				client, _ := impatient(Options{})
				_, err = client.Pull(t.Context(), store, ref)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := server.count("GET", digestOfLayer(t, layer)); n != 1 {
		t.Errorf("the layer was asked for %d times", n)
	}
	store, err := oci.Open(dir)
	check(t, err)
	whole(t, store, ref)
}

// A registry that falls silent in the middle of a blob is left, and asked again.
func TestStall(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	silent := times(1, func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		w.Write(make([]byte, 0))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	server.with(on("GET", digestOfLayer(t, layer), silent))
	client, pauses := impatient(Options{Backoff: Backoff{Stall: 50 * time.Millisecond}})
	store := newStore(t)
	_, err := client.Pull(t.Context(), store, ref)
	check(t, err)
	whole(t, store, ref)
	if len(*pauses) == 0 {
		t.Error("it did not fall silent")
	}
}

// Who cancels is not kept waiting by another process that fetches the same layer.
func TestCancelWhileAnotherFetches(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	digest, err := layer.Digest()
	check(t, err)
	store := newStore(t)
	other, err := lockfile.Exclusive(filepath.Join(store.TempDir(), digest.Hex+".partial.lock"))
	check(t, err)
	defer other.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	client, _ := impatient(Options{})
	ended := make(chan error)
	go func() {
		_, err := client.Pull(ctx, store, ref)
		ended <- err
	}()
	cancel(errors.New("enough"))
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("%v", err)
	}
	if n := server.count("GET", digestOfLayer(t, layer)); n != 0 {
		t.Errorf("the layer was asked for %d times", n)
	}
}

// Who cancels is not kept waiting by a registry that sends nothing.
func TestCancel(t *testing.T) {
	server, ref, layer := published(t, registrytest.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	server.with(on("GET", digestOfLayer(t, layer), func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		cancel(errors.New("enough"))
		<-r.Context().Done()
		return true
	}))
	client, _ := impatient(Options{})
	if _, err := client.Pull(ctx, newStore(t), ref); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("%v", err)
	}
}

// The disk is full in the middle of a pull: nothing of it stays, what is in the store stays whole, and there is a next time.
func TestDiskFull(t *testing.T) {
	_, ref, _ := published(t, registrytest.Options{})
	dir, grow := smallDisk(t, large/2)
	store, err := oci.Open(filepath.Join(dir, "images"))
	check(t, err)
	small := stored(t, store, "small", layerOf(t, "small", 10))
	client, _ := impatient(Options{})
	if _, err := client.Pull(t.Context(), store, ref); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatalf("%v", err)
	}
	check(t, oci.Validate(small))
	if left, err := filepath.Glob(filepath.Join(store.TempDir(), "*.partial")); err != nil || len(left) > 0 {
		t.Errorf("%q keep the disk full", left)
	}
	grow(8 * large)
	_, err = client.Pull(t.Context(), store, ref)
	check(t, err)
	whole(t, store, ref)
}
