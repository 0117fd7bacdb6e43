package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"unicode"

	"boxer.dev/internal/export"
	"boxer.dev/internal/volume"
)

// FuzzFormat prints by any template of --format.
func FuzzFormat(f *testing.F) {
	for _, seed := range []string{"json", "table {{.Name}}\t{{.Mountpoint}}", `{{json .}}\n`, "{{range .Labels}}{{.}}{{end}}", "{{define \"a\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}", "{{printf \"%*d\" 999999999 1}}"} {
		f.Add(seed)
	}
	rows := []volume.Volume{{Name: "a", Labels: map[string]string{"k": "v"}}, {}}
	f.Fuzz(func(t *testing.T, format string) {
		_ = printRows(io.Discard, format, volume.Volume{Name: "NAME"}, rows)
	})
}

// FuzzEnvFile: what a file of variables grants are names and values, each a line.
func FuzzEnvFile(f *testing.F) {
	f.Add("A=b\n# c\n\ufeffD\nE=f=g\r\n=x\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := envFile(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, line := range lines {
			if strings.Contains(line, "\n") || strings.HasPrefix(line, "#") {
				t.Errorf("%q", line)
			}
		}
	})
}

// FuzzPrintable: nothing that is printed as a name controls a terminal, or turns the line around.
func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"\x1b[2J", "\u202etxt.exe", "a\u2066b\u2069", "\x9b31m", "\xff", "\u200b", "\ufeff", "\U000e0041", "\r\nerror: no"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range printable(text) {
			if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%q shows %q", text, printable(text))
			}
		}
	})
}

// FuzzFlags reads what flags of mounts, secrets, volumes and caches say.
func FuzzFlags(f *testing.F) {
	for _, seed := range []string{"/a:/b:ro", "id=x,src=/y,env=Z", "type=registry,ref=a/b:c", "type=oci,dest=-", "C:\\a:/b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if m, err := parseVolume(spec); err == nil && !strings.HasPrefix(m.Target, "/") {
			t.Errorf("%q is mounted at %q", spec, m.Target)
		}
		_, _, _ = parseSecret(spec)
		_, _ = export.Parse(spec)
	})
}

// FuzzCarried looks for a box behind any executable.
func FuzzCarried(f *testing.F) {
	f.Add([]byte("PK\x05\x06"), true)
	f.Fuzz(func(t *testing.T, content []byte, marked bool) {
		if marked {
			content = append(content, "PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x26\x00an executable of boxer's, with its box"...)
		}
		layout, err := export.Carried(bytes.NewReader(content), int64(len(content)))
		if err != nil || layout == nil {
			return
		}
		_, _ = layout.Open("index.json")
	})
}

// FuzzComplete asks for completions of any command line.
func FuzzComplete(f *testing.F) {
	f.Setenv("BOXER_HOME", f.TempDir())
	for _, seed := range []string{"run\n-", "build\n--platform\n", "volume\nrm\n", "save\n-o\nx\n", "\n", "__complete\n__complete\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "\x00") || len(line) > 500 {
			return
		}
		a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
		root := rootCommand(a, nil)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(append([]string{"__complete"}, strings.Split(line, "\n")...))
		_ = root.Execute()
	})
}
