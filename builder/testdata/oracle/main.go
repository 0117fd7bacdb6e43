// Command oracle tells what BuildKit makes of Dockerfiles: the configuration, history, warnings or error that it comes to. It reads
// questions as TestBuildKitDispatch writes them and prints answers.json.
//
// It is built in a module of its own, anywhere outside of this one, with the version of BuildKit that go.mod names:
//
//	go test ./builder -run TestBuildKitDispatch -questions /tmp/questions.json
//	mkdir /tmp/oracle && cp builder/testdata/oracle/main.go /tmp/oracle && cd /tmp/oracle
//	go mod init oracle && go get github.com/moby/buildkit@VERSION && go mod tidy
//	go run . < /tmp/questions.json > answers.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Case is a question.
type Case struct {
	Name, Dockerfile, Target string
	Args                     map[string]string
}

// Answer is what BuildKit makes of a Case.
type Answer struct {
	Name     string
	Config   json.RawMessage `json:",omitempty"`
	Author   string          `json:",omitempty"`
	History  []string
	Warnings []string
	Error    string `json:",omitempty"`
}

// resolver has every image: one of boxer's platform with nothing in it but PATH.
type resolver struct{}

func (resolver) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"os":"wasip1","architecture":"wasm","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},"rootfs":{"type":"layers","diff_ids":[]}}`), nil
}

var _ llb.ImageMetaResolver = resolver{}

func main() {
	var cases []Case
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	answers := json.NewEncoder(os.Stdout)
	answers.SetEscapeHTML(false)
	for _, c := range cases {
		if err := answers.Encode(run(c)); err != nil {
			panic(err)
		}
	}
}

func run(c Case) (a Answer) {
	a.Name = c.Name
	p := ocispecs.Platform{OS: "wasip1", Architecture: "wasm"}
	opt := dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildArgs: c.Args, Target: c.Target, BuildPlatforms: []ocispecs.Platform{p}},
		TargetPlatform: &p,
		MetaResolver:   resolver{},
		Warn: func(rule, description, url, msg string, at []parser.Range) {
			line := 0
			if len(at) > 0 {
				line = at[0].Start.Line
			}
			a.Warnings = append(a.Warnings, fmt.Sprintf("%d: %s: %s", line, rule, msg))
		},
	}
	if opt.Config.BuildArgs == nil {
		opt.Config.BuildArgs = map[string]string{}
	}
	res, err := dockerfile2llb.Dockerfile2LLB(context.Background(), []byte(c.Dockerfile), opt)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	if a.Config, err = json.Marshal(res.Image.Config); err != nil {
		panic(err)
	}
	a.Author = res.Image.Author
	for _, h := range res.Image.History {
		a.History = append(a.History, h.CreatedBy)
	}
	return a
}
