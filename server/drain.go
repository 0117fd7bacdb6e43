package server

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	maxHeader   = 64 << 10        // bytes
	idleTimeout = 2 * time.Minute // of a connection between requests
	lastWords   = 2 * time.Second // for answers to runs that were cut off
)

// Serve answers the requests of a listener until ctx ends, and then drains: no connection is accepted any more, /ready says so,
// what goes on has the time of drain to end, and is cut off after that.
func (s *Server) Serve(ctx context.Context, listener net.Listener, drain time.Duration) error {
	h := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: s.options.Timeouts.Header, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(logWriter{s.options.Logger}, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(listener) }()
	select {
	case err := <-served:
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
	<-served
	return errors.Join(err, s.Close())
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
