package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"boxer.dev/oci"
)

// opener opens a blob's content from an offset on.
type opener func(ctx context.Context, offset int64) (io.ReadCloser, error)

// maxMounts bounds how many repositories are asked for a blob before it is uploaded.
const maxMounts = 3

// putBlob makes sure that a repository has a blob: it may have it, or take it over from another repository of the registry, or
// be sent it.
func (r *Repository) putBlob(ctx context.Context, d v1.Descriptor, from []name.Repository, open opener) error {
	r.stats.Blobs.Add(1)
	there, err := r.hasBlob(ctx, d)
	if err != nil {
		return err
	}
	if there {
		r.stats.Present.Add(1)
		return nil
	}
	session, err := r.mount(ctx, d, from)
	if err != nil {
		return err
	}
	if session == nil {
		r.stats.Mounted.Add(1)
		return nil
	}
	r.stats.Want.Add(d.Size)
	u := &upload{repository: r, blob: d, open: open, location: session}
	if err := u.run(ctx); err != nil {
		return fmt.Errorf("sending blob %s: %w", d.Digest, err)
	}
	r.stats.Moved.Add(1)
	return nil
}

func (r *Repository) hasBlob(ctx context.Context, d v1.Descriptor) (bool, error) {
	request, err := r.request(ctx, http.MethodHead, "/blobs/"+d.Digest.String())
	if err != nil {
		return false, err
	}
	response, err := r.do(request, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, fmt.Errorf("asking for blob %s: %w", d.Digest, err)
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK && (response.ContentLength == d.Size || response.ContentLength < 0), nil
}

// mount asks for a blob to be taken over. A session to upload it by is the answer where that is not done.
func (r *Repository) mount(ctx context.Context, d v1.Descriptor, from []name.Repository) (session *url.URL, err error) {
	for _, other := range from[:min(len(from), maxMounts)] {
		query := url.Values{"mount": {d.Digest.String()}, "from": {other.RepositoryStr()}}
		if session, err = r.start(ctx, "?"+query.Encode()); err == nil && session == nil {
			return nil, nil
		}
	}
	if session != nil && err == nil {
		return session, nil
	}
	session, err = r.start(ctx, "")
	if err == nil && session == nil {
		err = errors.New("the registry neither has the blob nor takes it")
	}
	return session, err
}

// start begins an upload; no session means that the registry has what it needs.
func (r *Repository) start(ctx context.Context, query string) (*url.URL, error) {
	request, err := r.request(ctx, http.MethodPost, "/blobs/uploads/")
	if err != nil {
		return nil, err
	}
	request.URL.RawQuery = strings.TrimPrefix(query, "?")
	request.Header.Set("Content-Length", "0")
	response, err := r.do(request, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return nil, fmt.Errorf("starting an upload: %w", err)
	}
	response.Body.Close()
	if response.StatusCode == http.StatusCreated {
		return nil, nil
	}
	return r.location(response)
}

// location is where a registry wants an upload to go on.
func (r *Repository) location(response *http.Response) (*url.URL, error) {
	location, err := response.Location()
	if err != nil {
		return nil, fmt.Errorf("the registry does not say where to send the blob: %w", err)
	}
	return location, checkHop(r.base.Host, location.Host)
}

// upload sends one blob. What broke off is continued where the registry says it has the beginning, else sent anew.
type upload struct {
	repository *Repository
	blob       v1.Descriptor
	open       opener
	location   *url.URL
	offset     int64 // how much the registry has
	sent       int64 // after it, by the latest request
	suspect    bool  // it was put together from several requests
}

func (u *upload) run(ctx context.Context) error {
	for failures := 0; ; failures++ {
		before := u.offset
		err := u.attempt(ctx)
		if err == nil {
			return nil
		}
		if there, hasErr := u.repository.hasBlob(ctx, u.blob); hasErr == nil && there { // only the answer got lost
			return nil
		}
		again := passing(err) || u.suspect && isStatus(err, http.StatusBadRequest) || isStatus(err, http.StatusNotFound)
		if !again {
			return err
		}
		if !passing(err) {
			err = &retryableError{err}
			u.location = nil
		}
		if err := u.repository.backoff.pause(ctx, failures, err); err != nil {
			return err
		}
		if err := u.resume(ctx); err != nil {
			return err
		}
		if u.offset-before >= progress {
			failures = -1
		}
	}
}

// retryableError lets a failure be tried again that would not be in other places.
type retryableError struct{ error }

func (e *retryableError) Unwrap() []error { return []error{io.ErrUnexpectedEOF, e.error} }

// attempt sends what the registry has not got, and has it check the whole.
func (u *upload) attempt(ctx context.Context) error {
	if u.offset < u.blob.Size || u.blob.Size == 0 {
		if err := u.send(ctx); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "", nil)
	if err != nil {
		return err
	}
	commit := *u.location
	query := commit.Query()
	query.Set("digest", u.blob.Digest.String())
	commit.RawQuery = query.Encode()
	request.URL = &commit
	request.Host = commit.Host
	response, err := u.repository.do(request, http.StatusCreated)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// send streams content, in one request: the smallest size that a registry takes for one of several is not known.
func (u *upload) send(ctx context.Context) error {
	content, err := u.open(ctx, u.offset)
	if err != nil {
		return err
	}
	defer content.Close()
	watch := newWatch(ctx, u.repository.backoff.Stall)
	defer watch.stop()
	left := u.blob.Size - u.offset
	source := &sender{reader: io.LimitReader(content, left+1), watch: watch, stats: u.repository.stats, want: left}
	request, err := http.NewRequestWithContext(watch.ctx, http.MethodPatch, u.location.String(), io.NopCloser(source))
	if err != nil {
		return err
	}
	request.ContentLength = left
	request.Header.Set("Content-Type", "application/octet-stream")
	if u.offset > 0 {
		request.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.offset, u.blob.Size-1))
	}
	response, err := u.repository.do(request, http.StatusAccepted, http.StatusNoContent, http.StatusCreated)
	sent, failure := source.result()
	if u.sent = sent; failure != nil {
		return failure
	}
	if cause := context.Cause(watch.ctx); err != nil && cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	response.Body.Close()
	u.offset, u.sent = u.blob.Size, 0
	u.location, err = u.repository.location(response)
	return err
}

