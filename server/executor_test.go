package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
)

// programModule is a WASI program whose _start has these instructions. It can call fd_read (0), fd_write (1) and proc_exit (2).
func programModule(instructions ...byte) []byte {
	section := func(id byte, contents ...byte) []byte { return append([]byte{id, byte(len(contents))}, contents...) }
	imported := func(name string, kind byte) []byte {
		const from = "wasi_snapshot_preview1"
		return slices.Concat([]byte{byte(len(from))}, []byte(from), []byte{byte(len(name))}, []byte(name), []byte{0, kind})
	}
	body := slices.Concat([]byte{0}, instructions, []byte{0x0b})
	return slices.Concat(
		[]byte("\x00asm\x01\x00\x00\x00"),
		section(1, 3, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f, 0x60, 0, 0, 0x60, 1, 0x7f, 0), // (i32 x 4) -> i32, () -> (), (i32) -> ()
		section(2, slices.Concat([]byte{3}, imported("fd_read", 0), imported("fd_write", 0), imported("proc_exit", 2))...),
		section(3, 1, 1),
		section(5, 1, 0, 1),
		section(7, slices.Concat([]byte{2, 6}, []byte("memory"), []byte{2, 0, 6}, []byte("_start"), []byte{0, 3})...),
		section(10, slices.Concat([]byte{1, byte(len(body))}, body)...),
	)
}

var (
	// echoModule copies its standard input to its standard output.
	echoModule = programModule(
		0x41, 0, 0x41, 0x80, 8, 0x36, 2, 0, // iov.base = 1024
		0x03, 0x40, // loop
		0x41, 4, 0x41, 0x80, 0x20, 0x36, 2, 0, // iov.len = 4096
		0x41, 0, 0x41, 0, 0x41, 1, 0x41, 8, 0x10, 0, 0x1a, // fd_read(0, iov, 1, &n)
		0x41, 4, 0x41, 8, 0x28, 2, 0, 0x36, 2, 0, // iov.len = n
		0x41, 8, 0x28, 2, 0, 0x04, 0x40, // if n
		0x41, 1, 0x41, 0, 0x41, 1, 0x41, 12, 0x10, 1, 0x1a, // fd_write(1, iov, 1, &written)
		0x0c, 1, 0x0b, 0x0b) // again
	exitModule    = programModule(0x41, 3, 0x10, 2)
	foreverModule = programModule(0x03, 0x40, 0x0c, 0, 0x0b)
)

// isolated runs programs in workers, which the tests of this package share.
func isolated(t testing.TB) ProgramRunner {
	t.Helper()
	pool := &isolate.Pool{CacheDir: t.TempDir(), Workers: 2, Warn: func(error) {}}
	t.Cleanup(func() { pool.Close() })
	return Isolated{Pool: pool}
}

// toolCall is a request for a tool.
func toolCall(tool string, parameters map[string]any) string {
	text, err := json.Marshal(map[string]any{"tool": tool, "parameters": parameters})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func inBase64(module []byte) string { return base64.StdEncoding.EncodeToString(module) }

// execute executes a tool over HTTP.
func execute(t *testing.T, url, ask string) executorAnswer {
	t.Helper()
	response, body := call(t, "POST", url+"/tools/execute", ask)
	var answer executorAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil || response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	return answer
}

func TestCodeExecutor(t *testing.T) {
	dir := wasmDir(t, map[string][]byte{"echo.wasm": echoModule, "deep/exit.wasm": exitModule})
	url, _ := start(t, Options{Runner: isolated(t), WasmDirs: []*os.Root{dir}})
	for _, test := range []struct {
		name       string
		parameters map[string]any
		outcome    runtime.Outcome
		output     string
		error      string
	}{
		{"in the request", map[string]any{"wasm_base64": inBase64(echoModule), "stdin": "hello"}, runtime.OutcomeOK, "hello", ""},
		{"again, without input", map[string]any{"wasm_base64": inBase64(echoModule), "stdin": nil}, runtime.OutcomeOK, "", ""},
		{"with arguments", map[string]any{"wasm_base64": inBase64(echoModule), "argv": []string{"echo", "-n"}}, runtime.OutcomeOK, "", ""},
		{"by its path", map[string]any{"wasm_path": filepath.Join(dir.Name(), "echo.wasm"), "stdin": "path"}, runtime.OutcomeOK, "path", ""},
		{"by a relative one", map[string]any{"wasm_path": "deep/../deep/exit.wasm"}, runtime.OutcomeExit, "", "exit status 3"},
		{"malformed", map[string]any{"wasm_base64": inBase64([]byte("\x00asm\x01\x00\x00\x00\x01"))}, runtime.OutcomeNotExecutable, "", "program.wasm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := execute(t, url, toolCall("code_executor", test.parameters))
			message := ""
			if answer.Error != nil {
				message = *answer.Error
			}
			if answer.Metadata.Outcome != test.outcome || answer.Output != test.output || !strings.Contains(message, test.error) ||
				answer.Success != (test.outcome == runtime.OutcomeOK) || answer.Success != (answer.Error == nil) {
				t.Errorf("got %+v, error %q", answer, message)
			}
		})
	}
}

