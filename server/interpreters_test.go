package server

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"boxer.dev/runtime"
	"boxer.dev/runtime/isolate"
	"boxer.dev/server/servertest"
)

// interpreters serve other people's interpreters out of their directory. Their machine code is the user's, since it takes a
// minute to compile.
func interpreters(t *testing.T) Options {
	t.Helper()
	root, err := os.OpenRoot(servertest.Interpreters(t))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	pool := &isolate.Pool{CacheDir: filepath.Join(cache, "boxer", "code"), Workers: 2, Warn: func(error) {}}
	t.Cleanup(func() {
		pool.Close()
		root.Close()
	})
	return Options{Runner: Isolated{Pool: pool}, WasmDirs: []*os.Root{root}}
}

func TestInterpretersOfOthers(t *testing.T) {
	o := interpreters(t)
	url, _ := start(t, o)
	ruby := func(argv ...string) map[string]any {
		return map[string]any{"wasm_path": "ruby.wasm", "stdin": "6 7\n", "argv": append([]string{"ruby"}, argv...)}
	}
	quickJS, err := o.WasmDirs[0].ReadFile("quickjs.wasm")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, tool     string
		parameters     map[string]any
		output, stderr string
		status         int
	}{
		{"Python", "python_wasi_runner", map[string]any{
			"interpreter_wasm_path": "python.wasm", "stdin": "6 7\n", "argv": []string{"x"},
			"code": "import json, sys\na, b = map(int, input().split())\nprint(json.dumps([a * b, sys.version_info[:2], sys.argv]))",
		}, "[42, [3, 12], [\"-c\", \"x\"]]\n", "", 0},
		{"Python that fails", "python_wasi_runner", map[string]any{"interpreter_wasm_path": "python.wasm", "code": "1/0"}, "", "ZeroDivisionError", 1},
		{"Python, as its command", "code_executor", map[string]any{
			"wasm_path": "python.wasm", "argv": []string{"python", "-c", "import sys; exec(sys.stdin.read())"}, "stdin": "print(6*7)",
		}, "42\n", "", 0},
		{"Ruby", "code_executor", ruby("-rjson", "-e", "a, b = $stdin.gets.split.map(&:to_i); puts [a * b, RUBY_VERSION[0, 3], ARGV].to_json", "--", "-x"),
			"[42,\"3.4\",[\"-x\"]]\n", "", 0},
		{"Ruby to its end", "code_executor", ruby("-e", "at_exit { puts :bye; exit 3 }; at_exit { puts :soon }; print :hello, ' '"), "hello soon\nbye\n", "", 3},
		{"Ruby that fails", "code_executor", ruby("-e", "def f = raise(ArgumentError, 'no')", "-e", "f"), "", "-e:1:in 'Object#f': no (ArgumentError)\n\tfrom -e:2:in '<main>'", 1},
		{"Ruby from its input", "code_executor", map[string]any{"wasm_path": "ruby.wasm", "stdin": "puts __FILE__, $0"}, "-\n-\n", "", 0},
		{"Ruby without its script", "code_executor", ruby("missing.rb"), "", "No such file or directory -- missing.rb", 1},
		{"Ruby without such an option", "code_executor", ruby("--such"), "", "invalid option --such", 1},
		{"Ruby that calls JavaScript", "code_executor", ruby("-rjs", "-e", "JS.eval('1')"), "", "", 134},
		{"QuickJS", "code_executor", map[string]any{"wasm_path": "quickjs.wasm", "argv": []string{"qjs", "-e", "console.log([6 * 7, 2n ** 70n].join())"}}, "42,1180591620717411303424\n", "", 0},
		{"QuickJS in the request", "code_executor", map[string]any{"wasm_base64": inBase64(quickJS), "argv": []string{"qjs", "-e", "throw new Error('no')"}}, "", "Error: no", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := execute(t, url, toolCall(test.tool, test.parameters))
			m := answer.Metadata
			if m.Status != test.status || answer.Output != test.output || !strings.Contains(m.Stderr, test.stderr) || answer.Success != (test.status == 0) {
				t.Errorf("status %d, output %q, error %q", m.Status, answer.Output, m.Message+"\n"+m.Stderr)
			}
		})
	}
}

// TestGrpcurl: what PolyAgent's guide does with grpcurl works here.
func TestGrpcurl(t *testing.T) {
	o := Options{Runner: isolated(t), Tokens: []Token{{"ann", "ann-secret-0123456"}}}
	address := strings.TrimPrefix(startCalls(t, o), "http://")
	grpcurl := func(stdin string, args ...string) (string, error) {
		command := exec.Command(servertest.Grpcurl(t), append([]string{"-plaintext", "-H", "Authorization: Bearer ann-secret-0123456"}, args...)...)
		command.Stdin = strings.NewReader(stdin)
		output, err := command.CombinedOutput()
		return string(output), err
	}
	if output, err := grpcurl("", address, "list"); err != nil || !strings.Contains(output, "polyagent.agent.AgentService\n") {
		t.Errorf("list: %v\n%s", err, output)
	}
	output, err := grpcurl("", address, "describe", "polyagent.agent.ToolCallRequest")
	if err != nil || !strings.Contains(output, "string tool_name = 1;") || !strings.Contains(output, ".google.protobuf.Struct parameters = 2;") {
		t.Errorf("describe: %v\n%s", err, output)
	}
	const method = "polyagent.agent.AgentService/ExecuteTool"
	ask := `{"tool_name": "code_executor", "parameters": {"wasm_base64": "` + inBase64(echoModule) + `", "stdin": "hello"}}`
	var answer struct {
		Success  bool
		Output   string
		Metadata struct{ Outcome runtime.Outcome }
	}
	output, err = grpcurl(ask, "-d", "@", address, method)
	if err != nil || json.Unmarshal([]byte(output), &answer) != nil || !answer.Success || answer.Output != "hello" || answer.Metadata.Outcome != runtime.OutcomeOK {
		t.Errorf("call: %v\n%s", err, output)
	}
	if output, err = grpcurl("", "-d", `{"tool_name": "x"}`, address, method); err == nil || !strings.Contains(output, "Code: NotFound") {
		t.Errorf("unknown tool: %v\n%s", err, output)
	}
	var stderr bytes.Buffer
	stranger := exec.Command(servertest.Grpcurl(t), "-plaintext", address, "list")
	stranger.Stderr = &stderr
	if err := stranger.Run(); err == nil || !strings.Contains(stderr.String(), "Unauthenticated") {
		t.Errorf("without a token: %v\n%s", err, &stderr)
	}
}
