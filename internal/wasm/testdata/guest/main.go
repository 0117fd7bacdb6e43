//go:build wasip1

// Command guest is compiled by the tests: a program large enough to meet most of what compilers emit, which calls host
// functions of the import module boxer and prints what they answered.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"unsafe"
)

//go:wasmimport boxer ids_get
func idsGet(out unsafe.Pointer) int32

//go:wasmimport boxer umask
func umask(mask int32) int32

//go:wasmimport boxer create_mode
func createMode(mode int32)

//go:wasmimport boxer wide
func wide(a int64, b float64) int64

//go:wasmimport boxer ratio
func ratio(a float32) float64

func main() {
	ids := [4]uint32{1, 2, 3, 4}
	createMode(0o755)
	fmt.Println("ids_get", idsGet(unsafe.Pointer(&ids)), ids, "umask", umask(0o22), "wide", wide(1, 2), "ratio", ratio(1))
	words := regexp.MustCompile(`\w+`).FindAllString(strings.Repeat("the quick brown fox ", 3), -1)
	sort.Strings(words)
	text, err := json.Marshal(map[string]any{"words": words, "args": os.Args[1:], "home": os.Getenv("HOME")})
	fmt.Println(string(text), err)
	defer func() {
		fmt.Println("recovered:", recover())
		os.Exit(3)
	}()
	var none []int
	fmt.Println(none[len(words)])
}