// wasmDir is a directory with files.
func wasmDir(t *testing.T, files map[string][]byte) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestToolRequestsThatAreRefused(t *testing.T) {
	dir := wasmDir(t, map[string][]byte{"echo.wasm": echoModule, "script": []byte("#!/bin/sh\ncat")})
	url, _ := start(t, Options{Runner: isolated(t), WasmDirs: []*os.Root{dir}})
	echo := inBase64(echoModule)
	for _, test := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"no tool", `{"parameters": {}}`, 404, "no_such_tool"},
		{"unknown tool", toolCall("calculator", nil), 404, "no_such_tool"},
		{"two tools", `{"tool": "code_executor", "tool_name": "python_wasi_runner"}`, 400, "bad_request"},
		{"unknown field", `{"tool": "code_executor", "parameters": {}, "timeout": 1}`, 400, "bad_request"},
		{"unknown parameter", toolCall("code_executor", map[string]any{"wasm_base64": echo, "env": "x"}), 400, "bad_request"},
		{"of the other tool", toolCall("code_executor", map[string]any{"wasm_base64": echo, "code": "x"}), 400, "bad_request"},
		{"of another type", toolCall("code_executor", map[string]any{"wasm_base64": 1}), 400, "bad_request"},
		{"argv that is no list", toolCall("code_executor", map[string]any{"wasm_base64": echo, "argv": "x"}), 400, "bad_request"},
		{"argv with a number", toolCall("code_executor", map[string]any{"wasm_base64": echo, "argv": []any{"x", 1}}), 400, "bad_request"},
		{"zero byte", toolCall("code_executor", map[string]any{"wasm_base64": echo, "argv": []any{"x", "\x00"}}), 400, "bad_request"},
		{"no module", toolCall("code_executor", map[string]any{"stdin": "x"}), 400, "bad_request"},
		{"two modules", toolCall("code_executor", map[string]any{"wasm_base64": echo, "wasm_path": "echo.wasm"}), 400, "bad_request"},
		{"no base64", toolCall("code_executor", map[string]any{"wasm_base64": "?"}), 400, "bad_request"},
		{"script", toolCall("code_executor", map[string]any{"wasm_base64": inBase64([]byte("#!/bin/sh\ncat"))}), 422, "no_module"},
		{"script in a directory", toolCall("code_executor", map[string]any{"wasm_path": "script"}), 422, "no_module"},
		{"nothing", toolCall("code_executor", map[string]any{"wasm_base64": "AA=="}), 422, "no_module"},
		{"no code", toolCall("python_wasi_runner", map[string]any{"argv": []any{}}), 400, "bad_request"},
		{"two interpreters", toolCall("python_wasi_runner", map[string]any{"code": "", "interpreter_wasm_base64": echo, "interpreter_wasm_path": "echo.wasm"}), 400, "bad_request"},
		{"no such module", toolCall("code_executor", map[string]any{"wasm_path": "missing.wasm"}), 404, "no_such_module"},
		{"directory", toolCall("code_executor", map[string]any{"wasm_path": "."}), 404, "no_such_module"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, body := call(t, "POST", url+"/tools/execute", test.body)
			wantProblem(t, answer, body, test.status, test.code)
		})
	}
}

