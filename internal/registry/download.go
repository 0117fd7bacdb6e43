package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
)

// blob reads a blob from an offset to the end that its descriptor gives it, across broken connections. Its digest is the
// reader's to check.
func (r *Repository) blob(ctx context.Context, d v1.Descriptor, offset int64) io.ReadCloser {
	return &blobReader{repository: r, ctx: ctx, blob: d, at: offset}
}

type blobReader struct {
	repository *Repository
	ctx        context.Context
	blob       v1.Descriptor
	at         int64  // in the blob
	watch      *watch // over the connection, if there is one
	body       io.ReadCloser
	failures   int // since the last progress
	gained     int64
}

func (b *blobReader) Read(p []byte) (int, error) {
	for {
		n, err := b.read(p)
		b.at += int64(n)
		b.repository.stats.Bytes.Add(int64(n))
		if b.gained += int64(n); b.gained >= progress {
			b.failures, b.gained = 0, 0
		}
		if n > 0 || err == nil || err == io.EOF {
			if n > 0 && err != io.EOF { // what is wrong comes again at the next read
				err = nil
			}
			return n, err
		}
		if err := b.again(err); err != nil {
			return 0, fmt.Errorf("reading blob %s: %w", b.blob.Digest, err)
		}
	}
}

// read reads once, by a new connection where there is none.
func (b *blobReader) read(p []byte) (int, error) {
	if b.body == nil && b.at == b.blob.Size {
		return 0, io.EOF
	}
	if b.body == nil {
		if err := b.connect(); err != nil {
			return 0, b.cause(err)
		}
	}
	b.watch.wait()
	n, err := b.body.Read(p)
	b.watch.pause()
	if left := b.blob.Size - b.at; int64(n) > left {
		return 0, fmt.Errorf("%w: it is larger than the %d bytes it is described with", oci.ErrCorrupt, b.blob.Size)
	}
	if err == io.EOF && b.at+int64(n) < b.blob.Size {
		err = b.ended(b.at + int64(n))
	}
	if err != nil && err != io.EOF {
		err = b.cause(err)
	}
	return n, err
}

// cause is why a connection failed, if that was our doing.
func (b *blobReader) cause(err error) error {
	if cause := context.Cause(b.watch.ctx); cause != nil {
		return cause
	}
	return err
}

// ended is what is wrong with a blob that ends too early, which may be the network's fault.
func (b *blobReader) ended(at int64) error {
	return fmt.Errorf("%w: it ended after %d of %d bytes: %w", oci.ErrCorrupt, at, b.blob.Size, io.ErrUnexpectedEOF)
}

// again pauses after a failure, and prepares another connection.
func (b *blobReader) again(failure error) error {
	b.disconnect()
	if errors.Is(failure, oci.ErrCorrupt) && !errors.Is(failure, io.ErrUnexpectedEOF) {
		return failure
	}
	if err := b.repository.backoff.pause(b.ctx, b.failures, failure); err != nil {
		return err
	}
	b.failures++
	return nil
}

func (b *blobReader) connect() error {
	b.disconnect()
	b.watch = newWatch(b.ctx, b.repository.backoff.Stall)
	request, err := b.repository.request(b.watch.ctx, http.MethodGet, "/blobs/"+b.blob.Digest.String())
	if err != nil {
		return err
	}
	want := []int{http.StatusOK}
	if b.at > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", b.at, b.blob.Size-1))
		want = []int{http.StatusPartialContent, http.StatusOK}
	}
	response, err := b.repository.do(request, want...)
	if err != nil {
		return err
	}
	b.body = response.Body
	if response.StatusCode == http.StatusPartialContent {
		return b.checkRange(response.Header.Get("Content-Range"))
	}
	return b.skip(response.ContentLength)
}

// checkRange reads "bytes 5-9/10" (RFC 9110, 14.4).
func (b *blobReader) checkRange(value string) error {
	var first, last, size int64
	if _, err := fmt.Sscanf(value, "bytes %d-%d/%d", &first, &last, &size); err != nil || first != b.at {
		return fmt.Errorf("%w: asked for what follows %d, the registry sent %q", oci.ErrCorrupt, b.at, value)
	}
	return b.checkSize(size)
}

func (b *blobReader) checkSize(size int64) error {
	if size >= 0 && size != b.blob.Size {
		return fmt.Errorf("%w: it is described with %d bytes, the registry has %d", oci.ErrCorrupt, b.blob.Size, size)
	}
	return nil
}

// skip gets past what was read before, where a registry begins anew though it was asked for the rest.
func (b *blobReader) skip(length int64) error {
	if err := b.checkSize(length); err != nil {
		return err
	}
	for left := b.at; left > 0; {
		n, err := io.CopyN(io.Discard, b.body, min(left, 1<<20))
		left -= n
		b.watch.wait()
		if err == io.EOF {
			return b.ended(b.at - left)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *blobReader) disconnect() {
	if b.body != nil {
		b.body.Close()
		b.body = nil
	}
	if b.watch != nil {
		b.watch.stop()
	}
}

// Close lets go of the connection.
func (b *blobReader) Close() error {
	b.disconnect()
	return nil
}
