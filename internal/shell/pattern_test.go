package shell

import (
	"bytes"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"
)

// Patterns mean what they would, whether they are text or expanded, quoted or not.
func TestPatterns(t *testing.T) {
	for script, want := range map[string]string{
		`p='a*'; case abc in $p) echo y;; *) echo n;; esac`:                                  "y",
		`p='a*'; case abc in "$p") echo y;; *) echo n;; esac`:                                "n",
		`p='a*'; case 'a*' in "$p") echo y;; *) echo n;; esac`:                               "y",
		`p='b'; case abc in a$p*) echo y;; *) echo n;; esac`:                                 "y",
		`p='b'; case 'a*c' in a\*$'c') echo y;; *) echo n;; esac`:                            "y",
		`p='\*'; case 'a*' in a$p) echo y;; *) echo n;; esac`:                                "y",
		`p='@(a|b)'; [[ a == $p ]] && echo y`:                                                "y",
		`p='@(a|b)'; [[ a == "$p" ]] || echo n`:                                              "n",
		`p='+(a|b)'; [[ abab != x$p ]] && echo y`:                                            "y",
		`q=x; [[ "x'\"\$\\" == $q"'"'"$\' ]] && echo y`:                                      "y",
		`p=bin; x=/usr/bin/a; echo ${x#/usr/$p/} ${x%/*} ${x##*$p} ${x/$p/lib} ${x//[$p]/_}`: "a /usr/bin /a /usr/lib/a /usr/___/a",
		`set -- a '*'; x='a *b'; echo "${x#$@}" "${x#"$@"}"`:                                 "*b b",
		`case abc in $(echo 'a*')) echo y;; esac`:                                            "y",
		`HOME=/h; p=x; case /h/x in ~/$p) echo y;; *) echo n;; esac`:                         "y",
		`p='a
'; case 'a
' in $p) echo y;; *) echo n;; esac`: "y",
		`eval 'p=a*; case abc in $p) echo y;; esac'; f() { case $1 in $2) echo y;; esac; }; f abc 'a?c'`: "y\ny",
		`p='@(a'; case 'x@(a' in x"$p") echo y;; *) echo n;; esac; case '@(b' in '@(b') echo y;; esac`:   "y\ny",
		`shopt -s expand_aliases; alias _sh_pattern='echo "*" ;:'
p=b; case a in $p) echo y;; *) echo n;; esac`: "n",
		`set -eu; p=a; [[ -n ${q-} && x == $q ]] || echo n`: "n",
		`shopt -s extglob || echo n`:                        "n",
	} {
		var out, errs bytes.Buffer
		status, err := Run(t.Context(), Options{FS: newBox(t), Stdout: &out, Stderr: &errs, Args: []string{"bash", "-c", script}})
		if got := strings.TrimSuffix(out.String(), "\n"); got != want || err != nil {
			t.Errorf("%s\n%q, want %q; status %d, %v, %q", script, got, want, status, err, errs.String())
		}
	}
}

// TestHostilePatterns: groups within each other fill the host's call stack, such as are not closed double the work each, and an
// expression that is too large makes the interpreter panic.
func TestHostilePatterns(t *testing.T) {
	for name, pattern := range map[string]string{
		"deep":          `$(yes '@(' | head -n 3000000 | tr -d '\n')`,
		"deep, closed":  `$(yes '@(' | head -n 2000 | tr -d '\n'; yes ')' | head -n 2000 | tr -d '\n')`,
		"open":          `$(yes '@(a' | head -n 60 | tr -d '\n')`,
		"closed by [)]": `$(yes '@(a[)]' | head -n 60 | tr -d '\n')`,
		"in parts":      `$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b$a$b`,
		"text":          strings.Repeat("@(", 200) + "a" + strings.Repeat(")", 200),
		"quoted":        `"$(yes '@(a' | head -n 60 | tr -d '\n')"`,
		"large":         `$(head -c 15000000 /dev/zero | tr '\0' '?')`,
	} {
		for _, script := range []string{"case x in " + pattern + ") ;; esac", "[[ x == " + pattern + " ]]", "x=x; : ${x#" + pattern + "}", "x=x; : ${x/" + pattern + "/y}", "x=x; : ${x^^" + pattern + "}"} {
			var errs bytes.Buffer
			status, err := Run(t.Context(), Options{FS: newBox(t), Stderr: &errs, Args: []string{"bash", "-c", "a=@ b='('; " + script}})
			taken := name == "quoted" || status == 0 && (name == "in parts" && strings.Contains(script, "${x"))
			if !taken && (err != nil || status == 0 || !strings.Contains(errs.String(), "pattern")) {
				t.Errorf("%s, %.40s: status %d, %v, %.300q", name, script, status, err, errs.String())
			}
		}
	}
}

// A word that is expanded to file names is a pattern, too.
func TestLargeWord(t *testing.T) {
	file, _ := runtime.FuncForPC(reflect.ValueOf(syntax.NewParser).Pointer()).FileLine(0)
	if !strings.Contains(file, "-boxer.") {
		t.Skip("the interpreter is built without patches: go test $(internal/wazero/prepare.sh)")
	}
	var out, errs bytes.Buffer
	status, err := Run(t.Context(), Options{FS: newBox(t), Stdout: &out, Stderr: &errs, Args: []string{"sh", "-c",
		`x=$(head -c 4000000 /dev/zero | tr '\0' '?'); (echo $x); echo next`}})
	if status != 0 || err != nil || out.String() != "next\n" || !strings.Contains(errs.String(), "pattern is too large") || errs.Len() > 1000 {
		t.Errorf("status %d, %v, %.100q, %.300q", status, err, out.String(), errs.String())
	}
}
