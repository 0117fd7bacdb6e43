package oci

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Set in processes that a test starts from its own binary: the store to work on.
const workerVariable = "BOXER_TEST_OCI_STORE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerVariable); dir != "" {
		if err := work(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work uses a store in every way, for ever or until standard input has a line. What it has told of with "+NAME" must be in
// the store from then on.
func work(dir string, acknowledge io.Writer) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	t := &workerT{}
	defer t.cleanup()
	stop := make(chan struct{})
	go func() { bufio.NewReader(os.Stdin).ReadString('\n'); close(stop) }()
	own := fmt.Sprint(os.Getpid())
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		name := fmt.Sprintf("kept:%s-%d", own, i)
		if err := workOnce(s, t, own, i, name); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
		fmt.Fprintf(acknowledge, "+%s\n", name)
	}
}

// workerT lets fixtures be made outside a test.
type workerT struct {
	testing.TB
	dirs []string
}

func (t *workerT) Helper()           {}
func (t *workerT) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (t *workerT) TempDir() string {
	dir := must(os.MkdirTemp("", "boxer-oci-"))
	t.dirs = append(t.dirs, dir)
	return dir
}

func (t *workerT) cleanup() {
	for _, dir := range t.dirs {
		os.RemoveAll(dir)
	}
	t.dirs = nil
}

func workOnce(s *Store, t *workerT, own string, i int, name string) error {
	defer t.cleanup()
	// Some layers are shared by all workers, some come and go.
	shared := layerOf(t, tarOf(t, tar.Header{Name: fmt.Sprint("shared", i%3), Size: 100_000}), Zstd)
	passing := layerOf(t, tarOf(t, tar.Header{Name: "passing", Size: 50_000}, tar.Header{Name: fmt.Sprint(own, i%2)}), Gzip)
	temporary := "temporary:" + own
	if _, err := s.Put(imageOf(t, shared, passing), temporary); err != nil {
		return err
	}
	if _, err := s.Put(imageOf(t, shared), name); err != nil {
		return err
	}
	img, err := s.Image(name)
	if err != nil {
		return err
	}
	if err := open(s, img); err != nil {
		return err
	}
	if err := workWithCache(s, own, i, shared, passing); err != nil {
		return err
	}
	var archive bytes.Buffer
	if err := s.Save(&archive, temporary); err != nil {
		return err
	}
	if _, err := s.Remove(temporary, RemoveOptions{}); err != nil {
		return err
	}
	if i%2 == 0 {
		if _, err := s.Load(&archive); err != nil {
			return err
		}
	}
	if _, err := s.GC(); err != nil && !errors.Is(err, ErrBusy) {
		return err
	}
	return nil
}

// workWithCache does to the cache what builds do.
func workWithCache(s *Store, own string, i int, layers ...v1.Layer) error {
	held, err := s.Hold()
	if err != nil {
		return err
	}
	cache := s.Cache()
	for n, layer := range layers {
		// Some keys are those of other workers, too.
		key := CacheKey(sha256.Sum256(fmt.Append(nil, n, i%3)))
		record, err := cache.Get(key)
		if err != nil {
			return errors.Join(err, held.Close())
		}
		if record == nil {
			record = &CacheRecord{Text: own}
			if err := cache.Put(key, record, layer); err != nil {
				return errors.Join(err, held.Close())
			}
		}
		opened, err := cache.Open(record)
		if err == nil {
			err = opened.Close()
		}
		if err != nil {
			return errors.Join(err, held.Close())
		}
	}
	if err := held.Close(); err != nil {
		return err
	}
	if _, err := cache.Prune(CachePolicy{MaxAge: KeepAll, Bytes: int64(i % 2 * 100_000)}); err != nil && !errors.Is(err, ErrBusy) {
		return err
	}
	return nil
}

func open(s *Store, img v1.Image) error {
	root, err := s.Rootfs(img)
	if err != nil {
		return err
	}
	if _, err := root.FS().Stat("/"); err != nil {
		return err
	}
	return root.Close()
}

// worker is a process that works on a store in dir. One that is killed leaves its temporary files in a place that goes with the test.
func worker(ctx context.Context, t *testing.T, dir string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+dir, "TMPDIR="+t.TempDir())
	return cmd
}

// Kill processes at random moments of their work on one store. Whatever they had done must be there, and all of it whole.
func TestKill(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	s := newStore(t)
	acknowledged := map[string]bool{}
	for range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		cmd := worker(ctx, t, s.Dir())
		stdin, stdout := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stdout)
		for lines.Scan() { // the first line says that it is at work
			acknowledged[strings.TrimPrefix(lines.Text(), "+")] = true
			time.AfterFunc(time.Duration(rand.IntN(30_000))*time.Microsecond, cancel)
		}
		stdin.Close()
		if err := cmd.Wait(); err == nil || stderr.Len() > 0 {
			t.Fatalf("the worker was not killed: %v\n%s", err, &stderr)
		}
		cancel()
		checkStore(t, s.Dir())
		checkCache(t, s)
	}
	for name := range acknowledged {
		img, err := s.Image(name)
		if err == nil {
			err = open(s, img)
		}
		if err != nil {
			t.Errorf("%s, which was stored: %v", name, err)
		}
	}
	if _, err := s.GC(); err != nil {
		t.Error(err)
	}
	if left := tempNames(t, s); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
	checkGarbage(t, s)
}

// checkGarbage demands that the store has nothing that no image has.
func checkGarbage(t *testing.T, s *Store) {
	t.Helper()
	live, err := s.mark(nil)
	if err == nil {
		err = s.markRecords(live)
	}
	if err != nil {
		t.Fatal(err)
	}
	checkCache(t, s)
	for _, name := range blobNames(t, s) {
		if !live.blobs[name] {
			t.Errorf("blob %s is left", name)
		}
	}
	for _, entry := range must(os.ReadDir(s.layerDir())) {
		if !live.layers[entry.Name()] {
			t.Errorf("opened layer %s is left", entry.Name())
		}
	}
}

// Several processes use one store at once.
func TestConcurrentProcesses(t *testing.T) {
	const processes, each = 3, 15
	s := newStore(t)
	var group sync.WaitGroup
	for range processes {
		group.Go(func() {
			cmd := worker(t.Context(), t, s.Dir())
			stdin, stdout := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			lines := bufio.NewScanner(stdout)
			for n := 0; lines.Scan(); n++ {
				if n == each {
					io.WriteString(stdin, "\n")
				}
				if _, err := s.Image(strings.TrimPrefix(lines.Text(), "+")); err != nil {
					t.Error(err)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, &stderr)
			}
		})
	}
	group.Wait()
	if _, err := s.GC(); err != nil {
		t.Error(err)
	}
	checkStore(t, s.Dir())
	checkGarbage(t, s)
}

func TestConcurrentGoroutines(t *testing.T) {
	s := newStore(t)
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 10 {
				if err := workOnce(s, &workerT{}, fmt.Sprint("g", g), i, fmt.Sprintf("kept:%d-%d", g, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if names := checkStore(t, s.Dir()); len(names) < 40 {
		t.Errorf("%d names", len(names))
	}
}
