// Package polyagent is the gRPC face of PolyAgent's agent core, as far as it executes tools. All of it but this file is made of
// agent.proto.
package polyagent

//go:generate go run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate
