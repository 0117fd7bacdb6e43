package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// examplePython runs a command line of examples/serve by this machine's Python.
func examplePython(t *testing.T, line []string, variables ...string) (stdout, stderr string, status int) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatalf("%v\nhint: apt-get install python3", err)
	}
	command := exec.CommandContext(t.Context(), python, line...)
	command.Dir = "../../examples/serve"
	command.Env = append(os.Environ(), append(variables, "PYTHONDONTWRITEBYTECODE=1", "no_proxy=*")...)
	var out, errors bytes.Buffer
	command.Stdout, command.Stderr = &out, &errors
	if err := command.Run(); command.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errors.String(), command.ProcessState.ExitCode()
}

// TestPythonExamples runs what examples/serve/README.md shows.
func TestPythonExamples(t *testing.T) {
	const secret = "examples-secret-0123456789"
	tokens := t.TempDir() + "/tokens"
	if err := os.WriteFile(tokens, []byte("ann "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := serving(t, "--token-file", tokens)
	text, err := os.ReadFile("../../examples/serve/README.md")
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]struct {
		output string
		status int
	}{
		"run.py bubble_sort.py": {`before: [ \d]+\nafter:  [ \d]+\n\d+ swaps\n`, 0},
		"run.py fib.py":         {`fib\(0\) = 0\n.*fib\(24\) = 46368\n`, 0},
		"run.py list_files.py":  {`.*/usr\n.*files below /usr\nwritten: \['note'\]\nnot here: .*/etc/shadow.*`, 0},
		"run.py interpreter.py": {`version:    CPython 3\.13\..*platform:   wasi wasm32\n.*variables:  LANG PATH [^\n]*\n`, 0},
		"run.py connect.py":     {`connecting\nTraceback .*create_connection.*Error: .*`, 1},
		"load.py 500":           {`500 runs, 0 failed, \d+ a second\nhalf of them within .* ms, the slowest .* ms\n`, 0},
	}
	seen := 0
	for _, match := range regexp.MustCompile("`python3 ([^`]*)`").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(match[1], "agent.py") {
			continue // see TestPythonExampleAgent
		}
		want, ok := wants[match[1]]
		if !ok {
			t.Errorf("what %q prints is not known", match[1])
			continue
		}
		seen++
		stdout, stderr, status := examplePython(t, strings.Fields(match[1]), "BOXER_URL="+address, "BOXER_TOKEN="+secret)
		if status != want.status || !regexp.MustCompile(`(?s)\A`+want.output+`\z`).MatchString(stdout) {
			t.Errorf("%s: status %d\n%s%s", match[1], status, stdout, stderr)
		}
	}
	if seen != len(wants) {
		t.Errorf("the README shows %d of %d", seen, len(wants))
	}
	if _, stderr, status := examplePython(t, []string{"load.py", "3"}, "BOXER_URL="+address, "BOXER_TOKEN=wrong"); status != 1 || !strings.Contains(stderr, "answered 401") {
		t.Errorf("without a token: status %d\n%s", status, stderr)
	}
}

// modelMessage is a message of a conversation, as OpenAI's chat completions have it.
type modelMessage struct {
	Role    string      `json:"role"`
	Content string      `json:"content"`
	Calls   []modelCall `json:"tool_calls,omitempty"`
	Call    string      `json:"tool_call_id,omitempty"`
}

type modelCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// runsPython is a message by which a model calls run_python, with these arguments.
func runsPython(arguments ...string) modelMessage {
	m := modelMessage{Role: "assistant"}
	for i, text := range arguments {
		c := modelCall{ID: fmt.Sprintf("call-%d", i), Type: "function"}
		c.Function.Name, c.Function.Arguments = "run_python", text
		m.Calls = append(m.Calls, c)
	}
	return m
}

// conversation stands for a model: it makes the mistakes that models make, and holds what it is told against what it expects.
func conversation(t *testing.T) http.Handler {
	turn := 0
	wants := [][]string{{}, {`\A7919\z`}, {`the arguments have to be a JSON object.*`}, {`ZeroDivisionError`, `\A7919\nTrue\z`}, {`exit, status 1: the session has ended.*`, `\A2\z`}}
	replies := []modelMessage{
		runsPython(`{"code": "primes = [n for n in range(2, 8000) if all(n % d for d in range(2, int(n ** .5) + 1))]\nprint(primes[999])"}`),
		runsPython(`{"code": `),
		runsPython(`{"code": "1 / 0"}`, `{"code": "print(primes[999])\n7919 in primes"}`),
		runsPython(`{"code": "raise SystemExit(1)"}`, `{"code": "1 + 1"}`),
		{Role: "assistant", Content: "The 1000th prime is 7919."},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Model    string
			Messages []modelMessage
			Tools    []struct{ Function struct{ Name string } }
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			t.Error(err)
		}
		if r.Method+r.URL.Path != "POST/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer key" || ask.Model != "small" ||
			len(ask.Tools) != 1 || ask.Tools[0].Function.Name != "run_python" || turn >= len(replies) {
			t.Errorf("turn %d: %s %s, %+v", turn, r.Method, r.URL, ask)
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		results := ask.Messages[len(ask.Messages)-len(wants[turn]):]
		for i, want := range wants[turn] {
			if m := results[i]; m.Role != "tool" || m.Call != fmt.Sprintf("call-%d", i) || !regexp.MustCompile(`(?s)`+want).MatchString(m.Content) {
				t.Errorf("turn %d: the model is told %+v, want %s", turn, m, want)
			}
		}
		reply := map[string]any{"choices": []any{map[string]any{"index": 0, "message": replies[turn]}}}
		turn++
		if err := json.NewEncoder(w).Encode(reply); err != nil {
			t.Error(err)
		}
	})
}

// TestPythonExampleAgent has the agent talk to what stands for a model.
func TestPythonExampleAgent(t *testing.T) {
	address := serving(t)
	model := httptest.NewServer(conversation(t))
	defer model.Close()
	variables := []string{"BOXER_URL=" + address, "OPENAI_BASE_URL=" + model.URL + "/v1", "OPENAI_API_KEY=key", "OPENAI_MODEL=small"}
	stdout, stderr, status := examplePython(t, []string{"agent.py", "What is the 1000th prime?"}, variables...)
	if status != 0 || stdout != "The 1000th prime is 7919.\n" {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	answer, err := http.Get(address + "/v1/sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct{ Sessions []any }
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || len(list.Sessions) != 0 {
		t.Errorf("%d sessions are left, %v", len(list.Sessions), err)
	}

	for _, test := range []struct {
		status       int
		answer, want string
	}{
		{500, "out of order", "/v1 answered 500: out of order"},
		{200, "<html>", "/v1 answered what is no JSON: b'<html>'"},
		{200, `{"choices": []}`, "/v1 answered without a message: {'choices': []}"},
	} {
		broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.answer))
		}))
		_, stderr, status := examplePython(t, []string{"agent.py", "Why?"}, append(variables, "OPENAI_BASE_URL="+broken.URL+"/v1")...)
		if status != 1 || !strings.HasSuffix(stderr, test.want+"\n") {
			t.Errorf("%d %s: status %d\n%s", test.status, test.answer, status, stderr)
		}
		broken.Close()
	}
}
