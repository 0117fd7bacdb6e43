package builder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"boxer.dev/vfs"
)

// TestBoxfileBombs: a few lines that come to more than a machine has are an error, not the end of the machine.
func TestBoxfileBombs(t *testing.T) {
	doubling := func(keyword string) string {
		text := "FROM scratch\n" + keyword + " A0=xxxxxxxxxx\n"
		for i := range 40 {
			text += fmt.Sprintf("%s A%d=$A%d$A%d\n", keyword, i+1, i, i)
		}
		return text
	}
	tree, _ := openTree(t, "a")
	for name, text := range map[string]string{
		"ARG":             doubling("ARG"),
		"ENV":             doubling("ENV"),
		"ARG before FROM": strings.TrimPrefix(doubling("ARG"), "FROM scratch\n") + "FROM scratch\n",
		"LABEL":           strings.ReplaceAll(doubling("ENV"), "ENV A40", "LABEL A40"),
		"many references": "FROM scratch\nARG A=" + strings.Repeat("a", 50_000) + "\nENV B=" + strings.Repeat("$A", 20_000) + "\n",
		"replacement":     "FROM scratch\nARG A=" + strings.Repeat("a", 30_000) + "\nENV B=${A//a/$A}\n",
	} {
		_, err := Build(t.Context(), Options{Boxfile: mustParse(t, text), Context: tree.root})
		if !errors.Is(err, errExpanded) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nested defaults": "FROM scratch\nENV A=" + strings.Repeat("${x:-", 5000) + "y" + strings.Repeat("}", 5000) + "\n",
		"stages":          "FROM scratch AS s\n" + strings.Repeat("FROM s AS s\n", 2000),
		"a pattern":       "FROM scratch\nARG A=" + strings.Repeat("a", 10_000) + "\nENV B=${A//" + strings.Repeat("a*", 200) + "b/x}\n",
		"ONBUILD":         "FROM scratch\n" + strings.Repeat("ONBUILD ", 5000) + "ENV a=b\n",
		"globs":           "FROM scratch\nCOPY " + strings.Repeat("**/", 1000) + "a /\n",
		"exclusions":      "FROM scratch\nCOPY " + strings.Repeat("--exclude=**/*a*/**/?b ", 500) + "a /\n",
	} {
		boxfile, err := Parse("Boxfile", strings.NewReader(text))
		if err == nil {
			_, err = Build(t.Context(), Options{Boxfile: boxfile, Context: tree.root})
		}
		var placed *Error
		if err != nil && !errors.As(err, &placed) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// TestPatternBombs: ignore rules that fit in a million ways take no longer than the tree is large.
func TestPatternBombs(t *testing.T) {
	tree, dir := openTree(t)
	deep := strings.Repeat("a/", 60) + "f"
	writeFile(t, filepath.Join(dir, deep), nil)
	rules := strings.Repeat("**/a/**/a/**/a/**/a/**/*a*a*a*a*b\n", 50) + "!" + strings.Repeat("**/", 200) + "f\n"
	writeFile(t, filepath.Join(dir, ".boxignore"), []byte(rules))
	tree, err := openContext(tree.root, DefaultEpoch)
	if err != nil {
		t.Fatal(err)
	}
	for _, boxfile := range []string{"FROM scratch\nCOPY . /d/\n", "FROM scratch\nCOPY " + strings.Repeat("**/a/", 30) + "f /d/\n"} {
		res, err := Build(t.Context(), Options{Boxfile: mustParse(t, boxfile), Context: tree.root})
		if err != nil {
			t.Fatal(err)
		}
		if files := describeResult(t, res)["files"]; !strings.Contains(files, "/f ") {
			t.Errorf("%s\n%s", boxfile, files)
		}
	}
}

// FuzzIgnore: whatever the rules say, a context opens or is refused, and copying it never leaves it.
// TestHugeAccounts: looking a name up in a base takes no more memory than a file of accounts may.
func TestHugeAccounts(t *testing.T) {
	tree := vfs.New()
	err := errors.Join(tree.Mkdir("/etc", 0o755), tree.WriteFile("/etc/passwd", nil, 0o644), tree.Truncate("/etc/passwd", 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := findAccount(tree, "/etc/passwd", "ada"); !errors.Is(err, syscall.EFBIG) {
		t.Error(err)
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("**/*.py\n!a/**\n# comment\n[a-\n\\")
	f.Add("!..\n../x\n/\n.\n**")
	dir := f.TempDir()
	for _, name := range []string{"a/b.py", "c"} {
		writeFile(f, filepath.Join(dir, name), nil)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close() })
	f.Fuzz(func(t *testing.T, rules string) {
		writeFile(t, filepath.Join(dir, ".boxignore"), []byte(rules))
		tree, err := openContext(root, DefaultEpoch)
		if err != nil {
			return
		}
		for _, name := range []string{"a", "a/b.py", "c"} {
			if _, err := tree.lstat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
}
