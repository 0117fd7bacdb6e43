package mcp

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// entries are a directory's, in an answer of the API.
type entries struct {
	Entries []struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Size int64  `json:"size"`
	} `json:"entries"`
}

func (t *tools) list(ctx context.Context, _ *sdk.CallToolRequest, in listArguments) (*sdk.CallToolResult, any, error) {
	a, err := t.file(ctx, in.Session, in.Path)
	if err != nil {
		return nil, nil, err
	}
	if a.header.Get("Content-Type") != "application/json" {
		return nil, nil, fmt.Errorf("%q is a file; session_read_file reads it", in.Path)
	}
	list, err := decoded[entries](a, nil)
	if err != nil {
		return nil, nil, err
	}
	if len(list.Entries) == 0 {
		return text("the directory is empty"), nil, nil
	}
	var lines strings.Builder
	for _, e := range list.Entries {
		switch e.Type {
		case "file":
			fmt.Fprintf(&lines, "%s  %d bytes\n", e.Name, e.Size)
		case "directory":
			fmt.Fprintf(&lines, "%s/\n", e.Name)
		default:
			fmt.Fprintf(&lines, "%s  %s\n", e.Name, e.Type)
		}
	}
	return text("%s", cut(lines.String())), nil, nil
}

// file asks for what a session has at a path: a directory is answered in JSON.
func (t *tools) file(ctx context.Context, session, path string) (*answer, error) {
	at, err := filePath(session, path)
	if err != nil {
		return nil, err
	}
	return t.api.do(ctx, http.MethodGet, at, "", nil)
}

func (t *tools) read(ctx context.Context, _ *sdk.CallToolRequest, in readArguments) (*sdk.CallToolResult, any, error) {
	a, err := t.file(ctx, in.Session, in.Path)
	if err != nil {
		return nil, nil, err
	}
	if a.header.Get("Content-Type") != "application/octet-stream" {
		return nil, nil, fmt.Errorf("%q is a directory; session_list_files lists it", in.Path)
	}
	content, err := part(in.Path, a.body.Bytes(), in.Offset)
	if err != nil {
		return nil, nil, err
	}
	return &sdk.CallToolResult{Content: content}, nil, nil
}

func (t *tools) write(ctx context.Context, _ *sdk.CallToolRequest, in writeArguments) (*sdk.CallToolResult, any, error) {
	at, err := filePath(in.Session, in.Path)
	if err != nil {
		return nil, nil, err
	}
	data, err := file{in.Path, in.Content, in.Encoding}.bytes()
	if err != nil {
		return nil, nil, err
	}
	if _, err := t.api.do(ctx, http.MethodPut, at, "application/octet-stream", data); err != nil {
		return nil, nil, err
	}
	return text("%d bytes written to %s", len(data), in.Path), nil, nil
}
