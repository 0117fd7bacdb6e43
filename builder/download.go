package builder

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/docker/go-units"
)

// Bounds of a download. There is none on its whole duration: files are large and networks slow.
const (
	maxDownload      = maxArchiveBytes
	connectTimeout   = 30 * time.Second
	answerTimeout    = 60 * time.Second
	silenceTimeout   = 60 * time.Second // between two pieces of what is downloaded
	tellEvery        = 32 << 20
	downloadedByHand = "download it by hand and COPY it if this machine cannot reach it"
)

// web is the client of all downloads. Redirects are followed, ten at most, and lead nowhere but to the web.
var web = &http.Client{
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: answerTimeout,
		DisableCompression:    true, // an archive stays as it is
		ForceAttemptHTTP2:     true,
	},
}

// downloaded is what a download gave.
type downloaded struct {
	size     int64
	modified time.Time // as the server says; else the beginning of 1970, as with docker
}

// download writes what is at an address to a file. tell, if not nil, hears how it goes on.
func download(ctx context.Context, address, checksum string, to *os.File, tell func(line string)) (downloaded, error) {
	shown := quote(withoutPassword(address))
	sum, err := newChecksum(checksum)
	if err != nil {
		return downloaded{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return downloaded{}, fmt.Errorf("bad URL %s", shown)
	}
	request.Header.Set("User-Agent", "boxer")
	answer, err := web.Do(request)
	if err != nil {
		return downloaded{}, withHint(fmt.Errorf("downloading %s: %w", shown, bareURL(err)), downloadedByHand)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return downloaded{}, withHint(fmt.Errorf("downloading %s: the server answers %s", shown, printable(answer.Status)), "%s", statusHint(answer.StatusCode))
	}
	if answer.ContentLength > maxDownload {
		return downloaded{}, fmt.Errorf("downloading %s: larger than %s", shown, units.BytesSize(maxDownload))
	}
	body := &watched{r: answer.Body, idle: time.AfterFunc(silenceTimeout, func() { cancel(errSilence) }), total: answer.ContentLength, tell: tell}
	defer body.idle.Stop()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(body, maxDownload+1))
	switch {
	case err != nil && errors.Is(context.Cause(ctx), errSilence):
		return downloaded{}, fmt.Errorf("downloading %s: %w", shown, errSilence)
	case err != nil:
		return downloaded{}, fmt.Errorf("downloading %s: %w", shown, bareURL(err))
	case n > maxDownload:
		return downloaded{}, fmt.Errorf("downloading %s: larger than %s", shown, units.BytesSize(maxDownload))
	}
	if err := sum.verify(shown); err != nil {
		return downloaded{}, err
	}
	got := downloaded{size: n, modified: time.Unix(0, 0)}
	if t, err := http.ParseTime(answer.Header.Get("Last-Modified")); err == nil {
		got.modified = t.UTC().Truncate(time.Second)
	}
	return got, nil
}

var errSilence = fmt.Errorf("the server has sent nothing for %s", silenceTimeout)

// bareURL takes the address out of an error, which may hold a password.
func bareURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func statusHint(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "a build has no passwords: " + downloadedByHand
	case http.StatusNotFound, http.StatusGone:
		return "is the address right?"
	}
	return downloadedByHand
}

// watched reads an answer, and lets a timer run out if nothing comes.
type watched struct {
	r           io.Reader
	idle        *time.Timer
	read, total int64
	tell        func(string)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.idle.Reset(silenceTimeout)
	before := w.read / tellEvery
	w.read += int64(n)
	if w.tell != nil && w.read/tellEvery > before {
		text := units.BytesSize(float64(w.read))
		if w.total > 0 {
			text += " of " + units.BytesSize(float64(w.total))
		}
		w.tell(text)
	}
	return n, err
}

// checksumOf is a hash and what it must come to.
type checksumOf struct {
	hash.Hash
	algorithm, want string
}

// newChecksum reads ALGORITHM:HEX (OCI image-spec, descriptor.md). An empty one fits everything.
func newChecksum(spec string) (checksumOf, error) {
	if spec == "" {
		return checksumOf{Hash: sha256.New()}, nil
	}
	algorithm, want, _ := strings.Cut(spec, ":")
	c := checksumOf{algorithm: algorithm, want: want}
	switch algorithm {
	case "sha256":
		c.Hash = sha256.New()
	case "sha384":
		c.Hash = sha512.New384()
	case "sha512":
		c.Hash = sha512.New()
	}
	raw, err := hex.DecodeString(want)
	if c.Hash == nil || err != nil || len(raw) != c.Size() || strings.ToLower(want) != want {
		return checksumOf{}, withHint(fmt.Errorf("bad checksum %s", quote(spec)), "write --checksum=sha256: and 64 hexadecimal digits, as sha256sum prints them")
	}
	return c, nil
}

func (c checksumOf) verify(what string) error {
	if got := hex.EncodeToString(c.Sum(nil)); c.want != "" && got != c.want {
		return withHint(fmt.Errorf("%s has the checksum %s:%s, not %s:%s", what, c.algorithm, got, c.algorithm, c.want),
			"it was changed since the checksum was taken, or on its way here")
	}
	return nil
}

// webName is the name of the file that an address means.
func webName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if base := path.Base(u.Path); base != "." && base != "/" && base != ".." {
		return base
	}
	return ""
}
