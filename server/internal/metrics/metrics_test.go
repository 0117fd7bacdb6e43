package metrics

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/testing/protocmp"
)

// shown reads what a handler shows as Prometheus does.
func shown(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if kind := answer.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4; charset=utf-8") {
		t.Errorf("the type is %s", kind)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

var bounds = []float64{0.001, 0.5, 1, 10}

// TestReference does the same with Prometheus' own library.
func TestReference(t *testing.T) {
	var ours Registry
	theirs := prometheus.NewRegistry()

	one := ours.Counter("a_total", "With \\ and\na line.")
	oneThere := prometheus.NewCounter(prometheus.CounterOpts{Name: "a_total", Help: "With \\ and\na line."})
	many := ours.Counters("b_total", "Many.", "route", "status")
	manyThere := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "b_total", Help: "Many."}, []string{"route", "status"})
	sizes := ours.Histograms("c_seconds", "Sizes.", bounds, "phase")
	sizesThere := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "c_seconds", Help: "Sizes.", Buckets: bounds}, []string{"phase"})
	unused := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "d_total", Help: "None."}, []string{"route"})
	ours.Counters("d_total", "None.", "route")
	half := func() float64 { return 0.5 }
	ours.Gauge("e", "Half.", half)
	theirs.MustRegister(oneThere, manyThere, sizesThere, unused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "e", Help: "Half."}, half))

	random := rand.New(rand.NewPCG(1, 2))
	words := []string{"", "GET /run", `a "quoted" \ word`, "two\nlines", "ü"}
	values := append([]float64{0, -1, 1e9}, bounds...)
	for range 1000 {
		word, other, value := words[random.IntN(len(words))], words[random.IntN(len(words))], values[random.IntN(len(values))]
		one.Inc()
		oneThere.Inc()
		many.With(word, other).Inc()
		manyThere.WithLabelValues(word, other).Inc()
		sizes.With(word).Observe(value)
		sizesThere.WithLabelValues(word).Observe(value)
	}
	got := shown(t, &ours)
	delete(got, "d_total") // a family without series is announced here, and left out there
	if diff := cmp.Diff(shown(t, promhttp.HandlerFor(theirs, promhttp.HandlerOpts{})), got, protocmp.Transform()); diff != "" {
		t.Errorf("what is shown differs (-reference +ours):\n%s", diff)
	}
}

// TestProcess: names and kinds are those of Prometheus' library, and figures are of this process.
func TestProcess(t *testing.T) {
	var ours Registry
	ours.Process()
	theirs := prometheus.NewRegistry()
	theirs.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	got, want := shown(t, &ours), shown(t, promhttp.HandlerFor(theirs, promhttp.HandlerOpts{}))
	for name, family := range got {
		if there := want[name]; runtime.GOOS == "linux" && (there == nil || there.GetType() != family.GetType()) {
			t.Errorf("%s is not what it is there: %v", name, there)
		}
	}
	alive := []string{"go_goroutines", "go_gc_gogc_percent", "go_gc_gomemlimit_bytes", "go_sched_gomaxprocs_threads", "go_threads", "go_info", "go_memstats_sys_bytes", "go_memstats_heap_alloc_bytes", "process_start_time_seconds"}
	if runtime.GOOS == "linux" {
		alive = append(alive, "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds")
	}
	for _, name := range alive {
		if samples := got[name].GetMetric(); len(samples) != 1 || samples[0].GetGauge().GetValue() <= 0 {
			t.Errorf("%s is %v", name, samples)
		}
	}
	// Traffic is that of all processes.
	missing := []string{"process_network_receive_bytes_total", "process_network_transmit_bytes_total"}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] == nil && !slices.Contains(missing, name) && runtime.GOOS == "linux" {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestOfGo: this version of Go has every figure that is asked for.
func TestOfGo(t *testing.T) {
	for _, f := range ofGo {
		for name := range strings.FieldsSeq(f.sum) {
			sample := []metrics.Sample{{Name: name}}
			if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
				t.Errorf("%s of %s is no number", name, f.name)
			}
		}
	}
}

// TestLint holds what is shown against Prometheus' advice.
func TestLint(t *testing.T) {
	var r Registry
	r.Counters("boxer_runs_total", "Runs.", "outcome").With("ok").Inc()
	r.Histograms("boxer_run_seconds", "Time.", bounds, "phase").With("run").Observe(1)
	answer := httptest.NewRecorder()
	r.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	problems, err := promlint.New(answer.Body).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	var r Registry
	counters, histograms := r.Counters("a_total", "A.", "label"), r.Histograms("b", "B.", bounds, "label")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 500 {
				label := string(rune('a' + i%7))
				counters.With(label).Inc()
				histograms.With(label).Observe(float64(i))
				if i%100 == 0 {
					shown(t, &r)
				}
			}
		})
	}
	group.Wait()
	var count, observed float64
	families := shown(t, &r)
	for _, m := range families["a_total"].GetMetric() {
		count += m.GetCounter().GetValue()
	}
	for _, m := range families["b"].GetMetric() {
		observed += float64(m.GetHistogram().GetSampleCount())
	}
	if count != 4000 || observed != 4000 {
		t.Errorf("%g and %g were counted", count, observed)
	}
}

func BenchmarkObserve(b *testing.B) {
	var r Registry
	h := r.Histograms("b", "B.", bounds, "label")
	b.ReportAllocs()
	for b.Loop() {
		h.With("run").Observe(0.01)
	}
}
