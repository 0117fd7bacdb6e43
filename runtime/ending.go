package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/tetratelabs/wazero/sys"
)

const (
	wasmError     = "wasm error: "
	stackOverflow = "stack overflow" // the one trap that the engine reports bare, without a backtrace
)

// ending turns what the engine says about the end of a program into what Run returns.
func (m metering) ending(ctx context.Context, name string, err error) error {
	var exit *sys.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		if killed, ok := context.Cause(ctx).(*killedBy); ok {
			return killed.exit()
		}
		return fmt.Errorf("%q was stopped: %w", name, ended(ctx))
	case errors.Is(err, ErrOutOfFuel):
		return fmt.Errorf("%q was stopped: %w", name, ErrOutOfFuel)
	case errors.As(err, &exit):
		if code := int(exit.ExitCode() & 0xff); code != 0 { // as wait(2) has it
			return &ExitError{Code: code}
		}
		return nil
	}
	account := err.Error()
	if account == stackOverflow {
		account = wasmError + account
	}
	if trap := parseTrap(account, m.imports()); trap != nil {
		trap.Program = name
		return trap
	}
	return fmt.Errorf("running %q: %w", name, err)
}

// ended is the end of a context as an error: its text is the cause, and both the cause and the kind of end can be asked
// for.
func ended(ctx context.Context) error { return stopped{ctx.Err(), context.Cause(ctx)} }

type stopped struct{ kind, cause error }

func (e stopped) Error() string   { return e.cause.Error() }
func (e stopped) Unwrap() []error { return []error{e.kind, e.cause} }

// parseTrap reads the engine's account of a trap: "wasm error: REASON\nwasm stack trace:\n\tFRAME\n\tFRAME". It exists
// as text only. An account without that beginning is not of a trap, but of a failure in the host. imports is how many functions
// the program has been given to import, of which its author knows nothing.
func parseTrap(account string, imports int) *TrapError {
	_, account, found := strings.Cut(account, wasmError)
	if !found {
		return nil
	}
	reason, account, _ := strings.Cut(account, "\n")
	trap := &TrapError{Reason: reason}
	if _, stack, found := strings.Cut(account, "\n\t"); found {
		for _, frame := range strings.Split(stack, "\n\t") {
			trap.Frames = append(trap.Frames, printable(ownFrame(frame, imports)))
		}
	}
	return trap
}

// ownFrame is a line of a backtrace, "MODULE.NAME(TYPES)" or "MODULE.$INDEX(TYPES)", as the program's author has it: a program has no
// name as a module, and its functions come after those that it imports.
func ownFrame(frame string, imports int) string {
	frame = strings.TrimPrefix(frame, ".")
	index, types, found := strings.Cut(frame, "(")
	if n, err := strconv.Atoi(strings.TrimPrefix(index, "$")); found && err == nil && index[0] == '$' {
		return fmt.Sprintf("$%d(%s", n-imports, types)
	}
	return frame
}

const maxFrame = 200 // bytes of a line of a backtrace

// printable makes a name that a guest chose harmless to terminals and short.
func printable(text string) string {
	if len(text) > maxFrame {
		text = text[:maxFrame] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '\uFFFD'
		}
		return r
	}, text)
}
