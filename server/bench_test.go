package server

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkPythonHello is hello over HTTP, load generator included, from as many clients as run at the same time.
func BenchmarkPythonHello(b *testing.B) {
	for _, c := range []struct{ runner, path string }{{"isolated", "/v1/runs"}, {"here", "/v1/runs"}, {"isolated", "/run"}} {
		b.Run(c.runner+c.path, func(b *testing.B) {
			p := openPython(b)
			o := p.options()
			if c.runner == "here" {
				o.Runner = Here{p.engine}
			}
			s := New(o)
			defer s.Close()
			h := httptest.NewServer(s.Handler())
			defer h.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					answer, err := client.Post(h.URL+c.path, "application/json", bytes.NewReader([]byte(`{"code": "print('hello')"}`)))
					if err != nil {
						b.Error(err)
						return
					}
					if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 {
						b.Error(err, string(body))
					}
					answer.Body.Close()
				}
			})
		})
	}
}

// BenchmarkTool is a call of a tool that runs nothing, over HTTP: what the protocol costs.
func BenchmarkTool(b *testing.B) {
	s := New(Options{Boxes: noBoxes, Runner: runnerFunc(printing)})
	defer s.Close()
	h := httptest.NewServer(s.Handler())
	defer h.Close()
	for b.Loop() {
		request := message(b.Context(), b, h.URL, callMessage, messageHeaders...)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != 200 {
			b.Fatal(err, string(body))
		}
		answer.Body.Close()
	}
}
