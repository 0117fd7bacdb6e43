// Package server runs boxes and sessions for clients that ask over HTTP.
//
// # The way of a request
//
//   - routes.go lists what can be asked for; server.go puts the list behind what every request passes: protect.go (who may ask,
//     from where), observe.go (a number, a line in the log, metrics.go), trace.go (OpenTelemetry).
//   - body.go reads what was asked, within bounds of size and time. reply.go answers: JSON, or a problem (RFC 9457), and once
//     only where the client names its request (internal/once).
//   - work.go lets in what there is room for (internal/admission).
//   - runs.go runs code and boxes, runner.go as a predecessor had it; ask.go makes commands of requests; events.go sends output
//     while it is written. Where they run is up to a [Runner]: processes of their own (isolated.go), or this one.
//   - sessions.go keeps interpreters, sessioncalls.go talks to them, sessionfiles.go has their files, sessionmemory.go bounds what
//     they hold.
//   - page.go serves the page in page/, by which people try all this in a browser.
//   - mcp.go lends all this to language models as tools ([boxer.dev/server/mcp]), which ask as any client does.
//   - boxes.go finds what names mean, and keeps it open.
//   - drain.go is the server's beginning and end.
//
// # Whom it trusts
//
// Nobody who asks: code has the limits of [Options], which requests can narrow and not widen, and no files, variables or names of
// this host. What a key has, runs, sessions and remembered answers, no other key can see or end. A client that is slow, leaves, or
// asks too much costs a place in a queue for a bounded time.
package server
