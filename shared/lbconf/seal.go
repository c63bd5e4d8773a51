package lbconf

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/shared/fleet"
)

// ErrForeign says that a file was not written by Muster, or was changed since.
var ErrForeign = errors.New("the file was not written by muster or was changed since")

const (
	notice   = "# Written by Muster. A file that was changed by hand is left alone and reported.\n"
	sumMark  = "# muster-sum: "
	poolMark = "# muster-pool: "
)

// seal puts the notice, the checksum and the pools before body. Both nginx
// and HAProxy read a line that begins with '#' as a comment.
func seal(pools []fleet.Pool, body []byte) ([]byte, error) {
	var rest bytes.Buffer
	for _, pool := range pools {
		line, err := json.Marshal(pool)
		if err != nil {
			return nil, fmt.Errorf("encode pool %s: %w", pool.Service, err)
		}
		rest.WriteString(poolMark)
		rest.Write(line)
		rest.WriteByte('\n')
	}
	rest.WriteByte('\n')
	rest.Write(body)
	head := notice + sumMark + sum(rest.Bytes()) + "\n"
	return append([]byte(head), rest.Bytes()...), nil
}

// Pools returns the pools that a sealed file was made from. It returns
// ErrForeign for a file that Muster did not write or that was changed since.
func Pools(file []byte) ([]fleet.Pool, error) {
	text, ours := strings.CutPrefix(string(file), notice)
	if !ours {
		return nil, ErrForeign
	}
	first, rest, _ := strings.Cut(text, "\n")
	if first != sumMark+sum([]byte(rest)) {
		return nil, ErrForeign
	}
	var pools []fleet.Pool
	for line := range strings.Lines(rest) {
		data, found := strings.CutPrefix(line, poolMark)
		if !found {
			break
		}
		var pool fleet.Pool
		if err := json.Unmarshal([]byte(data), &pool); err != nil {
			return nil, fmt.Errorf("read the pools of a sealed file: %w", err)
		}
		pools = append(pools, pool)
	}
	return pools, nil
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}
