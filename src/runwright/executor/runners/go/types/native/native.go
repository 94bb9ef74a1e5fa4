// Package native catches what a program prints. Functions import it without knowing, so it is set up
// before their own packages are.
package native

import (
	"bytes"
	"crypto/rand"
	"log"
	"os"
	"sync"
)

var (
	writer *os.File
	reader *os.File
	marker = make([]byte, 24) // written behind what was printed, to learn that it was read
	seen   = make(chan struct{})
	turn   sync.Mutex
)

func init() {
	var err error
	if reader, writer, err = os.Pipe(); err != nil {
		return // output goes where the process's own goes
	}
	rand.Read(marker)
	// The descriptors stay what they were: Go's own last words belong to the process.
	os.Stdout, os.Stderr = writer, writer
	log.SetOutput(writer)
}

// Serve hands over what is printed, in order, until the process ends.
func Serve(take func(text []byte)) {
	if reader == nil {
		return
	}
	buffer := make([]byte, 64*1024)
	var held []byte
	for {
		n, err := reader.Read(buffer)
		if err != nil {
			return
		}
		held = append(held, buffer[:n]...)
		for {
			before, after, isFound := bytes.Cut(held, marker)
			if !isFound {
				break
			}
			if len(before) > 0 {
				take(before)
			}
			held = after
			seen <- struct{}{}
		}
		// A marker may have come in halves.
		keep := 0
		for size := min(len(held), len(marker)-1); size > 0; size-- {
			if bytes.HasPrefix(marker, held[len(held)-size:]) {
				keep = size
				break
			}
		}
		if text := held[:len(held)-keep]; len(text) > 0 {
			take(text)
		}
		held = append([]byte(nil), held[len(held)-keep:]...)
	}
}

// Flush returns when everything that was printed before has been handed over.
func Flush() {
	if writer == nil {
		return
	}
	turn.Lock()
	defer turn.Unlock()
	if _, err := writer.Write(marker); err == nil {
		<-seen
	}
}
