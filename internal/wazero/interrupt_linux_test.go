//go:build amd64 || arm64

package wazero_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	goruntime "runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sys/unix"
)

// endless is a module whose function f never ends: it goes round, calls itself as deep as that goes, or moves memory.
func endless(f ...byte) []byte {
	code := slices.Concat([]byte{0}, f, []byte{0x0b})
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 0, 0})),
		section(3, []byte{1, 0}),
		section(5, []byte{1, 0, 16}),
		section(7, vector(append(text("f"), 0, 0))),
		section(10, vector(sized(code))))
}

// compiledLoop is one that goes round, for a runtime that the test closes.
func compiledLoop(t *testing.T) (wazero.Runtime, wazero.CompiledModule) {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler())
	t.Cleanup(func() { r.Close(context.Background()) })
	compiled, err := r.CompileModule(t.Context(), endless(0x03, 0x40, 0x0c, 0, 0x0b))
	if err != nil {
		t.Fatal(err)
	}
	return r, compiled
}

// copies is one that copies within its memory, which Go's memmove does.
func copies(to, from, size uint32) []byte {
	loop := []byte{0x03, 0x40}
	for _, n := range []uint32{to, from, size} {
		loop = append(loop, 0x41, byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)|0x80, byte(n>>21)) // i32.const
	}
	return endless(append(loop, 0xfc, 0x0a, 0, 0, 0x0c, 0, 0x0b)...)
}

func interrupt(m api.Module) { m.(interface{ Interrupt() }).Interrupt() }

// calling calls a function that takes and gives nothing; its end can be waited for.
func calling(ctx context.Context, m api.Module) <-chan error {
	done := make(chan error)
	go func() {
		_, err := m.ExportedFunction("f").Call(ctx)
		done <- err
	}()
	return done
}

// untilDone interrupts an instance until its call is over, which a few times should be enough for.
func untilDone(m api.Module, done <-chan error) error {
	for range 10_000 {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Millisecond):
			interrupt(m)
		}
	}
	panic("interrupts do not end it")
}

