package bases

import (
	"fmt"

	"boxer.dev/oci"
)

// Open opens a base's files, which are unpacked into the store when that is done for the first time. The caller closes
// them.
func Open(name Name, store *oci.Store) (*oci.Rootfs, error) {
	files, err := Layout(name)
	if err != nil {
		return nil, err
	}
	layout, err := oci.ReadLayout(files)
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", name, err)
	}
	img, err := layout.Find("")
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", name, err)
	}
	return store.Rootfs(img)
}
