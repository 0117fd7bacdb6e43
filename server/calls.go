package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"boxer.dev/server/internal/polyagent"
	"boxer.dev/server/internal/reflection"
)

// Calls are requests by gRPC, gRPC-Web or Connect. They pass what every other request passes; what is a problem there is an error of
// those protocols here.

// isCall reports whether a path, or the pattern of a route, is that of calls.
func isCall(path string) bool {
	service, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "POST "), "/"), "/")
	return ok && (service == polyagent.AgentServiceName || slices.Contains(reflection.Services, service))
}

// reflectionTime bounds how long one client may ask what there is, and maxReflection how much at once, in bytes.
const (
	reflectionTime = time.Minute
	maxReflection  = 64 << 10
)

// calls are the routes of calls.
func (s *Server) calls() []route {
	_, agent := polyagent.NewAgentServiceHandler(agentService{server: s}, connect.WithReadMaxBytes(int(min(s.options.MaxBody, math.MaxInt))))
	routes := []route{{"POST " + polyagent.AgentServiceExecuteToolProcedure, s.call(agent), false}}
	files := []proto.Message{(*polyagent.ToolCallRequest)(nil), (*structpb.Struct)(nil)}
	for path, h := range reflection.Handlers([]string{polyagent.AgentServiceName}, files, connect.WithReadMaxBytes(maxReflection)) {
		routes = append(routes, route{"POST " + path, reflecting(h), false})
	}
	return routes
}

// call reads a request as all requests are read, and has it answered.
func (s *Server) call(handler http.Handler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := s.read(w, r)
		if err != nil {
			return err
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		r = r.WithContext(context.WithValue(r.Context(), callName{}, r))
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(w, r)
		return nil
	}
}

// reflecting lets a client ask for a bounded time.
func reflecting(handler http.Handler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		control, end := http.NewResponseController(w), time.Now().Add(reflectionTime)
		_, _ = control.SetReadDeadline(end), control.SetWriteDeadline(end)
		handler.ServeHTTP(w, r)
		return nil
	}
}

var callErrors = connect.NewErrorWriter()

// callName is where the request of a call is in its context.
type callName struct{}

// agentService answers calls.
type agentService struct{ server *Server }

// ExecuteTool executes a tool as POST /tools/execute does.
func (a agentService) ExecuteTool(ctx context.Context, ask *polyagent.ToolCallRequest) (*polyagent.ToolCallResponse, error) {
	r := ctx.Value(callName{}).(*http.Request)
	t, err := a.server.newExecutorRun(r, ask.ToolName, ask.Parameters.AsMap())
	if err != nil {
		return nil, a.server.failed(r, err)
	}
	ctx, cancel := a.server.within(ctx)
	defer cancel(nil)
	answer, err := t.execute(ctx)
	if err != nil {
		return nil, a.server.failed(r, err)
	}
	return newExecutorResponse(answer)
}

func newExecutorResponse(answer *executorAnswer) (*polyagent.ToolCallResponse, error) {
	text, err := json.Marshal(struct {
		executorMetadata
		Took int64 `json:"execution_time_ms"`
	}{answer.Metadata, answer.Took})
	if err != nil {
		return nil, err
	}
	response := &polyagent.ToolCallResponse{Success: answer.Success, Output: answer.Output, Metadata: &structpb.Struct{}}
	if answer.Error != nil {
		response.Error = *answer.Error
	}
	return response, response.Metadata.UnmarshalJSON(text)
}

// failed is the error of a call that could not be answered.
func (s *Server) failed(r *http.Request, err error) error {
	return callError(s.problem(r, err))
}

// failCall answers a call with a problem.
func (s *Server) failCall(w http.ResponseWriter, r *http.Request, p *problem) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.options.Timeouts.Write))
	_ = callErrors.Write(w, r, callError(p)) // whoever has gone does not hear of it
}

// callError is a problem in the words of calls.
func callError(p *problem) *connect.Error {
	code, ok := callCodes[p.Status]
	if !ok {
		code = connect.CodeInternal
	}
	err := connect.NewError(code, errors.New(p.Detail))
	if p.after > 0 {
		err.Meta().Set("Retry-After", strconv.Itoa(int(math.Ceil(p.after.Seconds()))))
	}
	return err
}

var callCodes = map[int]connect.Code{
	http.StatusBadRequest:            connect.CodeInvalidArgument,
	http.StatusUnprocessableEntity:   connect.CodeInvalidArgument,
	http.StatusUnauthorized:          connect.CodeUnauthenticated,
	http.StatusForbidden:             connect.CodePermissionDenied,
	http.StatusMisdirectedRequest:    connect.CodePermissionDenied,
	http.StatusNotFound:              connect.CodeNotFound,
	http.StatusMethodNotAllowed:      connect.CodeUnimplemented,
	http.StatusNotImplemented:        connect.CodeUnimplemented,
	http.StatusRequestTimeout:        connect.CodeDeadlineExceeded,
	http.StatusConflict:              connect.CodeAlreadyExists,
	http.StatusRequestEntityTooLarge: connect.CodeResourceExhausted,
	http.StatusTooManyRequests:       connect.CodeResourceExhausted,
	http.StatusServiceUnavailable:    connect.CodeUnavailable,
}
