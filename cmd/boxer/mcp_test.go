package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestPythonMCP has the tools used by the client of the protocol's SDK, over both transports. The one for standard input has a
// process of `boxer mcp`.
func TestPythonMCP(t *testing.T) {
	for name, transport := range map[string]func(*testing.T) sdk.Transport{
		"stdio": func(t *testing.T) sdk.Transport {
			cache, err := cacheDir()
			if err != nil {
				t.Fatal(err)
			}
			command := boxer(context.Background(), t.TempDir(), "mcp", "--session-idle", "10m", "--log", "off")
			command.Env = append(command.Env, "BOXER_CACHE="+cache)
			command.Stderr = os.Stderr
			return &sdk.CommandTransport{Command: command}
		},
		"http": func(t *testing.T) sdk.Transport {
			return &sdk.StreamableClientTransport{Endpoint: serving(t, "--session-idle", "10m") + "/mcp"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), transport(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			m := model{t, session}
			m.looksAround()
			m.runs()
			m.keepsASession()
			m.hasFiles()
			m.losesASession()
			if err := session.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// model is what a language model does with the tools.
type model struct {
	*testing.T
	*sdk.ClientSession
}

// call calls a tool, and gives what comes back, its texts as one.
func (m model) call(tool string, arguments map[string]any) (text string, result *sdk.CallToolResult) {
	m.Helper()
	result, err := m.CallTool(m.Context(), &sdk.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		m.Fatalf("%s: %v", tool, err)
	}
	return textOf(result), result
}

func textOf(result *sdk.CallToolResult) (text string) {
	for _, c := range result.Content {
		if c, ok := c.(*sdk.TextContent); ok {
			text += c.Text
		}
	}
	return text
}

// wants calls a tool whose text has to match a pattern, and that has to fail or not.
func (m model) wants(tool string, arguments map[string]any, pattern string, failure bool) string {
	m.Helper()
	text, result := m.call(tool, arguments)
	if !regexp.MustCompile(`(?s)\A` + pattern + `\z`).MatchString(text) {
		m.Errorf("%s %v:\ngot:  %s\nwant: %s", tool, arguments, text, pattern)
	}
	if result.IsError != failure {
		m.Errorf("%s %v: is an error: %v\n%s", tool, arguments, result.IsError, text)
	}
	return text
}

type args = map[string]any

// toolNames are those of all tools.
const toolNames = "run_python session_close session_execute session_list session_list_files session_open session_read_file session_write_file"

func (m model) looksAround() {
	m.Helper()
	list, err := m.ListTools(m.Context(), nil)
	if err != nil {
		m.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		var schema struct {
			Properties map[string]struct{ Description string }
		}
		text, err := json.Marshal(tool.InputSchema)
		if err != nil {
			m.Fatal(err)
		}
		if err := json.Unmarshal(text, &schema); err != nil {
			m.Fatal(err)
		}
		for name, property := range schema.Properties {
			if property.Description == "" {
				m.Errorf("%s does not say what %s is", tool.Name, name)
			}
		}
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != toolNames {
		m.Errorf("tools: %s\nwant:  %s", got, toolNames)
	}
}

// png is the smallest picture.
var png, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

func (m model) runs() {
	m.Helper()
	m.wants("run_python", args{"code": "print(6*7)"}, "42\n", false)
	m.wants("run_python", args{"code": "pass"}, `\[no output\]`, false)
	m.wants("run_python", args{"code": "import os, sys; print(os.getcwd(), sys.argv[1], input())", "args": []string{"a"}, "stdin": "b"}, "/work a b\n", false)
	m.wants("run_python", args{"code": "import sys\nprint(1, file=sys.stderr)\nprint(2, end='')"}, `2\n\[stderr\]\n1\n`, false)
	m.wants("run_python", args{"code": "print('before')\n1/0"}, `before\n\[stderr\]\nTraceback.*ZeroDivisionError: division by zero\n\[exit status 1\]`, true)
	m.wants("run_python", args{"code": "while True: pass", "timeout_seconds": 0.2}, `\[timeout: .*requests may have limits of up to .*timeout=1m.*\]`, true)
	m.wants("run_python", args{"code": "print('é' * 100000)"}, `é+\n\[… 16\d{4} of 200001 bytes left out: [^\n]*\]\né+\n`, false)
	m.wants("run_python", args{"code": "import socket; socket.create_connection(('127.0.0.1', 80))"}, `.*Traceback.*`, true)
	m.wants("run_python", args{}, `.*missing properties: \["code"\].*`, true)
	m.wants("run_python", args{"code": "", "timeout_seconds": 3600}, `this server's limits are .*`, true)
	m.wants("run_python", args{"code": "", "box": "nowhere.example/none"}, `.*`, true)

	text, result := m.call("run_python", args{
		"code":    "open('out/plot.png', 'wb').write(open('in.png', 'rb').read())\nopen('out/t.csv', 'w').write('a,b\\n')\nopen('out/x', 'wb').write(bytes(3))",
		"files":   []args{{"path": "in.png", "content": base64.StdEncoding.EncodeToString(png), "encoding": "base64"}, {"path": "out/.keep", "content": ""}},
		"outputs": []string{"out/*[a-z]"},
	})
	if result.IsError || !strings.Contains(text, "[file /work/out/plot.png]") || !strings.Contains(text, "[file /work/out/t.csv]a,b\n") {
		m.Errorf("files: %s", text)
	}
	m.hasImage(result)
	m.hasBlob(result, "boxer:///work/out/x")
}

func (m model) hasImage(result *sdk.CallToolResult) {
	m.Helper()
	for _, c := range result.Content {
		if image, ok := c.(*sdk.ImageContent); ok && image.MIMEType == "image/png" && bytes.Equal(image.Data, png) {
			return
		}
	}
	m.Error("there is no image")
}

func (m model) hasBlob(result *sdk.CallToolResult, uri string) {
	m.Helper()
	for _, c := range result.Content {
		if blob, ok := c.(*sdk.EmbeddedResource); ok && blob.Resource.URI == uri && bytes.Equal(blob.Resource.Blob, make([]byte, 3)) {
			return
		}
	}
	m.Errorf("there is no %s", uri)
}

// opens opens a session.
func (m model) opens() (id string) {
	m.Helper()
	text := m.wants("session_open", args{}, `session: [a-z0-9]+\nworking directory: /work\nclosed when unused for 10m0s`, false)
	id, _, _ = strings.Cut(strings.TrimPrefix(text, "session: "), "\n")
	return id
}

func (m model) keepsASession() {
	m.Helper()
	id := m.opens()
	in := func(code string) args { return args{"session": id, "code": code} }
	m.wants("session_execute", in("x = 41\nprint('set')"), "set\n", false)
	m.wants("session_execute", in("x + 1"), `\[value\]\n42`, false)
	m.wants("session_execute", in("print(1)\nx / 0"), `1\n\[exception\]\nTraceback.*ZeroDivisionError.*`, true)
	m.wants("session_execute", args{"session": id, "code": "while True: pass", "timeout_seconds": 0.2},
		`\[exception\]\nTraceback.*KeyboardInterrupt\n\[interrupted after 200ms; the session goes on\]`, true)
	m.wants("session_execute", args{"session": id, "code": "input()", "stdin": "y"}, `\[value\]\n'y'`, false)
	m.wants("session_execute", in("'z' * 100000"), `\[value\]\n'z+\n\[… \d+ of 100002 bytes left out.*z'`, false)
	m.cancels(id)
	m.takesTurns(id)
	m.wants("session_execute", in("x"), `\[value\]\n41`, false)
	m.wants("session_list", args{}, id+`  python:3.13, \d+ executions, last used [-0-9: ]+\n`, false)
	m.wants("session_close", args{"session": id}, "the session is closed", false)
	m.wants("session_execute", in("x"), "there is no such session; .*", true)
	m.wants("session_list", args{}, "there are no sessions; .*", false)
}

// cancels takes back what it has asked for, after the code has begun: it writes a file.
func (m model) cancels(id string) {
	m.Helper()
	ctx, cancel := context.WithCancel(m.Context())
	come := make(chan error, 1)
	go func() {
		_, err := m.CallTool(ctx, &sdk.CallToolParams{Name: "session_execute", Arguments: args{"session": id, "code": "open('begun', 'w').close()\nwhile True: pass"}})
		come <- err
	}()
	for begun := false; !begun; {
		text, _ := m.call("session_list_files", args{"session": id, "path": "/work"})
		begun = strings.Contains(text, "begun")
	}
	cancel()
	if err := <-come; err == nil {
		m.Error("a call that was cancelled has an answer")
	}
}

// takesTurns has code executed that is done long before other code of the session, and has to wait for it all the same: neither is
// interrupted for the other.
func (m model) takesTurns(id string) {
	m.Helper()
	come := make(chan string, 2)
	for i := range 2 {
		go func() {
			result, err := m.CallTool(m.Context(), &sdk.CallToolParams{Name: "session_execute", Arguments: args{
				"session": id, "timeout_seconds": 30, "code": fmt.Sprintf("for i in range(300_000): pass\n%d", i),
			}})
			if err != nil {
				come <- err.Error()
				return
			}
			come <- textOf(result)
		}()
	}
	if got := []string{<-come, <-come}; !slices.Contains(got, "[value]\n0") || !slices.Contains(got, "[value]\n1") {
		m.Errorf("two at a time: %q", got)
	}
}

func (m model) hasFiles() {
	m.Helper()
	id := m.opens()
	at := func(path string) args { return args{"session": id, "path": path} }
	m.wants("session_write_file", args{"session": id, "path": "/work/a b/t.txt", "content": strings.Repeat("0123456789é\n", 5000)}, "65000 bytes written to /work/a b/t.txt", false)
	m.wants("session_write_file", args{"session": id, "path": "/work/x", "content": "AAAA", "encoding": "base64"}, "3 bytes written to /work/x", false)
	m.wants("session_write_file", args{"session": id, "path": "/work/y", "content": "?", "encoding": "base64"}, ".*is no base64.*", true)
	m.wants("session_write_file", args{"session": id, "path": "/work/plot.png", "content": base64.StdEncoding.EncodeToString(png), "encoding": "base64"}, ".*", false)
	m.wants("session_execute", args{"session": id, "code": "len(open('a b/t.txt').readlines())"}, `\[value\]\n5000`, false)
	m.wants("session_list_files", at("/work"), `a b/\nplot\.png  \d+ bytes\nx  3 bytes\n`, false)
	m.wants("session_list_files", at("/work/a b"), `t\.txt  65000 bytes\n`, false)
	m.wants("session_read_file", at("/work/a b/t.txt"), `0123456789é\n.*\[bytes 0 to 32768 of 65000; go on with offset 32768\]`, false)
	m.wants("session_read_file", args{"session": id, "path": "/work/a b/t.txt", "offset": 64987}, "0123456789é\n", false)
	m.wants("session_read_file", args{"session": id, "path": "/work/a b/t.txt", "offset": 65001}, "offset 65001 is not within.*", true)
	_, result := m.call("session_read_file", at("/work/plot.png"))
	m.hasImage(result)
	_, result = m.call("session_read_file", at("/work/x"))
	m.hasBlob(result, "boxer:///work/x")
	m.wants("session_read_file", at("x"), `"x" has to be an absolute path.*`, true)
	m.wants("session_read_file", at("/work"), `"/work" is a directory; session_list_files lists it`, true)
	m.wants("session_list_files", at("/work/x"), `"/work/x" is a file; session_read_file reads it`, true)
	m.wants("session_read_file", at("/work/../nothing"), `"/nothing": .*`, true)
	m.wants("session_close", args{"session": id}, "the session is closed", false)
}

func (m model) losesASession() {
	m.Helper()
	id := m.opens()
	m.wants("session_execute", args{"session": id, "code": "print(1); raise SystemExit(3)"}, `1\n.*\[exit status 3\]\n\[the session has ended, and what it had is gone; session_open opens another\]`, true)
	m.wants("session_execute", args{"session": id, "code": "1"}, "there is no such session; .*", true)
}

// mcpConfigs are the files that docs/mcp.md shows: for each, the members below its one name.
func mcpConfigs(t *testing.T) (text string, configs []mcpConfig) {
	t.Helper()
	document, err := os.ReadFile("../../docs/mcp.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllSubmatch(document, -1) {
		var named map[string]map[string]mcpConfig
		if err := json.Unmarshal(block[1], &named); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
		for _, servers := range named {
			configs = append(configs, servers["boxer"])
		}
	}
	return string(document), configs
}

type mcpConfig struct {
	Command string
	Args    []string
	URL     string
	Headers map[string]string
}

// TestMCPDocumentation: docs/mcp.md names the tools, and what it has clients start is there.
func TestMCPDocumentation(t *testing.T) {
	text, configs := mcpConfigs(t)
	for name := range strings.FieldsSeq(toolNames) {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("docs/mcp.md does not name %s", name)
		}
	}
	if len(configs) != 3 {
		t.Fatalf("docs/mcp.md has %d configurations", len(configs))
	}
	for _, c := range configs[:2] {
		root := rootCommand(&app{}, nil)
		command, rest, err := root.Find(c.Args)
		if err == nil {
			err = command.ParseFlags(rest)
		}
		if err != nil || c.Command != "boxer" || command.Name() != "mcp" {
			t.Errorf("%s %v: %v", c.Command, c.Args, err)
		}
	}
	if c := configs[2]; c.URL != "http://127.0.0.1:3000/mcp" || c.Headers["Authorization"] != "Bearer TOKEN" {
		t.Errorf("over HTTP: %+v", c)
	}
}
