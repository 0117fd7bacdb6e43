// Package reflection tells gRPC clients such as grpcurl which services there are, and gives the .proto files that describe them.
//
// connectrpc.com/grpcreflect does that for everything that protobuf can describe, for which it links and fills the tables of
// descriptor.proto: 1.5 ms and 0.6 MB at the start of every process of boxer, most of which serve nothing. A few messages whose
// fields are read and written one by one need none of that.
package reflection

import (
	"context"
	"errors"
	"io"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Services have the same messages in both versions. Source:
// https://github.com/grpc/grpc/blob/master/src/proto/grpc/reflection/v1/reflection.proto
var Services = []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

// Handlers answers clients, by the paths of both versions. They learn of the services, and of the files of the messages, which
// have to be all files that take part. Clients that speak HTTP/1.1 are refused, and so is JSON.
func Handlers(services []string, messages []proto.Message, options ...connect.HandlerOption) map[string]http.Handler {
	c := newCatalogue(services, messages)
	handlers := map[string]http.Handler{}
	for _, s := range Services {
		path := "/" + s + "/ServerReflectionInfo"
		handlers[path] = connect.NewBidiStreamHandler(path, c.converse, options...)
	}
	return handlers
}

// stream carries questions and answers. A message without fields keeps all that it is sent as unknown ones.
type stream = connect.BidiStream[emptypb.Empty, emptypb.Empty]

// converse answers until the client has no more questions.
func (c *catalogue) converse(_ context.Context, s *stream) error {
	for {
		message, err := s.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		q, err := readQuestion(message.ProtoReflect().GetUnknown())
		if err != nil {
			return connect.NewError(connect.CodeInvalidArgument, err)
		}
		answer := new(emptypb.Empty)
		answer.ProtoReflect().SetUnknown(c.answer(q))
		if err := s.Send(answer); err != nil {
			return err
		}
	}
}
