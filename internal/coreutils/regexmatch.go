package coreutils

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// maxRegexSteps bounds the backtracking of one match: a pattern that needs more does not match.
const maxRegexSteps = 2_000_000

// maxRegexNesting bounds the call stack of one match, which takes some 700 bytes each: Go ends the process at 1 GB of it.
const maxRegexNesting = 50_000

// regexLooks is how often, in steps, a match looks whether it is still wanted.
const regexLooks = 4096

// backtracker matches a tree with back-references: every way is tried, the longest match kept.
type backtracker struct {
	s     []byte
	opt   regexOptions
	word  bool
	caps  []int
	best  []int
	steps int
	depth int
}

func (r *regex) backtrackFrom(s []byte, from int) []int {
	m := &backtracker{s: s, opt: r.opt, word: r.word}
	defer func() { r.steps = m.steps }()
	for at := from; at <= len(s); {
		m.caps = make([]int, 2*(r.groups+1))
		for i := range m.caps {
			m.caps[i] = -1
		}
		m.best = nil
		m.match(r.tree, at, func(end int) bool {
			if m.word && !m.isWholeWord(at, end) {
				return false
			}
			if m.best == nil || end > m.best[1] {
				m.best = append([]int{at, end}, m.caps[2:]...)
			}
			return end == len(s)
		})
		if m.best != nil || m.steps > maxRegexSteps {
			return m.best
		}
		_, size := utf8.DecodeRune(s[at:])
		at += max(1, size)
	}
	return nil
}

func (m *backtracker) isWholeWord(from, to int) bool { return !m.wordBefore(from) && !m.wordAfter(to) }

func (m *backtracker) wordBefore(at int) bool {
	r, n := utf8.DecodeLastRune(m.s[:at])
	return n > 0 && isWordRune(r)
}

func (m *backtracker) wordAfter(at int) bool {
	r, n := utf8.DecodeRune(m.s[at:])
	return n > 0 && isWordRune(r)
}

// match tries n at position at and, for each way it matches, calls then with the end until that returns true.
func (m *backtracker) match(n regexNode, at int, then func(end int) bool) bool {
	if m.steps++; m.steps%regexLooks == 0 && m.opt.isStopped() || m.depth == maxRegexNesting {
		m.steps = maxRegexSteps + 1
	}
	if m.steps > maxRegexSteps {
		return true
	}
	m.depth++
	done := m.try(n, at, then)
	m.depth--
	return done
}

func (m *backtracker) try(n regexNode, at int, then func(end int) bool) bool {
	switch n.kind {
	case nodeSeq:
		return m.inOrder(n.subs, at, then)
	case nodeAlt:
		for _, s := range n.subs {
			if m.match(s, at, then) {
				return true
			}
		}
		return false
	case nodeGroup:
		return m.group(n, at, then)
	case nodeRepeat:
		return m.repeat(n, at, 0, then)
	case nodeBackref:
		from, to := m.caps[2*n.group], m.caps[2*n.group+1]
		if from < 0 || at+to-from > len(m.s) {
			return false
		}
		same := bytes.Equal(m.s[from:to], m.s[at:at+to-from])
		if m.opt.fold {
			same = bytes.EqualFold(m.s[from:to], m.s[at:at+to-from])
		}
		return same && then(at+to-from)
	case nodeChar, nodeAny, nodeClass:
		r, size := utf8.DecodeRune(m.s[at:])
		return size > 0 && m.accepts(n, r) && then(at+size)
	}
	return m.edge(n.kind, at) && then(at)
}

func (m *backtracker) inOrder(subs []regexNode, at int, then func(int) bool) bool {
	if len(subs) == 0 {
		return then(at)
	}
	return m.match(subs[0], at, func(end int) bool { return m.inOrder(subs[1:], end, then) })
}

func (m *backtracker) group(n regexNode, at int, then func(int) bool) bool {
	from, to := m.caps[2*n.group], m.caps[2*n.group+1]
	done := m.match(n.subs[0], at, func(end int) bool {
		innerFrom, innerTo := m.caps[2*n.group], m.caps[2*n.group+1]
		m.caps[2*n.group], m.caps[2*n.group+1] = at, end
		if then(end) {
			return true
		}
		m.caps[2*n.group], m.caps[2*n.group+1] = innerFrom, innerTo
		return false
	})
	if !done {
		m.caps[2*n.group], m.caps[2*n.group+1] = from, to
	}
	return done
}

// repeat tries one more repetition before giving up, so the first way found is the greedy one.
func (m *backtracker) repeat(n regexNode, at, count int, then func(int) bool) bool {
	if n.max < 0 || count < n.max {
		if m.match(n.subs[0], at, func(end int) bool {
			return (end > at || count < n.min) && m.repeat(n, end, count+1, then)
		}) {
			return true
		}
	}
	return count >= n.min && then(at)
}

func (m *backtracker) accepts(n regexNode, r rune) bool {
	switch n.kind {
	case nodeAny:
		return true
	case nodeClass:
		return n.class.has(r, m.opt.fold)
	}
	return n.char == r || m.opt.fold && unicode.ToLower(n.char) == unicode.ToLower(r)
}

func (m *backtracker) edge(kind nodeKind, at int) bool {
	before, after := m.wordBefore(at), m.wordAfter(at)
	switch kind {
	case nodeBOL:
		return at == 0 || m.opt.multiline && m.s[at-1] == '\n'
	case nodeEOL:
		return at == len(m.s) || m.opt.multiline && m.s[at] == '\n'
	case nodeBufStart:
		return at == 0
	case nodeBufEnd:
		return at == len(m.s)
	case nodeWordStart:
		return !before && after
	case nodeWordEnd:
		return before && !after
	case nodeWordEdge:
		return before != after
	}
	return before == after // nodeNotWordEdge
}
