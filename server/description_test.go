package server

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"
)

var document = sync.OnceValues(func() (*openapi3.T, error) {
	text, err := descriptionJSON()
	if err != nil {
		return nil, err
	}
	d, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	return d, d.Validate(context.Background())
})

var documented = sync.OnceValues(func() (routers.Router, error) {
	for _, kind := range pageTypes {
		media, _, _ := strings.Cut(kind, ";")
		openapi3filter.RegisterBodyDecoder(media, openapi3filter.FileBodyDecoder)
	}
	d, err := document()
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(d)
})

// TestRoutesAreDescribed: each route is in openapi.yaml, and the other way round.
func TestRoutesAreDescribed(t *testing.T) {
	d, err := document()
	if err != nil {
		t.Fatal(err)
	}
	var described, there []string
	for path, item := range d.Paths.Map() {
		for method := range maps.Keys(item.Operations()) {
			described = append(described, method+" "+path)
		}
	}
	for _, r := range New(Options{}).routes() {
		if isCall(r.pattern) {
			continue // agent.proto describes it
		}
		there = append(there, strings.NewReplacer("{$}", "", "...", "").Replace(r.pattern))
	}
	slices.Sort(described)
	slices.Sort(there)
	if diff := cmp.Diff(there, described); diff != "" {
		t.Errorf("routes (-) and openapi.yaml (+):\n%s", diff)
	}
}

// checkDescribed holds an answer against openapi.yaml. Paths that are not in it have problems for answers.
func checkDescribed(t *testing.T, method string, answer *http.Response, body []byte) {
	t.Helper()
	router, err := documented()
	if err != nil {
		t.Error(err)
		return
	}
	request := answer.Request.Clone(context.Background())
	request.Method, request.URL.Host, request.URL.Scheme, request.Host = method, "", "", ""
	found, parameters, err := router.FindRoute(request)
	if err != nil {
		return
	}
	options := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: found, Options: options},
		Status:                 answer.StatusCode, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(body)), Options: options,
	})
	if err != nil {
		t.Errorf("%s %s: the answer %d is not as openapi.yaml says: %v\n%s", method, answer.Request.URL, answer.StatusCode, err, body)
	}
}

// TestAnswersAreChecked: the check finds what is wrong.
func TestAnswersAreChecked(t *testing.T) {
	router, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest("POST", "/v1/runs", nil)
	if err != nil {
		t.Fatal(err)
	}
	found, parameters, err := router.FindRoute(request)
	if err != nil {
		t.Fatal(err)
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: found},
		Status:                 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"id": 1}`)),
	})
	if err == nil {
		t.Error("an answer that is not as described passes")
	}
}
