// Package support gathers what a supporter needs into one archive, without
// secrets. What can't be had is noted in the archive, and keeps nothing else
// out of it.
package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sync/errgroup"
)

// Source is one part of an archive.
type Source struct {
	Name string // a path in the archive; what ends in .gz is taken as it is
	Read func(ctx context.Context) ([]byte, error)
}

// Part is a source as it came into the archive.
type Part struct {
	Name    string `json:"name"`
	Bytes   int    `json:"bytes"`
	Masked  int    `json:"masked,omitempty"`  // values that were hidden
	Problem string `json:"problem,omitempty"` // why it isn't there
	data    []byte
}

// Dump is a whole archive.
type Dump struct {
	Created time.Time `json:"created"`
	Client  string    `json:"client"` // version of the command line
	Hub     string    `json:"hub"`    // URL
	Since   time.Time `json:"since"`  // of what has a time
	Parts   []Part    `json:"parts"`
}

const (
	atOnce   = 4                // sources that are read at the same time
	partTime = 20 * time.Second // for each
)

// Gather reads all sources. It fails only when ctx ends.
func (d *Dump) Gather(ctx context.Context, sources []Source) error {
	first := len(d.Parts)
	d.Parts = append(d.Parts, make([]Part, len(sources))...)
	parts := d.Parts[first:]
	group := errgroup.Group{}
	group.SetLimit(atOnce)
	for i, source := range sources {
		group.Go(func() error {
			parts[i] = read(ctx, source)
			return nil
		})
	}
	_ = group.Wait() // none of them fails
	return ctx.Err()
}

func read(ctx context.Context, source Source) Part {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	part := Part{Name: source.Name}
	data, err := source.Read(ctx)
	if err != nil {
		part.Problem, _ = maskText(err.Error())
		return part
	}
	part.data, part.Masked = Mask(source.Name, data)
	part.Bytes = len(part.data)
	return part
}

// Failed counts the parts that aren't there.
func (d *Dump) Failed() (n int) {
	for i := range d.Parts {
		if d.Parts[i].Problem != "" {
			n++
		}
	}
	return n
}

// Write makes the archive, for its owner alone. It is there as a whole or not
// at all.
func (d *Dump) Write(file string) error {
	slices.SortStableFunc(d.Parts, func(a, b Part) int { return strings.Compare(a.Name, b.Name) })
	content, err := d.archive(strings.TrimSuffix(path.Base(file), ".tar.gz"))
	if err != nil {
		return fmt.Errorf("make the archive: %w", err)
	}
	if err := renameio.WriteFile(file, content, 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	return nil
}

func (d *Dump) archive(folder string) ([]byte, error) {
	summary, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	files := tar.NewWriter(zipped)
	add := func(name string, data []byte) error {
		header := &tar.Header{Name: folder + "/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: d.Created, Typeflag: tar.TypeReg}
		if err := files.WriteHeader(header); err != nil {
			return err
		}
		_, err := files.Write(data)
		return err
	}
	if err := add("summary.json", append(summary, '\n')); err != nil {
		return nil, err
	}
	for i := range d.Parts {
		p := &d.Parts[i]
		if p.Problem != "" {
			continue // the summary says why
		}
		if err := add(p.Name, p.data); err != nil {
			return nil, err
		}
	}
	if err := files.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
