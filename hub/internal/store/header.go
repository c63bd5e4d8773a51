package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// bbolt's two meta pages, as its format 2 lays them out: a page header of 16
// bytes, then magic, version, page size and flags of 4 bytes each, the root
// bucket of 16, and the freelist, the number of pages, the transaction and
// a checksum over all that, 8 bytes each.
const (
	pageHeaderSize = 16
	magicAt        = 0
	pageSizeAt     = 8
	pagesAt        = 40
	transactionAt  = 48
	checksumAt     = 56
	headerSize     = 64
	boltMagic      = 0xED0CDAED
)

var pageSizes = []int64{1 << 12, 1 << 10, 1 << 11, 1 << 13, 1 << 14, 1 << 15, 1 << 16}

// checkLength compares the file's length with the number of pages that its
// header names. bbolt maps the file into memory and would be killed by the
// kernel when it reads beyond the end of one that was cut short.
func checkLength(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the store: %w", Advise(path, err))
	}
	defer file.Close()
	need, err := lengthNeeded(file)
	if err != nil {
		return damagedError(path, err)
	}
	// Read after the header: a hub that uses the file lets it grow first.
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("look at the store: %w", err)
	}
	if info.Size() < need {
		return damagedError(path, fmt.Errorf("it was cut short: it has %d of %d bytes", info.Size(), need))
	}
	return nil
}

// lengthNeeded is the length that the newest valid meta page asks for.
func lengthNeeded(file *os.File) (int64, error) {
	newest, ok := readHeader(file, 0)
	for _, size := range pageSizes {
		second, found := readHeader(file, size)
		if found && second.pageSize == size && (!ok || second.transaction > newest.transaction) {
			newest, ok = second, true
		}
	}
	if !ok {
		return 0, errors.New("it has no valid header")
	}
	return newest.pages * newest.pageSize, nil
}

type header struct {
	pageSize    int64
	pages       int64
	transaction uint64
}

func readHeader(file *os.File, at int64) (header, bool) {
	var raw [headerSize]byte
	if _, err := file.ReadAt(raw[:], at+pageHeaderSize); err != nil {
		return header{}, false
	}
	sum := fnv.New64a()
	sum.Write(raw[:checksumAt])
	order := binary.NativeEndian
	if order.Uint32(raw[magicAt:]) != boltMagic || order.Uint64(raw[checksumAt:]) != sum.Sum64() {
		return header{}, false
	}
	return header{
		pageSize:    int64(order.Uint32(raw[pageSizeAt:])),
		pages:       int64(order.Uint64(raw[pagesAt:])),
		transaction: order.Uint64(raw[transactionAt:]),
	}, true
}
