package coreutils

import (
	"errors"
	"math/big"
	"slices"
	"strings"
)

func exprMain(c *call) int {
	args := c.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		c.missingOperand(nil)
		return statusUsage
	}
	e := &exprParser{args: args, stopped: c.stopped}
	v, err := e.binary(0)
	if err == nil && len(e.args) > 0 {
		err = errors.New("syntax error: unexpected argument " + quote(e.args[0]))
	}
	if err != nil {
		c.errorf("%v", err)
		return 2
	}
	c.print(v + "\n")
	if exprFalse(v) {
		return 1
	}
	return 0
}

func exprFalse(v string) bool {
	if v == "" {
		return true
	}
	n, ok := exprNumber(v)
	return ok && n.Sign() == 0
}

func exprNumber(s string) (*big.Int, bool) {
	if s == "" || len(s) > 10000 || strings.Trim(strings.TrimPrefix(s, "-"), "0123456789") != "" {
		return nil, false
	}
	return new(big.Int).SetString(s, 10)
}

type exprParser struct {
	args    []string
	depth   int
	stopped func() bool
}

// exprLevels are the operators of expr from the loosest to the tightest.
var exprLevels = [][]string{{"|"}, {"&"}, {"<", "<=", "=", "==", "!=", ">=", ">"}, {"+", "-"}, {"*", "/", "%"}, {":"}}

func (e *exprParser) binary(level int) (string, error) {
	if level == len(exprLevels) {
		return e.primary()
	}
	left, err := e.binary(level + 1)
	for err == nil && len(e.args) > 0 && slices.Contains(exprLevels[level], e.args[0]) {
		op := e.args[0]
		e.args = e.args[1:]
		var right string
		if right, err = e.binary(level + 1); err == nil {
			left, err = e.apply(left, op, right)
		}
	}
	return left, err
}

func (e *exprParser) take() (string, error) {
	if len(e.args) == 0 {
		return "", errors.New("syntax error: missing argument")
	}
	a := e.args[0]
	e.args = e.args[1:]
	return a, nil
}

func (e *exprParser) primary() (string, error) {
	if e.depth++; e.depth > 1000 {
		return "", errors.New("expression too deep")
	}
	defer func() { e.depth-- }()
	word, err := e.take()
	if err != nil {
		return "", err
	}
	switch {
	case word == "(":
		v, err := e.binary(0)
		if err != nil {
			return "", err
		}
		if end, err := e.take(); err != nil || end != ")" {
			return "", errors.New("syntax error: expecting ')'")
		}
		return v, nil
	case word == "length" && len(e.args) > 0:
		v, err := e.primary()
		return sprintf("%d", len([]rune(v))), err
	case word == "substr" && len(e.args) > 2:
		return e.substr()
	case word == "index" && len(e.args) > 1:
		s, _ := e.primary()
		chars, err := e.primary()
		return sprintf("%d", strings.IndexAny(s, chars)+1), err
	case word == "match" && len(e.args) > 1:
		s, _ := e.primary()
		re, err := e.primary()
		if err != nil {
			return "", err
		}
		return e.regex(s, re)
	}
	return word, nil
}

func (e *exprParser) substr() (string, error) {
	s, _ := e.primary()
	p, _ := e.primary()
	l, err := e.primary()
	pos, ok1 := exprNumber(p)
	length, ok2 := exprNumber(l)
	if err != nil || !ok1 || !ok2 || !pos.IsInt64() || !length.IsInt64() || pos.Sign() <= 0 || length.Sign() <= 0 {
		return "", err
	}
	runes := []rune(s)
	from := min(pos.Int64()-1, int64(len(runes)))
	return string(runes[from : from+min(length.Int64(), int64(len(runes))-from)]), nil
}

func (e *exprParser) apply(x, op, y string) (string, error) {
	switch op {
	case "|":
		if !exprFalse(x) {
			return x, nil
		}
		if !exprFalse(y) {
			return y, nil
		}
		return "0", nil
	case "&":
		if exprFalse(x) || exprFalse(y) {
			return "0", nil
		}
		return x, nil
	case ":":
		return e.regex(x, y)
	}
	a, aok := exprNumber(x)
	b, bok := exprNumber(y)
	if slices.Contains(exprLevels[2], op) {
		n := strings.Compare(x, y)
		if aok && bok {
			n = a.Cmp(b)
		}
		holds := map[string]bool{"<": n < 0, "<=": n <= 0, "=": n == 0, "==": n == 0, "!=": n != 0, ">=": n >= 0, ">": n > 0}[op]
		if holds {
			return "1", nil
		}
		return "0", nil
	}
	if !aok || !bok {
		return "", errors.New("non-integer argument")
	}
	return exprArithmetic(a, op, b)
}

func exprArithmetic(a *big.Int, op string, b *big.Int) (string, error) {
	r := new(big.Int)
	switch op {
	case "+":
		return r.Add(a, b).String(), nil
	case "-":
		return r.Sub(a, b).String(), nil
	case "*":
		return r.Mul(a, b).String(), nil
	}
	if b.Sign() == 0 {
		return "", errors.New("division by zero")
	}
	if op == "/" {
		return r.Quo(a, b).String(), nil
	}
	return r.Rem(a, b).String(), nil
}

// regex is STRING : REGEX, anchored at the start: the first group, or the length of the match.
func (e *exprParser) regex(s, pattern string) (string, error) {
	re, err := compileRegex(pattern, regexOptions{stopped: e.stopped})
	if err != nil {
		return "", err
	}
	m := re.matchAt([]byte(s), 0)
	switch {
	case m == nil || m[0] != 0:
		if re.groups > 0 {
			return "", nil
		}
		return "0", nil
	case re.groups > 0:
		if m[2] < 0 {
			return "", nil
		}
		return s[m[2]:m[3]], nil
	}
	return sprintf("%d", len([]rune(s[:m[1]]))), nil
}
