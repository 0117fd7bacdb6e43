package wasi

import (
	"context"
	"errors"
	"runtime"

	"github.com/tetratelabs/wazero/sys"
)

// procExit ends the run with a *sys.ExitError. Only the low eight bits of the
// status count, as in POSIX, which also keeps it apart from the codes that
// wazero reserves for the end of the context. The module stays open.
func procExit(c call) errno {
	panic(sys.NewExitError(c.u32(0) & 0xff))
}

// Numbers of signals in preview 1; up to 15 they are Linux's.
const (
	signalChild    = 16
	signalContinue = 17
	signalStop     = 18
	signalTtyOut   = 21
	signalUrgent   = 22
	signalWinch    = 27
	signalLast     = 30
)

// procRaise does what the default action of the signal is: nothing, or the end
// of the run with status 128+signal. There is nobody to stop for.
func procRaise(c call) errno {
	switch sig := c.u32(0); {
	case sig == 0, sig == signalChild, sig == signalContinue, sig == signalUrgent, sig == signalWinch:
		return 0
	case sig > signalLast:
		return errnoInval
	case sig >= signalStop && sig <= signalTtyOut:
		return errnoNotsup
	default:
		panic(sys.NewExitError(128 + sig))
	}
}

func schedYield(c call) errno {
	c.endWith(c.ctx.Err())
	runtime.Gosched()
	return 0
}

// endWith ends the run if err is the context's.
func (c call) endWith(err error) {
	if err == nil || c.ctx.Err() == nil {
		return
	}
	code := sys.ExitCodeContextCanceled
	if errors.Is(c.ctx.Err(), context.DeadlineExceeded) {
		code = sys.ExitCodeDeadlineExceeded
	}
	panic(sys.NewExitError(code))
}
