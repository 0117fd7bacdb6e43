package builder

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMaskedInPieces: a secret is hidden however what holds it is written, and nothing else is.
func TestMaskedInPieces(t *testing.T) {
	secrets := []string{"s3cr3t-token", "s3cr3t", "abcabcabd\nsecond line of it\nx\n"}
	text := "s3cr3t-tokens s3cr3t-toke s3cr s3cr3t abcabcabcabd\nsecond line of it\nx, second line of it, x s3cr3t-tok"
	want := "****s ****-toke s3cr **** abc****, ****, x ****-tok"
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		var shown bytes.Buffer
		m := &masked{to: &shown}
		for _, secret := range secrets {
			m.hide([]byte(secret))
		}
		for rest := text; rest != ""; {
			n := 1 + rng.IntN(len(rest))
			if rng.IntN(2) == 0 {
				n = min(n, 3)
			}
			if written, err := m.Write([]byte(rest[:n])); written != n || err != nil {
				t.Fatal(written, err)
			}
			rest = rest[n:]
		}
		if err := m.flush(); err != nil {
			t.Fatal(err)
		}
		if shown.String() != want {
			t.Fatalf("%q, want %q", shown.String(), want)
		}
	}
}

func FuzzMasked(f *testing.F) {
	f.Add("secret", "a secret and a secre", 3)
	f.Fuzz(func(t *testing.T, secret, text string, size int) {
		var shown bytes.Buffer
		m := &masked{to: &shown}
		m.hide([]byte(secret))
		for rest := text; rest != ""; {
			n := min(len(rest), max(size, 1))
			m.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		m.flush()
		for _, part := range m.secrets {
			if bytes.Contains(shown.Bytes(), part) && !strings.Contains(mask, string(part)) && !bytes.Contains(part, []byte("*")) {
				t.Fatalf("%q shows %q", shown.String(), part)
			}
		}
		if len(m.secrets) == 0 && shown.String() != text {
			t.Fatalf("%q became %q", text, shown.String())
		}
	})
}
