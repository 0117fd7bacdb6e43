package reflection

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of ServerReflectionRequest: one of its questions, and whom they are for.
const (
	toHost              = 1
	fileByName          = 3
	fileBySymbol        = 4
	fileByExtension     = 5
	extensionsOfMessage = 6
	listServices        = 7
)

// Numbers of the fields of ServerReflectionResponse.
const (
	fromHost        = 1
	originalRequest = 2
	withFiles       = 4
	withExtensions  = 5
	withServices    = 6
	withError       = 7
)

// notFound and internal are gRPC's codes.
const (
	notFound = 5
	internal = 13
)

// question is a ServerReflectionRequest.
type question struct {
	message []byte // as it came
	host    string
	kind    protowire.Number
	about   string
}

// readQuestion reads a message; of several questions in one the last counts, as everywhere in protobuf.
func readQuestion(message []byte) (question, error) {
	q := question{message: message}
	for rest := message; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return q, protowire.ParseError(n)
		}
		rest = rest[n:]
		if kind != protowire.BytesType { // all that is asked is text, or a message
			if n = protowire.ConsumeFieldValue(number, kind, rest); n < 0 {
				return q, protowire.ParseError(n)
			}
			rest = rest[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(rest)
		if n < 0 {
			return q, protowire.ParseError(n)
		}
		rest = rest[n:]
		switch number {
		case toHost:
			q.host = string(value)
		case fileByName, fileBySymbol, fileByExtension, extensionsOfMessage, listServices:
			q.kind, q.about = number, string(value)
		}
	}
	if q.kind == 0 {
		return q, errors.New("the request asks for nothing that is known")
	}
	return q, nil
}

// answer is the ServerReflectionResponse to a question.
func (c *catalogue) answer(q question) []byte {
	var out []byte
	out = appendField(out, fromHost, []byte(q.host))
	out = appendField(out, originalRequest, q.message)
	var files [][]byte
	var err error
	switch q.kind {
	case listServices:
		return appendField(out, withServices, c.list())
	case extensionsOfMessage:
		if files, err = c.defining(q.about); files != nil {
			return appendField(out, withExtensions, appendField(nil, 1, []byte(q.about))) // and no numbers: nothing is extended
		}
	case fileByName:
		files, err = c.named(q.about)
	case fileBySymbol:
		files, err = c.defining(q.about)
	}
	switch {
	case err != nil:
		return appendField(out, withError, failure(internal, err.Error()))
	case files == nil:
		return appendField(out, withError, failure(notFound, fmt.Sprintf("%q is not known here", q.about)))
	}
	var described []byte
	for _, f := range files {
		described = appendField(described, 1, f)
	}
	return appendField(out, withFiles, described)
}

// list is a ListServiceResponse.
func (c *catalogue) list() (out []byte) {
	for _, s := range c.services {
		out = appendField(out, 1, appendField(nil, 1, []byte(s)))
	}
	return out
}

// failure is an ErrorResponse.
func failure(code uint64, message string) []byte {
	out := protowire.AppendTag(nil, 1, protowire.VarintType)
	out = protowire.AppendVarint(out, code)
	return appendField(out, 2, []byte(message))
}

func appendField(out []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), value)
}
