package server

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxHeader   = 64 << 10        // bytes
	idleTimeout = 2 * time.Minute // of a connection between requests
	maxStreams  = 100             // that go on in one HTTP/2 connection
	lastWords   = 2 * time.Second // for answers to runs that were cut off
)

// Serve answers the requests of listeners until ctx ends, and then drains: no connection is accepted any more, /ready says so,
// what goes on has the time of drain to end, and is cut off after that.
func (s *Server) Serve(ctx context.Context, drain time.Duration, listeners ...net.Listener) error {
	h := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: s.options.Timeouts.Header, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		Protocols: protocols(), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: idleTimeout, WriteByteTimeout: s.options.Timeouts.Write},
		ErrorLog: log.New(logWriter{s.options.Logger}, "", 0),
	}
	var serving sync.WaitGroup
	failed := make(chan error, len(listeners))
	for _, listener := range listeners {
		serving.Go(func() { failed <- h.Serve(listener) })
	}
	select {
	case err := <-failed:
		err = errors.Join(err, h.Close())
		serving.Wait()
		return errors.Join(err, s.Close())
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.options.Logger.Info("draining", "time", drain, "running", s.work.Running(), "waiting", s.work.Waiting())
	err := shutdown(h, drain)
	if errors.Is(err, context.DeadlineExceeded) {
		s.options.Logger.Warn("cutting off", "running", s.work.Running(), "waiting", s.work.Waiting())
		s.cut(errStopped)
		if err = shutdown(h, lastWords); err != nil {
			err = h.Close()
		}
	}
	serving.Wait()
	return errors.Join(err, s.Close())
}

// protocols are HTTP/1.1 and, for gRPC, HTTP/2 without TLS (RFC 9113, 3.3).
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

func shutdown(h *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return h.Shutdown(ctx)
}

// logWriter takes what net/http has to say of connections: that a client sent nonsense, mostly.
type logWriter struct{ logger *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	w.logger.Debug("connection", "message", string(line))
	return len(line), nil
}
