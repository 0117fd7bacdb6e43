package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"boxer.dev/server/internal/polyagent"
)

// FuzzHandler: whatever is asked for at any path, in JSON, protobuf or MCP's messages, is answered, and never by a failure of the
// server's own.
func FuzzHandler(f *testing.F) {
	parameters, err := structpb.NewStruct(map[string]any{"code": "x", "argv": []any{"a", nil, 1.5}})
	if err != nil {
		f.Fatal(err)
	}
	call, err := proto.Marshal(&polyagent.ToolCallRequest{ToolName: "python_wasi_runner", Parameters: parameters})
	if err != nil {
		f.Fatal(err)
	}
	frame := append([]byte{0, 0, 0, 0, byte(len(call))}, call...)
	const execute = polyagent.AgentServiceExecuteToolProcedure
	for _, seed := range []struct {
		method, path, kind string
		body               []byte
	}{
		{"POST", "/v1/runs", "application/json", []byte(`{"code": "x", "files": {"a/b": "x"}, "stream": true}`)},
		{"POST", "/run", "application/json", []byte(`{"code": "x"}`)},
		{"POST", "/v1/sessions", "application/json", []byte(`{"idle_timeout": "5m", "limits": {"memory": "64M"}}`)},
		{"POST", "/v1/sessions/x/execute", "application/json", []byte(`{"code": "x", "stdin": "eA==", "stdin_encoding": "base64"}`)},
		{"POST", "/v1/sessions/x/fork", "", nil},
		{"PUT", "/v1/sessions/x/files/%2e%2e/a", "", []byte("x")},
		{"GET", "/v1/sessions/x/files//../\x01", "", nil},
		{"POST", "/tools/execute", "application/json", []byte(`{"tool": "python_wasi_runner", "parameters": {"code": "x"}}`)},
		{"POST", "/mcp", "application/json", []byte(callMessage)},
		{"POST", "/mcp", "application/json", []byte(`[{"jsonrpc": "2.0", "id": null, "method": "initialize", "params": {}}]`)},
		{"POST", execute, "application/proto", call},
		{"POST", execute, "application/grpc", frame},
		{"POST", execute, "application/grpc-web+proto", frame},
		{"POST", execute, "application/json", []byte(`{"toolName": "code_executor", "parameters": {"wasm_base64": "AGFzbQ=="}}`)},
		{"POST", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "application/grpc", frame},
	} {
		f.Add(seed.method, seed.path, seed.kind, seed.body)
	}
	s := New(Options{Boxes: noBoxes, Runner: runnerFunc(printing), Logger: slog.New(slog.DiscardHandler)})
	f.Cleanup(func() { s.Close() })
	f.Fuzz(func(t *testing.T, method, path, kind string, body []byte) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, method, "http://localhost", bytes.NewReader(body))
		if err != nil || method == http.MethodGet && strings.HasPrefix(path, "/mcp") { // which waits for what the server has to say
			return
		}
		r.RequestURI, r.RemoteAddr = path, "127.0.0.1:1"
		if r.URL.Path = path; !strings.HasPrefix(path, "/") {
			return
		}
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Accept", "application/json, text/event-stream")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		answer := w.Result()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode == http.StatusInternalServerError && !isCall(path) {
			t.Errorf("%s %q: %d, %v, %q", method, path, answer.StatusCode, err, text)
		}
		if answer.Header.Get("Content-Type") == "application/json" && !json.Valid(text) {
			t.Errorf("%s %q: %q", method, path, text)
		}
		if ctx.Err() != nil {
			t.Errorf("%s %q: no answer", method, path)
		}
	})
}
