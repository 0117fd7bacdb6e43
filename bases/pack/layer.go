package main

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// The reference compressor, because the layers travel inside boxer: at this level it packs the Python base a tenth
// smaller than the Go one at its best. The window covers the largest layer and is one that every decoder accepts.
var compressor = []string{"zstd", "--quiet", "--stdout", "--single-thread", "-19", "--long=27"}

// writeLayer packs what is in folder into file as tar+zstd.
func writeLayer(file, folder string) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	zstd := exec.Command(compressor[0], compressor[1:]...)
	zstd.Stdout, zstd.Stderr = out, os.Stderr
	in, err := zstd.StdinPipe()
	if err != nil {
		return err
	}
	if err := zstd.Start(); err != nil {
		return err
	}
	tarErr := writeTar(in, folder)
	in.Close()
	if err := zstd.Wait(); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if tarErr != nil {
		return tarErr
	}
	return out.Close()
}

// writeTar writes folder's entries, not itself. WalkDir gives them in lexical order.
func writeTar(w io.Writer, folder string) error {
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		return writeEntry(tw, folder, path, entry)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, folder, path string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(folder, path)
	if err != nil {
		return err
	}
	if header.Name = filepath.ToSlash(name); info.IsDir() {
		header.Name += "/"
	}
	header.Uid, header.Gid, header.Uname, header.Gname = 0, 0, "", ""
	header.ModTime = epoch
	header.Format = tar.FormatUnknown // the oldest that can say it: ustar, or pax for long names
	if err := tw.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return copyFile(tw, path)
}

func copyFile(w io.Writer, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}