// TestModulePathsLeadNowhereElse: neither "..", nor absolute paths, nor symlinks lead out of the directories that are allowed, and
// nobody learns what is there.
func TestModulePathsLeadNowhereElse(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.wasm")
	if err := os.WriteFile(secret, echoModule, 0o644); err != nil {
		t.Fatal(err)
	}
	dir := wasmDir(t, map[string][]byte{"echo.wasm": echoModule})
	for name, target := range map[string]string{"absolute.wasm": secret, "up.wasm": "../" + filepath.Base(outside) + "/secret.wasm", "dir": outside} {
		if err := os.Symlink(target, filepath.Join(dir.Name(), name)); err != nil {
			t.Fatal(err)
		}
	}
	url, _ := start(t, Options{Runner: isolated(t), WasmDirs: []*os.Root{dir}})
	for _, path := range []string{
		secret, filepath.Join(outside, "missing.wasm"), dir.Name() + "/../" + filepath.Base(outside) + "/secret.wasm",
		"../" + filepath.Base(outside) + "/secret.wasm", "absolute.wasm", "up.wasm", "dir/secret.wasm", "/etc/passwd", dir.Name() + "x/echo.wasm",
	} {
		for _, ask := range []string{
			toolCall("code_executor", map[string]any{"wasm_path": path}),
			toolCall("python_wasi_runner", map[string]any{"code": "", "interpreter_wasm_path": path}),
		} {
			answer, body := call(t, "POST", url+"/tools/execute", ask)
			wantProblem(t, answer, body, 403, "path_not_allowed")
		}
	}
}

// TestProgramsNeedProcessesOfTheirOwn: what cannot be ended from outside compiles nothing that comes with a request.
func TestProgramsNeedProcessesOfTheirOwn(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing)})
	answer, body := call(t, "POST", url+"/tools/execute", toolCall("code_executor", map[string]any{"wasm_base64": inBase64(echoModule)}))
	wantProblem(t, answer, body, 501, "no_programs")
}

func TestPythonWasiRunnerHasItsCode(t *testing.T) {
	url, _ := start(t, Options{Runner: runnerFunc(printing)})
	for code, argv := range map[string][]string{"the code": nil, "last": {"first", "last"}} {
		answer := execute(t, url, toolCall("python_wasi_runner", map[string]any{"code": "the code", "argv": argv}))
		if answer.Output != code || !answer.Success {
			t.Errorf("got %+v", answer)
		}
	}
}

// TestEndlessProgramOfARequest: its time is bounded, and a worker that runs something else is not touched.
func TestEndlessProgramOfARequest(t *testing.T) {
	limits := DefaultLimits
	limits.Timeout = 200e6
	url, _ := start(t, Options{Runner: isolated(t), Limits: limits})
	answer := execute(t, url, toolCall("code_executor", map[string]any{"wasm_base64": inBase64(foreverModule)}))
	if answer.Success || answer.Metadata.Outcome != runtime.OutcomeTimeout || answer.Metadata.Status != 124 {
		t.Errorf("got %+v", answer)
	}
	if answer := execute(t, url, toolCall("code_executor", map[string]any{"wasm_base64": inBase64(echoModule), "stdin": "x"})); answer.Output != "x" {
		t.Errorf("afterwards: %+v", answer)
	}
}

// FuzzExecutorRequest: whatever is asked for is a problem of the client's, or a run within the server's limits.
func FuzzExecutorRequest(f *testing.F) {
	for _, seed := range []string{
		`{"tool": "code_executor", "parameters": {"wasm_base64": "AGFzbQ==", "stdin": "x", "argv": ["a", "b"]}}`,
		`{"tool_name": "python_wasi_runner", "parameters": {"code": "x", "interpreter_wasm_path": "../x", "argv": null}}`,
		`{"tool": "code_executor", "parameters": {"wasm_path": 1}}`, `{"tool": "python_wasi_runner"}`, `{}`,
	} {
		f.Add(seed)
	}
	s := New(Options{Boxes: noBoxes, Runner: runnerFunc(printing)})
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, body string) {
		var ask executorRequest
		if decode([]byte(body), &ask, false) != nil {
			return
		}
		run, err := s.newExecutorRun(&http.Request{}, orElse(ask.Tool, ask.Name), ask.Parameters)
		if err != nil {
			if p := problemOf(err); p.Status >= 500 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		c := run.command
		if c.Limits != DefaultLimits || len(c.Mounts)+len(c.Preopens)+len(c.Files)+len(c.Env) > 0 || run.run.Box != "" {
			t.Errorf("%q: %+v", body, c)
		}
	})
}
