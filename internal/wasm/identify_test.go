package wasm

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestIdentify(t *testing.T) {
	elf := func(class, order byte, rest string) string {
		return "\x7fELF" + string([]byte{class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}) + rest
	}
	pe := "MZ" + strings.Repeat("\x00", 0x3a) + "\x40\x00\x00\x00PE\x00\x00\x64\x86"
	for _, test := range []struct {
		head string
		kind Kind
		want string
	}{
		{"", Empty, "empty file"},
		{"\x00asm\x01\x00\x00\x00", Core, "WebAssembly core module"},
		{"\x00asm\x0d\x00\x01\x00\x07", Component, "WebAssembly component (not a core module)"},
		{"\x00asm\x02\x00\x00\x00", Other, "WebAssembly module of version 2 (only version 1 is supported)"},
		{"\x00asm\x01\x00\x02\x00", Other, "WebAssembly of unknown layer 2"},
		{"\x00asm\x01", Other, "WebAssembly module cut off within its first 8 bytes"},
		{elf(2, 1, "\x02\x00\x3e\x00"), Native, "ELF executable for x86-64"},
		{elf(2, 1, "\x03\x00\xb7\x00"), Native, "ELF executable or shared library for aarch64"},
		{elf(2, 2, "\x00\x02\x00\x16"), Native, "ELF executable for s390"},
		{elf(1, 1, "\x01\x00\x99\x99"), Native, "ELF object file for machine 39321"},
		{elf(1, 1, "\x99\x00\x28\x00"), Native, "ELF file for arm"},
		{"\x7fELF", Native, "ELF file cut off within its header"},
		{"\xcf\xfa\xed\xfe\x0c\x00\x00\x01", Native, "Mach-O binary for aarch64"},
		{"\xfe\xed\xfa\xcf\x01\x00\x00\x07", Native, "Mach-O binary for x86-64"},
		{"\xcf\xfa\xed\xfe\x0c\x00\x00\x99", Native, "Mach-O binary for unknown processor"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02", Native, "Mach-O universal binary"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x41", Other, "Java class"},
		{pe, Native, "Windows executable (PE) for x86-64"},
		{pe[:0x40] + "PE\x00\x00\x01\x02", Native, "Windows executable (PE) for unknown processor"},
		{"MZ" + strings.Repeat("\xff", 0x40), Native, "DOS or Windows executable"},
		{"MZ is how this text starts", Text, "text without #!"},
		{"\x1f\x8b\x08", Archive, "gzip-compressed file"},
		{"PK\x03\x04\x14", Archive, "zip archive"},
		{"\x28\xb5\x2f\xfd", Archive, "zstd-compressed file"},
		{strings.Repeat("\x00", 257) + "ustar", Archive, "tar archive"},
		{"#!/usr/bin/env python3\n", Script, "#! script"},
		{"\xef\xbb\xbf#!/bin/sh\n", Text, "script with a byte order mark in front of its #!"},
		{"\xff\xfeh\x00", Other, "UTF-16 text"},
		{"print('hello')\n", Text, "text without #!"},
		{"\x1b[1mGrüße\x1b[m\r\n", Text, "text without #!"},
		{"  (module)\n", Text, "WebAssembly in text form (wat2wasm makes it binary)"},
		{"\x00\x01\x02", Other, "data of unknown format"},
		{"caf\xe9", Other, "data of unknown format"}, // Latin-1
		{strings.Repeat("a", HeadSize-1) + "\xc3", Text, "text without #!"},
	} {
		if got := Identify([]byte(test.head)); got.Kind != test.kind || got.Description != test.want {
			t.Errorf("Identify(%.30q) = %d, %q; want %d, %q", test.head, got.Kind, got, test.kind, test.want)
		}
	}
}

// The program that runs the tests is native for the machine that runs them.
func TestIdentifyOwnExecutable(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(own)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	head := make([]byte, HeadSize)
	if _, err := file.Read(head); err != nil {
		t.Fatal(err)
	}
	processor := map[string]string{"amd64": "x86-64", "arm64": "aarch64"}[runtime.GOARCH]
	if got := Identify(head); got.Kind != Native || !strings.HasSuffix(got.Description, processor) {
		t.Errorf("own executable is %q", got)
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add([]byte("MZ"))
	f.Add(bytes.Repeat([]byte{0xff}, 0x44))
	f.Fuzz(func(t *testing.T, head []byte) {
		if Identify(head).Description == "" {
			t.Error("no description")
		}
	})
}
