package reflection

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"boxer.dev/server/internal/polyagent"
)

var (
	services = []string{polyagent.AgentServiceName}
	messages = []proto.Message{(*polyagent.ToolCallRequest)(nil), (*structpb.Struct)(nil)}
)

// serve answers by HTTP/2 without TLS until the test ends, and gives a client and the address.
func serve(t *testing.T, handlers map[string]http.Handler) (*http.Client, string) {
	t.Helper()
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.Handle(path, h)
	}
	s := httptest.NewUnstartedServer(mux)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	transport := &http.Transport{Protocols: s.Config.Protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, s.URL
}

// reference answers by the library that does the same for all of protobuf.
func reference() map[string]http.Handler {
	path, h := grpcreflect.NewHandlerV1(grpcreflect.NewStaticReflector(services...))
	return map[string]http.Handler{path: h}
}

func TestAnswersAreThoseOfTheReference(t *testing.T) {
	ours, theirs := asked(t, Handlers(services, messages)), asked(t, reference())
	if diff := cmp.Diff(theirs, ours, protocmp.Transform()); diff != "" {
		t.Errorf("answers differ (-reference +ours):\n%s", diff)
	}
}

// asked is what a client hears from a server.
func asked(t *testing.T, handlers map[string]http.Handler) map[string]any {
	t.Helper()
	client, address := serve(t, handlers)
	answers := map[string]any{}
	ask := func(what string, question func(*grpcreflect.ClientStream) (any, error)) {
		s := grpcreflect.NewClient(client, address, connect.WithGRPC()).NewStream(t.Context())
		defer s.Close()
		answer, err := question(s)
		if err != nil {
			answer = connect.CodeOf(err).String()
		}
		answers[what] = answer
	}
	ask("services", func(s *grpcreflect.ClientStream) (any, error) { return s.ListServices() })
	for _, name := range []string{
		"polyagent.agent.AgentService", "polyagent.agent.AgentService.ExecuteTool", "polyagent.agent.ToolCallRequest", "polyagent.agent.ToolCallRequest.parameters",
		"google.protobuf.Struct", "google.protobuf.NullValue", "polyagent.agent", "no.such.Name", "", "\xff", "a b",
	} {
		ask("symbol "+name, func(s *grpcreflect.ClientStream) (any, error) {
			return byPath(s.FileContainingSymbol(protoreflect.FullName(name)))
		})
		ask("extensions of "+name, func(s *grpcreflect.ClientStream) (any, error) {
			return s.AllExtensionNumbers(protoreflect.FullName(name))
		})
		ask("an extension of "+name, func(s *grpcreflect.ClientStream) (any, error) {
			return byPath(s.FileContainingExtension(protoreflect.FullName(name), 7))
		})
	}
	for _, path := range []string{"polyagent/agent.proto", "google/protobuf/struct.proto", "no/such.proto", ""} {
		ask("file "+path, func(s *grpcreflect.ClientStream) (any, error) { return byPath(s.FileByFilename(path)) })
	}
	return answers
}

// byPath makes files comparable, whatever their order.
func byPath(files []*descriptorpb.FileDescriptorProto, err error) (any, error) {
	found := map[string]*descriptorpb.FileDescriptorProto{}
	for _, f := range files {
		found[f.GetName()] = f
	}
	return found, err
}

func TestOneStreamAsksAgain(t *testing.T) {
	client, address := serve(t, Handlers(services, messages))
	s := grpcreflect.NewClient(client, address, connect.WithGRPC()).NewStream(t.Context(), grpcreflect.WithReflectionHost("here"))
	defer s.Close()
	for range 3 {
		files, err := s.FileContainingSymbol("polyagent.agent.AgentService")
		if err != nil || len(files) != 2 || files[0].GetName() != "polyagent/agent.proto" {
			t.Fatalf("%v: %v", err, files)
		}
		if _, err := s.FileContainingSymbol("no.such"); connect.CodeOf(err) != connect.CodeNotFound {
			t.Fatal(err)
		}
	}
}

// TestQuestions sends what no client of the library would.
func TestQuestions(t *testing.T) {
	client, address := serve(t, Handlers(services, messages, connect.WithReadMaxBytes(1000)))
	for name, test := range map[string]struct {
		message []byte
		want    connect.Code
	}{
		"nothing":   {nil, connect.CodeInvalidArgument},
		"unknown":   {appendField(nil, 99, []byte("x")), connect.CodeInvalidArgument},
		"a number":  {protowire.AppendVarint(protowire.AppendTag(nil, fileByName, protowire.VarintType), 1), connect.CodeInvalidArgument},
		"large":     {appendField(nil, fileByName, make([]byte, 1000)), connect.CodeResourceExhausted},
		"both ways": {appendField(appendField(nil, fileByName, []byte("no")), listServices, nil), 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, service := range Services {
				c := connect.NewClient[emptypb.Empty, emptypb.Empty](client, address+"/"+service+"/ServerReflectionInfo", connect.WithGRPC())
				s := c.CallBidiStream(t.Context())
				ask := new(emptypb.Empty)
				ask.ProtoReflect().SetUnknown(test.message)
				_, _ = s.Send(ask), s.CloseRequest() // which fail if the server has answered before it has read all
				_, err := s.Receive()
				if err == nil != (test.want == 0) || err != nil && connect.CodeOf(err) != test.want {
					t.Error(err)
				}
				_ = s.CloseResponse()
			}
		})
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add(appendField(appendField(nil, toHost, []byte("host")), fileBySymbol, []byte("a.B")))
	f.Add(appendField(nil, fileByExtension, appendField(nil, 1, []byte("a.B"))))
	f.Add([]byte{0x3b, 0x3c, 0x22, 0})
	f.Fuzz(func(t *testing.T, message []byte) {
		kind, err := protoregistry.GlobalTypes.FindMessageByName("connectext.grpc.reflection.v1.ServerReflectionRequest")
		if err != nil {
			t.Fatal(err)
		}
		want := kind.New()
		if proto.Unmarshal(message, want.Interface()) != nil {
			if q, err := readQuestion(message); err == nil && len(q.about) > len(message) {
				t.Errorf("read %q", q.about)
			}
			return
		}
		q, err := readQuestion(message)
		asked := want.WhichOneof(want.Descriptor().Oneofs().ByName("message_request"))
		if (err == nil) != (asked != nil) {
			t.Fatalf("%v, but %v is asked", err, asked)
		}
		if asked == nil {
			return
		}
		if q.kind != asked.Number() || asked.Kind() == protoreflect.StringKind && q.about != want.Get(asked).String() {
			t.Errorf("read %d %q of %v", q.kind, q.about, want)
		}
		if host := want.Descriptor().Fields().ByNumber(toHost); q.host != want.Get(host).String() {
			t.Errorf("read host %q of %v", q.host, want)
		}
	})
}
