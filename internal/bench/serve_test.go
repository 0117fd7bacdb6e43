package bench

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// greeting is a server that answers hello as boxer serve does, and counts.
func greeting(t *testing.T, answer string) (address string, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var ask struct{ Code string }
		if err != nil || json.Unmarshal(body, &ask) != nil || ask.Code != hello || r.URL.Path != "/v1/runs" {
			t.Errorf("asked for %s %s, %v", r.URL, body, err)
		}
		asked.Add(1)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), asked
}

const greets = `{"stdout":"hello\n"}`

func TestClosedLoop(t *testing.T) {
	address, asked := greeting(t, greets)
	var left atomic.Int64
	left.Store(100)
	err := closedLoop(t.Context(), address, helloRequest(address), 3, func() bool { return left.Add(-1) > 0 })
	if n := asked.Load(); err != nil || n < 100 || n > 102 {
		t.Errorf("asked %d times, %v", n, err)
	}
}

func TestOpenLoop(t *testing.T) {
	address, asked := greeting(t, greets)
	latencies, answered, err := openLoop(t.Context(), address, helloRequest(address), 10_000, 20*time.Millisecond)
	if err != nil || asked.Load() != 200 || len(latencies) != 200 || answered <= 0 || latencies.quantile(0) <= 0 {
		t.Errorf("asked %d times, %d latencies, %v a second, %v", asked.Load(), len(latencies), answered, err)
	}
}

// TestLoadLooksAtAnswers: whoever answers something else quickly is not measured.
func TestLoadLooksAtAnswers(t *testing.T) {
	address, _ := greeting(t, `{"stdout":""}`)
	request := helloRequest(address)
	if err := closedLoop(t.Context(), address, request, 2, func() bool { return true }); err == nil {
		t.Error("the closed loop did not look")
	}
	if _, _, err := openLoop(t.Context(), address, request, 1000, 10*time.Millisecond); err == nil {
		t.Error("the open loop did not look")
	}
}
