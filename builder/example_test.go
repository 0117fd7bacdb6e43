package builder_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"boxer.dev/builder"
)

func ExampleBuild() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "hello.wasm"), []byte("\x00asm\x01\x00\x00\x00"), 0o644); err != nil {
		log.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()

	boxfile, err := builder.Parse("Boxfile", strings.NewReader(`
FROM scratch
COPY hello.wasm /bin/
ENTRYPOINT ["/bin/hello.wasm"]
`))
	if err != nil {
		log.Fatal(err)
	}
	result, err := builder.Build(context.Background(), builder.Options{Boxfile: boxfile, Context: root})
	if err != nil {
		log.Fatal(err)
	}
	file, err := result.Image.ConfigFile()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.OS, file.Architecture, file.Config.Entrypoint, len(file.RootFS.DiffIDs), "layer")
	fmt.Println(file.History[0].CreatedBy)
	// Output:
	// wasip1 wasm [/bin/hello.wasm] 1 layer
	// COPY hello.wasm /bin/
}

func ExampleSubstitute() {
	for _, ref := range []string{"python:3.13-slim", "alpine:3.20", "docker.io/library/ubuntu", "python:2.7"} {
		base, ok, err := builder.Substitute(ref, "3.13.5")
		fmt.Println(base.Base, ok, err)
	}
	// Output:
	// python true <nil>
	// root true <nil>
	//  false <nil>
	//  true python:2.7: boxer has no Python of that version
}
