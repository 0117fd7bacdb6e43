package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	"boxer.dev/runtime"
	"boxer.dev/server/internal/polyagent"
)

// startCalls serves HTTP/1.1 and HTTP/2 at one address, until the test ends.
func startCalls(t *testing.T, o Options) string {
	t.Helper()
	if o.Boxes.Open == nil {
		o.Boxes = noBoxes
	}
	s := New(o)
	h := httptest.NewUnstartedServer(s.Handler())
	h.Config.Protocols = protocols()
	h.Start()
	t.Cleanup(func() {
		h.Close()
		s.Close()
		noneLeft(t)
	})
	return h.URL
}

// caller is a client that speaks HTTP/2 without TLS.
func caller(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// byProtocol are clients of all protocols.
func byProtocol(t *testing.T, url string) map[string]polyagent.AgentServiceClient {
	return map[string]polyagent.AgentServiceClient{
		"gRPC":          polyagent.NewAgentServiceClient(caller(t), url, connect.WithGRPC()),
		"gRPC-Web":      polyagent.NewAgentServiceClient(http.DefaultClient, url, connect.WithGRPCWeb()),
		"Connect":       polyagent.NewAgentServiceClient(caller(t), url),
		"Connect, JSON": polyagent.NewAgentServiceClient(http.DefaultClient, url, connect.WithProtoJSON()),
		"compressed":    polyagent.NewAgentServiceClient(caller(t), url, connect.WithGRPC(), connect.WithSendGzip()),
	}
}

func toolCallRequest(t *testing.T, tool string, parameters map[string]any) *polyagent.ToolCallRequest {
	t.Helper()
	p, err := structpb.NewStruct(parameters)
	if err != nil {
		t.Fatal(err)
	}
	return &polyagent.ToolCallRequest{ToolName: tool, Parameters: p}
}

func TestExecuteTool(t *testing.T) {
	dir := wasmDir(t, map[string][]byte{"exit.wasm": exitModule})
	url := startCalls(t, Options{Runner: isolated(t), WasmDirs: []*os.Root{dir}})
	for name, client := range byProtocol(t, url) {
		t.Run(name, func(t *testing.T) {
			answer, err := client.ExecuteTool(t.Context(), toolCallRequest(t, "code_executor", map[string]any{"wasm_base64": inBase64(echoModule), "stdin": "hello"}))
			if err != nil {
				t.Fatal(err)
			}
			if !answer.Success || answer.Output != "hello" || answer.Error != "" || answer.Metadata.Fields["outcome"].GetStringValue() != string(runtime.OutcomeOK) {
				t.Errorf("got %v", answer)
			}
			answer, err = client.ExecuteTool(t.Context(), toolCallRequest(t, "code_executor", map[string]any{"wasm_path": "exit.wasm"}))
			if err != nil {
				t.Fatal(err)
			}
			if answer.Success || answer.Error != "exit status 3" || answer.Metadata.Fields["exit_status"].GetNumberValue() != 3 {
				t.Errorf("got %v", answer)
			}
			_, err = client.ExecuteTool(t.Context(), toolCallRequest(t, "calculator", nil))
			if connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "code_executor") {
				t.Errorf("unknown tool: %v", err)
			}
			_, err = client.ExecuteTool(t.Context(), toolCallRequest(t, "code_executor", map[string]any{"wasm": "x"}))
			if connect.CodeOf(err) != connect.CodeInvalidArgument {
				t.Errorf("unknown parameter: %v", err)
			}
		})
	}
}

// TestCallsPassWhatRequestsPass: tokens, sizes and admission count for calls as for the rest.
func TestCallsPassWhatRequestsPass(t *testing.T) {
	running, end := make(chan bool), make(chan bool)
	url := startCalls(t, Options{
		Tokens: []Token{{"ann", "ann-secret-0123456"}}, MaxBody: 2000, Running: 1, Waiting: 1, PerKey: 1,
		Runner: runnerFunc(func(ctx context.Context, c *runtime.Cmd) error {
			if c.Args[2] == "wait" {
				running <- true
				<-end
			}
			return printing(ctx, c)
		}),
	})
	python := func(code string) *polyagent.ToolCallRequest {
		return toolCallRequest(t, "python_wasi_runner", map[string]any{"code": code})
	}
	for name, client := range byProtocol(t, url) {
		t.Run(name, func(t *testing.T) {
			if _, err := client.ExecuteTool(t.Context(), python("x")); connect.CodeOf(err) != connect.CodeUnauthenticated {
				t.Errorf("without a token: %v", err)
			}
			ctx, info := connect.NewClientContext(t.Context())
			info.RequestHeader().Set("Authorization", "Bearer ann-secret-0123456")
			if answer, err := client.ExecuteTool(ctx, python("x")); err != nil || answer.Output != "x" {
				t.Errorf("with one: %v, %v", answer, err)
			}
			_, err := client.ExecuteTool(ctx, python(strings.Repeat("x", 10_000)))
			if connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("too large: %v", err)
			}
			first := make(chan error)
			go func() {
				_, err := client.ExecuteTool(ctx, python("wait"))
				first <- err
			}()
			<-running
			var refused *connect.Error
			_, err = client.ExecuteTool(ctx, python("x"))
			if connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("one too many: %v", err)
			} else if errors.As(err, &refused); refused.Meta().Get("Retry-After") == "" {
				t.Errorf("one too many, without Retry-After: %v", refused.Meta())
			}
			end <- true
			if err := <-first; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSlowCall: a client that does not get on with its request is told so, and is rid of.
func TestSlowCall(t *testing.T) {
	url := startCalls(t, Options{Runner: runnerFunc(printing), Timeouts: Timeouts{Body: 50 * time.Millisecond}})
	body, end := io.Pipe()
	defer end.Close()
	request, err := http.NewRequest("POST", url+polyagent.AgentServiceExecuteToolProcedure, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/grpc+proto")
	answer, err := caller(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	status := answer.Trailer.Get("Grpc-Status") + answer.Header.Get("Grpc-Status")
	if answer.StatusCode != 200 || status != "4" { // DEADLINE_EXCEEDED
		t.Errorf("got %d %v %v", answer.StatusCode, answer.Header, answer.Trailer)
	}
}

// TestCallsAreDrained: a call that goes on when the server is told to end is answered.
func TestCallsAreDrained(t *testing.T) {
	running, goOn := make(chan bool), make(chan bool)
	s := New(Options{Boxes: noBoxes, Runner: runnerFunc(func(ctx context.Context, c *runtime.Cmd) error {
		running <- true
		<-goOn
		return printing(ctx, c)
	})})
	var listeners []net.Listener
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, listener)
	}
	ctx, stop := context.WithCancel(t.Context())
	served, answered := make(chan error), make(chan error)
	go func() { served <- s.Serve(ctx, time.Minute, listeners...) }()
	go func() {
		client := polyagent.NewAgentServiceClient(caller(t), "http://"+listeners[1].Addr().String(), connect.WithGRPC())
		answer, err := client.ExecuteTool(t.Context(), toolCallRequest(t, "python_wasi_runner", map[string]any{"code": "x"}))
		if err == nil && answer.Output != "x" {
			err = errors.New(answer.String())
		}
		answered <- err
	}()
	<-running
	stop()
	for !s.draining.Load() {
		goruntime.Gosched()
	}
	goOn <- true
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	noneLeft(t)
}
