package registry

import "sync/atomic"

// Stats counts a transfer while it happens; all of it may be read at any time.
type Stats struct {
	Blobs   atomic.Int64 // layers and configurations of the image
	Present atomic.Int64 // of these, those that were there
	Mounted atomic.Int64 // those taken over from another repository of the registry
	Moved   atomic.Int64 // those transferred
	Bytes   atomic.Int64 // transferred so far, without manifests
	Want    atomic.Int64 // bytes to be transferred, as far as is known
}
