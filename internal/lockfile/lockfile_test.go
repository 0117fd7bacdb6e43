package lockfile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const holderVariable = "BOXER_TEST_LOCK"

// TestMain makes the test binary, if told to, a process that holds a lock until it is killed.
func TestMain(m *testing.M) {
	if name := os.Getenv(holderVariable); name != "" {
		if _, err := Exclusive(name); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("locked")
		bufio.NewReader(os.Stdin).ReadByte()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestLocks(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	for _, test := range []struct {
		held, wanted func(string) (*Lock, error)
		free         bool
	}{
		{Exclusive, TryExclusive, false},
		{Exclusive, TryShared, false},
		{Shared, TryExclusive, false},
		{Shared, TryShared, true},
	} {
		held, err := test.held(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := test.wanted(name)
		if test.free && err != nil || !test.free && !errors.Is(err, ErrLocked) {
			t.Errorf("free %v: %v", test.free, err)
		}
		if got != nil {
			got.Close()
		}
		held.Close()
		if got, err = test.wanted(name); err != nil {
			t.Errorf("after Close: %v", err)
		} else {
			got.Close()
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	held, err := Exclusive(name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	ended := make(chan error)
	go func() {
		_, err := ExclusiveUntil(ctx, name)
		ended <- err
	}()
	cancel(enough)
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("the wait ended with %v", err)
	}
	go func() {
		_, err := ExclusiveUntil(t.Context(), name)
		ended <- err
	}()
	held.Close()
	if err := <-ended; err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestLockEndsWithItsProcess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderVariable+"="+name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	if _, err := TryShared(name); !errors.Is(err, ErrLocked) {
		t.Errorf("while it lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	lock, err := Exclusive(name)
	if err != nil {
		t.Fatal(err)
	}
	lock.Close()
}

func TestLockWithoutDirectory(t *testing.T) {
	if _, err := Shared(filepath.Join(t.TempDir(), "missing", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
