package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"boxer.dev/builder"
	"boxer.dev/internal/registry/registrytest"
	"boxer.dev/server/servertest"
)

// TestPythonServeDocumentation runs the examples of docs/serve.md.
func TestPythonServeDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/serve.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatalf("%v\nhint: apt-get install curl", err)
	}
	if err := exec.Command("python3", "-c", "import requests").Run(); err != nil {
		t.Fatalf("python3 without requests: %v\nhint: python3 -m pip install requests", err)
	}
	script, want := consoleOf(string(text))
	if len(want) == 0 {
		t.Fatal("there are no examples")
	}
	// The examples are of a server with other people's interpreters, and grpcurl is in PATH.
	t.Setenv("PATH", filepath.Dir(servertest.Grpcurl(t))+string(filepath.ListSeparator)+os.Getenv("PATH"))
	address := serving(t, "--wasm-dir", servertest.Interpreters(t))
	here := strings.NewReplacer("http://127.0.0.1:3000", address, "127.0.0.1:3000", strings.TrimPrefix(address, "http://"))
	const between = "\x1eend of an example\x1e"
	var commands strings.Builder
	for _, line := range script {
		commands.WriteString(here.Replace(line) + "\nprintf '" + between + "'\n")
	}
	output, err := exec.Command("sh", "-c", commands.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	got := strings.Split(string(output), between)
	for i, line := range script {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want[i])), "…", "(?s:.*)")
		if !regexp.MustCompile("^" + pattern + "$").MatchString(strings.TrimSpace(got[i])) {
			t.Errorf("%s\ngot:  %s\nwant: %s", line, got[i], want[i])
		}
	}
}

// consoleOf gives the commands of a text's examples, and what each is said to print.
func consoleOf(text string) (commands, printed []string) {
	inside := false
	for line := range strings.Lines(text) {
		switch command, is := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = strings.TrimSpace(line) == "```console"
		case !inside:
		case is:
			commands, printed = append(commands, strings.TrimSpace(command)), append(printed, "")
		default:
			printed[len(printed)-1] += line
		}
	}
	return commands, printed
}

// serving starts `boxer serve` until the test ends, and gives its address.
func serving(t *testing.T, args ...string) (address string) {
	t.Helper()
	t.Setenv("BOXER_HOME", t.TempDir())
	log, stderr := io.Pipe()
	ctx, stop := context.WithCancel(context.Background())
	command := serveCommand(&app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: stderr})
	command.SetArgs(append([]string{"--addr", "127.0.0.1:0", "--log", "json"}, args...))
	ended := make(chan error, 1)
	go func() {
		err := command.ExecuteContext(ctx)
		stderr.CloseWithError(err)
		ended <- err
	}()
	lines := bufio.NewScanner(log)
	for address == "" && lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			address = line.Address
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if address == "" {
		t.Fatalf("it does not listen: %v", lines.Err())
	}
	return address
}

func TestMayPull(t *testing.T) {
	for _, test := range []struct {
		prefix, name string
		want         bool
	}{
		{"registry.example/team", "registry.example/team/app:1", true},
		{"registry.example/team/", "registry.example/team/app", true},
		{"registry.example/app", "registry.example/app:1", true},
		{"registry.example/app", "registry.example/app@sha256:0", true},
		{"registry.example", "registry.example/app", true},
		{"registry.example/team", "registry.example/teammates/app", false},
		{"registry.example", "registry.example:5000/app", false},
		{"registry.example", "registry.example.evil.example/app", false},
		{"", "app", false},
		{"/", "app", false},
	} {
		if got := mayPull([]string{test.prefix}, test.name); got != test.want {
			t.Errorf("%q, %q: %v", test.prefix, test.name, got)
		}
	}
}

// TestPythonServePulls has a server fetch a box from a registry that is a process of its own, and runs it.
func TestPythonServePulls(t *testing.T) {
	host := registrytest.Start(t, registrytest.Options{Debian: true}).Host
	box := host + "/team/app:1"
	ref, err := name.ParseReference(box)
	if err != nil {
		t.Fatal(err)
	}
	image, err := builtIn(builder.RootBase)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	address := serving(t, "--allow-pull", host+"/team")
	for _, test := range []struct {
		path, body string
		status     int
		says       string
	}{
		{"/v1/boxes/pull", `{"name": "` + box + `"}`, 200, `"digest":"sha256:`},
		{"/v1/boxes", "", 200, `"name":"` + box + `"`},
		{"/v1/boxes", "", 200, `"name":"python:3.13"`},
		{"/v1/runs", `{"box": "` + box + `", "argv": ["echo", "it runs"]}`, 200, `"stdout":"it runs\n"`},
		{"/v1/boxes/pull", `{"name": "` + host + `/team/nothing:1"}`, 502, `"pull_failed"`},
		{"/v1/boxes/pull", `{"name": "` + host + `/other/app:1"}`, 403, `"may_not_pull"`},
	} {
		method := http.MethodPost
		if test.body == "" {
			method = http.MethodGet
		}
		request, err := http.NewRequestWithContext(t.Context(), method, address+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != test.status || !strings.Contains(string(text), test.says) {
			t.Errorf("%s %s: %d %s, %v", test.path, test.body, answer.StatusCode, text, err)
		}
	}
}