// resume asks how much the registry has (OCI distribution-spec 1.1, "Pushing a blob in chunks"), and starts anew if it does not
// tell.
func (u *upload) resume(ctx context.Context) (err error) {
	sent := u.offset + u.sent
	u.offset, u.sent, u.suspect = 0, 0, false
	if u.location != nil {
		u.offset = u.status(ctx)
	}
	u.repository.stats.Want.Add(sent - u.offset)
	if u.suspect = u.offset > 0; u.suspect {
		return nil
	}
	u.location, err = u.repository.start(ctx, "")
	if err == nil && u.location == nil {
		err = errors.New("the registry takes no upload")
	}
	return err
}

// status is how many bytes the registry has of the upload; "0-0" may be none or one, and counts as none.
func (u *upload) status(ctx context.Context) int64 {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.location.String(), nil)
	if err != nil {
		return 0
	}
	response, err := u.repository.do(request, http.StatusNoContent)
	if err != nil {
		return 0
	}
	response.Body.Close()
	var last int64
	if _, err := fmt.Sscanf(response.Header.Get("Range"), "0-%d", &last); err != nil || last <= 0 || last >= u.blob.Size {
		return 0
	}
	if location, err := u.repository.location(response); err == nil {
		u.location = location
	}
	return last + 1
}

// sender is the body of an upload. It remembers what was wrong with its source, which net/http does not tell well, and is read
// by a goroutine of net/http's that may outlive the request.
type sender struct {
	reader io.Reader
	watch  *watch
	stats  *Stats
	want   int64
	lock   sync.Mutex
	sent   int64
	err    error
}

func (s *sender) Read(p []byte) (int, error) {
	s.watch.pause()
	n, err := s.reader.Read(p)
	s.stats.Bytes.Add(int64(n))
	s.lock.Lock()
	defer s.lock.Unlock()
	s.sent += int64(n)
	switch {
	case s.sent > s.want:
		err = fmt.Errorf("%w: the blob is larger than described", oci.ErrCorrupt)
	case err == io.EOF && s.sent < s.want:
		err = fmt.Errorf("%w: the blob lacks %d bytes", oci.ErrCorrupt, s.want-s.sent)
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	if s.sent < s.want { // what a registry does with the whole may take its time
		s.watch.wait()
	}
	return n, err
}

func (s *sender) result() (sent int64, err error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.sent, s.err
}
