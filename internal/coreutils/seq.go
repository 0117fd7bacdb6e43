package coreutils

import (
	"fmt"
	"strconv"
	"strings"
)

func seqMain(c *call) int {
	c.Args = endOptionsAtNumber(c.Args)
	opts, operands, status, done := c.parse("+s|separator: f|format: w|equal-width")
	if done {
		return status
	}
	switch {
	case len(operands) == 0:
		return c.missingOperand(nil)
	case len(operands) > 3:
		return c.usageError("extra operand %s", quote(operands[3]))
	}
	q := &sequence{call: c, o: flags(opts), sep: "\n", first: 1, step: 1}
	if sep, ok := q.o["s"]; ok {
		q.sep = sep
	}
	if status, ok := q.bounds(operands); !ok {
		return status
	}
	q.write()
	return 0
}

// endOptionsAtNumber puts "--" before a first operand that is a negative number.
func endOptionsAtNumber(args []string) []string {
	for i := 1; i < len(args) && strings.HasPrefix(args[i], "-") && args[i] != "--"; i++ {
		a := args[i]
		if len(a) > 1 && (isDigit(a[1]) || a[1] == '.') {
			return append(append(append([]string(nil), args[:i]...), "--"), args[i:]...)
		}
		if a == "-s" || a == "-f" {
			i++
		}
	}
	return args
}

// sequence is the numbers from first by step as far as last.
type sequence struct {
	*call
	o                 map[string]string
	sep               string
	first, step, last float64
	precision, width  int
}

// bounds reads [FIRST [STEP]] LAST. The digits after the point are those of FIRST and STEP.
func (q *sequence) bounds(operands []string) (status int, ok bool) {
	nums := make([]float64, len(operands))
	for i, a := range operands {
		v, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return q.usageError("invalid floating point argument: %s", quote(a)), false
		}
		nums[i] = v
		if _, frac, dot := strings.Cut(a, "."); dot && (i < len(operands)-1 || len(operands) == 1) {
			q.precision = max(q.precision, len(frac))
		}
	}
	q.last = nums[len(nums)-1]
	if len(nums) > 1 {
		q.first = nums[0]
	}
	if len(nums) == 3 {
		q.step = nums[1]
	}
	if q.step == 0 {
		return q.usageError("invalid Zero increment value: %s", quote(operands[1])), false
	}
	if set(q.o, "w") {
		q.width = max(len(fmt.Sprintf("%.*f", q.precision, q.first)), len(fmt.Sprintf("%.*f", q.precision, q.last)))
	}
	if f := q.o["f"]; f != "" && !isFloatFormat(f) {
		q.errorf("format %s has no %% directive for a number", quote(f))
		return 1, false
	}
	return 0, true
}

// isFloatFormat reports whether f holds one conversion such as %03g and no other.
func isFloatFormat(f string) bool {
	f = strings.ReplaceAll(f, "%%", "")
	_, spec, ok := strings.Cut(f, "%")
	if !ok || strings.Contains(spec, "%") {
		return false
	}
	rest := strings.TrimLeft(spec, "-+ #0123456789.")
	return rest != "" && len(spec)-len(rest) < 8 && strings.IndexByte("efgEFG", rest[0]) >= 0
}

func (q *sequence) write() {
	for i := 0.0; ; i++ {
		v := q.first + i*q.step
		// The tolerance takes in a last number that steps of a tenth only come near.
		if q.step > 0 && v > q.last+q.step*1e-10 || q.step < 0 && v < q.last+q.step*1e-10 || q.stopped() {
			if i > 0 {
				q.print("\n")
			}
			return
		}
		if i > 0 {
			q.print(q.sep)
		}
		if f := q.o["f"]; f != "" {
			q.printf(f, v)
		} else {
			q.printf("%0*.*f", q.width, q.precision, v)
		}
	}
}
