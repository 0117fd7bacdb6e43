package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"boxer.dev/internal/registry/registrytest"
)

// boxer is a process of ours with a home of its own.
func boxer(ctx context.Context, home string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "boxer", args...)
	command.Env = append(os.Environ(), "BOXER_HOME="+home, "BOXER_CACHE="+filepath.Join(home, "cache"), "DOCKER_CONFIG="+home)
	return command
}

func mustBoxer(t *testing.T, home string, args ...string) string {
	t.Helper()
	command := boxer(t.Context(), home, args...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.Output()
	if err != nil {
		t.Fatalf("boxer %s: %v\n%s%s", strings.Join(args, " "), err, stdout, &stderr)
	}
	return string(stdout) + stderr.String()
}

// interrupter lets content through until some bytes of it have passed, then calls interrupt.
type interrupter struct {
	method    string
	after     atomic.Int64
	interrupt atomic.Pointer[func()]
}

func (i *interrupter) wrap(inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.interrupt.Load() == nil || r.Method != i.method || !strings.Contains(r.URL.Path, "/blobs/") {
			inner.ServeHTTP(w, r)
			return
		}
		r.Body = &interruptedBody{r.Body, i}
		inner.ServeHTTP(&interruptedWriter{w, i}, r)
	})
}

// pass takes note of bytes.
func (i *interrupter) pass(n int) {
	if i.after.Add(int64(-n)) > 0 {
		return
	}
	if interrupt := i.interrupt.Swap(nil); interrupt != nil {
		(*interrupt)()
	}
}

type interruptedBody struct {
	io.ReadCloser
	*interrupter
}

func (b *interruptedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.pass(n)
	return n, err
}

type interruptedWriter struct {
	http.ResponseWriter
	*interrupter
}

func (w *interruptedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.ResponseWriter.(http.Flusher).Flush()
	w.pass(n)
	return n, err
}

// Pulls and pushes that are killed at any moment leave a store that is whole, and the next attempt finishes.
func TestKilledPullAndPush(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	pulling, pushing := &interrupter{method: http.MethodGet}, &interrupter{method: http.MethodPatch}
	server := registrytest.Start(t, registrytest.Options{Debian: true, Wrap: func(inner http.Handler) http.Handler {
		return pulling.wrap(pushing.wrap(inner))
	}})
	from, to := t.TempDir(), t.TempDir()
	ref := server.Host + "/app"
	context := t.TempDir()
	content := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	for name, data := range map[string][]byte{"Boxfile": []byte("FROM scratch\nCOPY data /\n"), "data": content} {
		if err := os.WriteFile(filepath.Join(context, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustBoxer(t, from, "build", "-q", "--compression", "gzip", "-t", ref, context)
	whole := blobSize(t, from)
	for _, part := range []int64{1, whole / 3, whole - 100} {
		killed(t, pushing, part, from, "push", ref)
		mustBoxer(t, from, "doctor", "--deep")
	}
	mustBoxer(t, from, "push", ref)
	for _, part := range []int64{1, whole / 3, whole / 3} { // of what is left
		killed(t, pulling, part, to, "pull", ref)
		mustBoxer(t, to, "doctor", "--deep")
		if list := mustBoxer(t, to, "images", "-q"); list != "" {
			t.Errorf("a pull that was killed left %s", list)
		}
	}
	if told := mustBoxer(t, to, "doctor"); !strings.Contains(told, "1 unfinished downloads") {
		t.Errorf("nothing is left of the pulls that were killed:\n%s", told)
	}
	mustBoxer(t, to, "pull", ref)
	mustBoxer(t, to, "doctor", "--deep")
	mustBoxer(t, to, "inspect", ref)
}

// killed runs boxer, and kills it when some bytes have passed.
func killed(t *testing.T, at *interrupter, bytes int64, home string, args ...string) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	dead := make(chan struct{})
	interrupt := func() { kill(); <-dead }
	at.after.Store(bytes)
	at.interrupt.Store(&interrupt)
	output, err := boxer(ctx, home, args...).CombinedOutput()
	close(dead)
	if ctx.Err() == nil {
		t.Fatalf("boxer %s was not killed: %v\n%s", strings.Join(args, " "), err, output)
	}
	at.interrupt.Store(nil)
}

// blobSize is the size of the largest blob of a store.
func blobSize(t *testing.T, home string) (largest int64) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(home, "images", "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, info.Size())
	}
	if largest < 100_000 {
		t.Fatalf("the largest blob has %d bytes only", largest)
	}
	return largest
}
