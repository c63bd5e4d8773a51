// Registry serves one small image, team/web:1, to the engine of its host.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

const (
	manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	repository   = "/v2/team/web/"
)

// blobs are what the registry has, by digest.
var blobs = map[string][]byte{}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Size      int    `json:"size"`
	Digest    string `json:"digest"`
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func add(mediaType string, data []byte) descriptor {
	blobs[digest(data)] = data
	return descriptor{MediaType: mediaType, Size: len(data), Digest: digest(data)}
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		log.Fatal(err)
	}
	return data
}

// image adds an image of one file and returns its manifest.
func image() []byte {
	var layer, packed bytes.Buffer
	files := tar.NewWriter(&layer)
	if err := files.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 5}); err != nil {
		log.Fatal(err)
	}
	_, _ = files.Write([]byte("hello")) // into memory
	_ = files.Close()
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write(layer.Bytes())
	_ = zip.Close()
	config := encode(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Cmd": []string{"/hello"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer.Bytes())}},
	})
	return encode(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": add("application/vnd.docker.container.image.v1+json", config),
		"layers": []descriptor{add("application/vnd.docker.image.rootfs.diff.tar.gzip", packed.Bytes())},
	})
}

func main() {
	manifest := image()
	http.HandleFunc("GET /v2/{$}", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("GET "+repository+"blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		data, ok := blobs[r.PathValue("digest")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	})
	http.HandleFunc("GET "+repository+"manifests/{reference}", func(w http.ResponseWriter, r *http.Request) {
		switch reference := r.PathValue("reference"); {
		case reference == "slow":
			<-r.Context().Done()
		case reference == "1" || strings.HasPrefix(reference, digest(manifest)):
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			_, _ = w.Write(manifest)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`))
		}
	})
	server := &http.Server{Addr: os.Args[1], ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
