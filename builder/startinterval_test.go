package builder

import (
	"context"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
)

// The interval goes from a box to those that start from it, until another HEALTHCHECK takes its place.
func TestStartInterval(t *testing.T) {
	base, err := Build(t.Context(), Options{Boxfile: mustParse(t, "FROM scratch\nHEALTHCHECK --start-interval=250ms CMD true\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.Validate(base.Image); err != nil {
		t.Error(err)
	}
	opts := Options{
		Resolve: func(context.Context, string) (v1.Image, string, error) { return base.Image, "", nil },
		Rootfs:  newStore(t).Rootfs,
	}
	for boxfile, want := range map[string]time.Duration{
		"FROM base\nLABEL a=1\n": 250 * time.Millisecond, "FROM base\nHEALTHCHECK CMD false\n": 0, "FROM base\nHEALTHCHECK NONE\n": 0,
	} {
		opts.Boxfile = mustParse(t, boxfile)
		res, err := Build(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		if got := startIntervalOf(res.Image); got != want {
			t.Errorf("%q: %s, want %s", boxfile, got, want)
		}
	}
}
