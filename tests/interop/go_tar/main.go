// Lists archives with Go's archive/tar, the reader of docker, containerd and podman.
// Input: archives, each behind eight bytes of length. Output: one JSON line an archive.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
)

type member struct {
	Name []byte
	Type string
	Size int64
	Sum  string
}

type listing struct {
	Members []member
	Error   string
}

func list(data []byte) listing {
	found := listing{Members: []member{}}
	reader := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			found.Error = err.Error()
			return found
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		hash := sha256.New()
		if header.Typeflag == tar.TypeReg && header.Size < 1<<24 {
			if _, err := io.Copy(hash, reader); err != nil {
				found.Error = err.Error()
				return found
			}
		}
		sum := hex.EncodeToString(hash.Sum(nil))
		found.Members = append(found.Members, member{[]byte(header.Name), string(header.Typeflag), header.Size, sum})
	}
}

func main() {
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var length uint64
		if binary.Read(input, binary.BigEndian, &length) != nil {
			return
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(input, data); err != nil {
			os.Exit(1)
		}
		if output.Encode(list(data)) != nil {
			os.Exit(1)
		}
	}
}
