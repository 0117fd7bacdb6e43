package server

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"boxer.dev/runtime"
)

// Tools are what clients of PolyAgent know: POST /tools/execute is that of its tool server, and the method ExecuteTool (calls.go)
// that of its agent core.

// executorRequest names a tool and says what it is given.
type executorRequest struct {
	Tool       string         `json:"tool"`
	Name       string         `json:"tool_name"` // by which PolyAgent's own server has it
	Parameters map[string]any `json:"parameters"`
}

// executorAnswer is what came of a tool.
type executorAnswer struct {
	Success  bool             `json:"success"`
	Output   string           `json:"output"`
	Error    *string          `json:"error"`
	Metadata executorMetadata `json:"metadata"`
	Took     int64            `json:"execution_time_ms"`
}

// executorMetadata is what there is to say of a run besides.
type executorMetadata struct {
	ID string `json:"id"`
	runtime.Result
	OutputEncoding string         `json:"output_encoding,omitempty"`
	Stderr         string         `json:"stderr"`
	StderrEncoding string         `json:"stderr_encoding,omitempty"`
	Stats          *runtime.Stats `json:"stats"`
}

// executors are those that there are: what each takes, and the run that it is.
var executors = map[string]struct {
	parameters []string
	run        func(executorParameters) (*runRequest, error)
}{
	"code_executor":      {[]string{"wasm_base64", "wasm_path", "stdin", "argv"}, executeModule},
	"python_wasi_runner": {[]string{"code", "interpreter_wasm_base64", "interpreter_wasm_path", "stdin", "argv"}, executePython},
}

func (s *Server) postExecutor(w http.ResponseWriter, r *http.Request) error {
	var ask executorRequest
	body, err := s.readJSON(w, r, &ask, false)
	if err != nil {
		return err
	}
	if ask.Tool != "" && ask.Name != "" && ask.Tool != ask.Name {
		return badRequest("tool and tool_name are two different ones")
	}
	t, err := s.newExecutorRun(r, orElse(ask.Tool, ask.Name), ask.Parameters)
	if err != nil {
		return err
	}
	return s.reply(w, r, body, func(ctx context.Context) (int, any, error) {
		answer, err := t.execute(ctx)
		return http.StatusOK, answer, err
	})
}

// executorRun is a tool that is to be executed.
type executorRun struct {
	server         *Server
	http           *http.Request
	run            *runRequest
	command        *runtime.Cmd
	stdout, stderr *buffer
}

func (s *Server) newExecutorRun(r *http.Request, name string, parameters map[string]any) (*executorRun, error) {
	tool, ok := executors[name]
	if !ok {
		return nil, newProblem(http.StatusNotFound, "no_such_tool", "there is no tool %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(executors)), " and "))
	}
	p, err := newExecutorParameters(name, parameters, tool.parameters)
	if err != nil {
		return nil, err
	}
	t := &executorRun{server: s, http: r, stdout: &buffer{}, stderr: &buffer{}}
	if t.run, err = tool.run(p); err != nil {
		return nil, err
	}
	t.run.ID = requestID(r)
	if t.command, err = t.run.command(s.options.Limits); err != nil {
		return nil, err
	}
	t.command.Stdin = strings.NewReader(p.texts["stdin"])
	t.command.Stdout, t.command.Stderr = t.stdout, t.stderr
	return t, nil
}

// execute executes the tool. Its error is why nothing was executed.
func (t *executorRun) execute(ctx context.Context) (*executorAnswer, error) {
	began := time.Now()
	result, err := t.server.run(ctx, t.http, t.run, t.command)
	if err != nil {
		return nil, err
	}
	printed := newPrinted(t.stdout, t.stderr)
	answer := &executorAnswer{
		Success: result.Outcome == runtime.OutcomeOK, Output: printed.Stdout, Took: time.Since(began).Milliseconds(),
		Metadata: executorMetadata{
			ID: result.ID, Result: result.Result, Stats: result.Stats, OutputEncoding: printed.StdoutEncoding,
			Stderr: printed.Stderr, StderrEncoding: printed.StderrEncoding,
		},
	}
	if !answer.Success {
		answer.Error = executorError(result.Result, t.stderr.take())
	}
	return answer, nil
}

// executorError is what a program wrote of its end, or what there is to say of one that wrote nothing of it.
func executorError(result runtime.Result, stderr []byte) *string {
	stderr = bytes.TrimSpace(stderr)
	message := text(stderr)
	if result.Outcome != runtime.OutcomeExit || len(stderr) == 0 {
		message = strings.TrimSpace(message + "\n" + result.Message)
	}
	return &message
}

// executeModule runs a program. argv begins with the name that the program is told to have, which is not used.
func executeModule(p executorParameters) (*runRequest, error) {
	run := &runRequest{program: module{p.texts["wasm_base64"], p.texts["wasm_path"]}}
	if len(p.argv) > 0 {
		run.Args = p.argv[1:]
	}
	return run, p.exactlyOne("wasm_base64", "wasm_path")
}

// executePython runs Python code, by the server's own Python or by that of a program.
func executePython(p executorParameters) (*runRequest, error) {
	code, ok := p.texts["code"]
	if !ok {
		return nil, badRequest("parameters: python_wasi_runner takes code")
	}
	run := &runRequest{program: module{p.texts["interpreter_wasm_base64"], p.texts["interpreter_wasm_path"]}}
	if !run.program.given() {
		run.Code, run.Args = &code, p.argv
		return run, nil
	}
	run.Args = append([]string{"-c", code}, p.argv...)
	return run, p.exactlyOne("interpreter_wasm_base64", "interpreter_wasm_path")
}

// executorParameters are those that were given.
type executorParameters struct {
	tool  string
	texts map[string]string
	argv  []string
}

// newExecutorParameters takes parameters that a tool has. What is null is not there.
func newExecutorParameters(tool string, given map[string]any, names []string) (executorParameters, error) {
	p := executorParameters{tool: tool, texts: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if !slices.Contains(names, name) {
			return p, badRequest("parameters: %s takes %s, not %q", tool, strings.Join(names, ", "), name)
		}
		switch v := value.(type) {
		case nil:
			continue
		case string:
			if name != "argv" {
				p.texts[name] = v
				continue
			}
		case []any:
			if argv, ok := texts(v); ok && name == "argv" {
				p.argv = argv
				continue
			}
		}
		if name == "argv" {
			return p, badRequest("parameters: argv takes a list of texts")
		}
		return p, badRequest("parameters: %s takes a text", name)
	}
	return p, nil
}

func texts(list []any) ([]string, bool) {
	argv := make([]string, len(list))
	for i, value := range list {
		s, ok := value.(string)
		if !ok {
			return nil, false
		}
		argv[i] = s
	}
	return argv, true
}

// exactlyOne checks that one of two parameters is there.
func (p executorParameters) exactlyOne(one, other string) error {
	if (p.texts[one] == "") == (p.texts[other] == "") {
		return badRequest("parameters: %s takes either %s or %s", p.tool, one, other)
	}
	return nil
}
