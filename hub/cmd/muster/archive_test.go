package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// mode checks a file's permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL file")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if is := fmt.Sprintf("%o", info.Mode().Perm()); is != args[0] {
		ts.Fatalf("%s has the mode %s", args[1], is)
	}
}

// unpack takes an archive apart, into the folder that it has.
func unpack(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unpack archive.tar.gz")
	}
	file, err := os.Open(ts.MkAbs(args[0]))
	ts.Check(err)
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	ts.Check(err)
	folder := strings.TrimSuffix(args[0], ".tar.gz") + "/"
	for files := tar.NewReader(zipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		ts.Check(err)
		if !strings.HasPrefix(header.Name, folder) || header.Mode != 0o600 {
			ts.Fatalf("%s of mode %o isn't below %s, for its owner alone", header.Name, header.Mode, folder)
		}
		data, err := io.ReadAll(files)
		ts.Check(err)
		name := ts.MkAbs(header.Name)
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o700))
		ts.Check(os.WriteFile(name, data, 0o600))
	}
}