// A call that would never end does, with the error of its context if that has ended.
func TestInterruptEndsWhatNeverEnds(t *testing.T) {
	needPatches(t)
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer r.Close(ctx)
	for name, module := range map[string][]byte{
		"loop":             endless(0x03, 0x40, 0x0c, 0, 0x0b),
		"copies":           copies(1, 0, 63),
		"large copies":     copies(0, 16, 1<<20-16),
		"copies backwards": copies(16, 0, 1<<20-16),
		"growing":          endless(0x03, 0x40, 0x41, 0, 0x40, 0, 0x1a, 0x0c, 0, 0x0b), // loop memory.grow by nothing
	} {
		t.Run(name, func(t *testing.T) {
			compiled, err := r.CompileModule(ctx, module)
			if err != nil {
				t.Fatal(err)
			}
			for _, canceled := range []bool{false, true} {
				m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
				if err != nil {
					t.Fatal(err)
				}
				running, cancel := context.WithCancel(ctx)
				done := calling(running, m)
				if canceled {
					cancel()
				}
				if err := untilDone(m, done); err == nil || errors.Is(err, context.Canceled) != canceled {
					t.Errorf("it ended with %v", err)
				}
				cancel()
				interrupt(m) // nothing goes on
				if err := m.Close(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestInterruptLeavesOthersAlone interrupts calls at any moment: while they go deep, call the host, have their stack moved, and end. Calls
// of the same module beside them, and what a call gives that came to its end before, are as they would be.
func TestInterruptLeavesOthersAlone(t *testing.T) {
	needPatches(t)
	const locals, rounds = 3, 150
	r := withBottom(t)
	compiled, err := r.CompileModule(t.Context(), recursion(locals))
	if err != nil {
		t.Fatal(err)
	}
	instance := func() api.Module {
		m, err := r.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Error(err)
		}
		return m
	}
	var victims, others sync.WaitGroup
	over := make(chan struct{})
	for seed := range uint64(2) {
		others.Go(func() {
			m, dice := instance(), rand.New(rand.NewPCG(seed, 2))
			for {
				select {
				case <-over:
					return
				default:
					goDeep(t, dice, m.ExportedFunction("f"), locals)
				}
			}
		})
	}
	var interrupted int
	var counting sync.Mutex
	for seed := range uint64(2) {
		victims.Go(func() {
			dice := rand.New(rand.NewPCG(seed, 3))
			for range rounds {
				m, depth := instance(), 1+dice.Uint64N(100_000)
				b := bottom{locals: locals, then: []uint64{dice.Uint64N(1000), dice.Uint64N(20_000)}}
				done := make(chan error)
				go func() {
					results, err := m.ExportedFunction("f").Call(context.WithValue(t.Context(), bottomKey{}, b), depth, 1)
					if err == nil && results[0] != b.want(depth, 1) {
						t.Errorf("f(%d) gave %d, not %d", depth, results[0], b.want(depth, 1))
					}
					done <- err
				}()
				time.Sleep(time.Duration(dice.IntN(2000)) * time.Microsecond)
				if untilDone(m, done) != nil {
					counting.Lock()
					interrupted++
					counting.Unlock()
				}
				if dice.IntN(10) == 0 {
					goruntime.GC()
				}
				if err := m.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	victims.Wait()
	close(over)
	others.Wait()
	if interrupted == 0 || interrupted == 2*rounds {
		t.Errorf("%d of %d calls were interrupted", interrupted, 2*rounds)
	}
}

// interruptSignal is what machine code is interrupted by.
const interruptSignal = unix.SIGPWR

// withBlocked has the test's thread, and what it starts, not get the signal while it does something: they answer to nobody.
func withBlocked(t *testing.T, do func()) {
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	var blocked, before unix.Sigset_t
	blocked.Val[0] = 1 << (interruptSignal - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &before); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
			t.Error(err)
		}
	}()
	do()
}

// An instance that was interrupted is nobody's when it has been closed, though a thread has yet to look whether it was meant.
func TestInterruptedInstanceIsLetGo(t *testing.T) {
	needPatches(t)
	ctx := t.Context()
	r, compiled := compiledLoop(t)
	var its weak.Pointer[byte]
	withBlocked(t, func() {
		m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		memory, _ := m.Memory().Read(0, 1)
		its = weak.Make(&memory[0])
		if err := untilDone(m, calling(ctx, m)); err == nil {
			t.Error("it ended by itself")
		}
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	for range 100 { // the goroutine that called it may not be over
		if goruntime.GC(); its.Value() == nil {
			return
		}
	}
	t.Error("its memory is still there")
}

// Whoever ignores all signals, or asks to be told of all, keeps nothing from being interrupted, and is told of no interrupt.
func TestInterruptIsNobodyElsesSignal(t *testing.T) {
	needPatches(t)
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	defer r.Close(ctx)
	ends := func() {
		m, err := r.Instantiate(ctx, endless(0x03, 0x40, 0x0c, 0, 0x0b))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close(ctx)
		if err := untilDone(m, calling(ctx, m)); err == nil {
			t.Error("it ended by itself")
		}
	}
	told := make(chan os.Signal, 100)
	ends()
	signal.Ignore(interruptSignal)
	ends()
	signal.Ignore(interruptSignal)
	signal.Notify(told, interruptSignal)
	defer signal.Stop(told)
	ends()
	if len(told) > 0 {
		t.Errorf("told of %v", <-told)
	}
	if err := syscall.Kill(os.Getpid(), interruptSignal); err != nil {
		t.Fatal(err)
	}
	<-told // one that is not sent to a thread is somebody else's
}

// A process that does not get the signal, since whoever started it has blocked it, says that it cannot interrupt, and sends none.
func TestInterruptsAreKnownToBeBlocked(t *testing.T) {
	needPatches(t)
	const inner = "TEST_INTERRUPT_BLOCKED"
	if os.Getenv(inner) == "" {
		if !interrupts(t) {
			t.Error("here they should work")
		}
		withBlocked(t, func() {
			again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
			again.Env = append(os.Environ(), inner+"=yes")
			if output, err := again.CombinedOutput(); errors.Is(err, syscall.ENOEXEC) {
				t.Skip("this is run by an emulator, which does not run what is started from within")
			} else if err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
		return
	}
	if interrupts(t) {
		t.Error("they are blocked")
	}
}

// Nor can a process that sees another namespace's /proc, where its threads have other numbers.
func TestInterruptsNeedTheProcessesOwnProc(t *testing.T) {
	needPatches(t)
	const inner = "TEST_INTERRUPT_NAMESPACE"
	if os.Getenv(inner) != "" {
		if interrupts(t) {
			t.Error("the threads that it would send signals to are others'")
		}
		return
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), inner+"=yes")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID}
	output, err := again.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.ENOEXEC) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("no namespace can be had here: %v", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func interrupts(t *testing.T) bool {
	r := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigCompiler())
	defer r.Close(t.Context())
	return r.(interface{ Interrupts() bool }).Interrupts()
}

// More calls than processors end, all at the same time, and than are sought at once.
func TestInterruptEndsManyAtOnce(t *testing.T) {
	needPatches(t)
	ctx := t.Context()
	r, compiled := compiledLoop(t)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for range 100 {
		m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
		if err != nil {
			t.Fatal(err)
		}
		done := calling(ctx, m)
		all.Go(func() {
			<-begin
			if err := untilDone(m, done); err == nil {
				t.Error("it ended by itself")
			}
		})
	}
	close(begin)
	all.Wait()
}
