package oci_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"boxer.dev/oci"
	"boxer.dev/vfs"
)

// helloBox is an image of one file.
func helloBox() v1.Image {
	tree := vfs.New()
	tree.Configure(vfs.Config{Now: func() time.Time { return time.Unix(0, 0) }})
	if err := tree.WriteFile("/hello.txt", []byte("hello\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	changes, err := vfs.Diff(vfs.New(), tree)
	if err != nil {
		log.Fatal(err)
	}
	layer, err := oci.NewLayer(changes, oci.LayerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
		OS: oci.Platform.OS, Architecture: oci.Platform.Architecture, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		log.Fatal(err)
	}
	img, err = mutate.AppendLayers(mutate.ConfigMediaType(img, types.OCIConfigJSON), layer)
	if err != nil {
		log.Fatal(err)
	}
	return img
}

func tempDir() string {
	dir, err := os.MkdirTemp("", "boxer-example-")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

func Example() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	store, err := oci.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Put(helloBox(), "hello:v1"); err != nil {
		log.Fatal(err)
	}
	img, err := store.Image("hello:v1")
	if err != nil {
		log.Fatal(err)
	}
	root, err := store.Rootfs(img)
	if err != nil {
		log.Fatal(err)
	}
	defer root.Close()
	data, err := root.FS().ReadFile("/hello.txt")
	fmt.Printf("%s%v\n", data, err)
	// Output:
	// hello
	// <nil>
}

func ExampleNewLayer() {
	before := vfs.New()
	after := before.Fork()
	if err := after.Symlink("target", "/link"); err != nil {
		log.Fatal(err)
	}
	changes, err := vfs.Diff(before, after)
	if err != nil {
		log.Fatal(err)
	}
	layer, err := oci.NewLayer(changes, oci.LayerOptions{Compression: oci.Gzip})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(layer.MediaType())
	// Output: application/vnd.oci.image.layer.v1.tar+gzip <nil>
}

func ExampleStore_List() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	store, err := oci.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Put(helloBox(), "hello:v1", "example.com/hello:v1"); err != nil {
		log.Fatal(err)
	}
	images, err := store.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, img := range images {
		fmt.Println(img.Name, oci.Familiar(img.Name), img.Platform)
	}
	// Output:
	// docker.io/library/hello:v1 hello:v1 wasip1/wasm
	// example.com/hello:v1 example.com/hello:v1 wasip1/wasm
}

func ExampleSave() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	store, err := oci.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	var archive bytes.Buffer
	if err := oci.Save(&archive, oci.NamedImage{Name: "hello", Image: helloBox()}); err != nil {
		log.Fatal(err)
	}
	loaded, err := store.Load(&archive)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(loaded[0].Name)
	// Output: docker.io/library/hello:latest
}

func ExampleReadLayout() {
	dir := tempDir()
	defer os.RemoveAll(dir)
	store, err := oci.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := store.Put(helloBox(), "hello"); err != nil {
		log.Fatal(err)
	}
	layout, err := oci.ReadLayout(os.DirFS(dir)) // any fs.FS, such as an embed.FS
	if err != nil {
		log.Fatal(err)
	}
	img, err := layout.Find("hello")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(oci.Validate(img))
	// Output: <nil>
}

func ExampleNormalize() {
	fmt.Println(oci.Normalize("python:3.13"))
	fmt.Println(oci.Normalize("ghcr.io/me/app"))
	// Output:
	// docker.io/library/python:3.13 <nil>
	// ghcr.io/me/app:latest <nil>
}

func ExampleFamiliar() {
	fmt.Println(oci.Familiar("docker.io/library/python:3.13"))
	// Output: python:3.13
}

func ExampleParseLayoutRef() {
	ref, ok, err := oci.ParseLayoutRef("oci-layout:///srv/boxes:v1")
	fmt.Println(ref.Path, ref.Tag, ok, err)
	// Output: /srv/boxes v1 true <nil>
}
