// The frames between the host and this program: runwright/executor/wire.py. Writing blocks while the
// host does not read, which slows a flood of output down to the speed of its reader.
package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"sync"
	"syscall"
)

const (
	frames          = 3
	headerBytes     = 9
	maxFrame        = 4 * 1024 * 1024
	partBytes       = 256 * 1024
	windowBytes     = 1024 * 1024
	maxRequestBytes = 20 * 1024 * 1024
	flagEnd         = 1
	flagLogging     = 2
	exitProtocol    = 70
)

const (
	kindLoad     = 1
	kindRequest  = 2
	kindBody     = 3
	kindCancel   = 4
	kindWindow   = 5
	kindPing     = 6
	kindGone     = 7
	kindLog      = 17
	kindResponse = 18
	kindChunk    = 19
	kindEnd      = 20
	kindPong     = 21
)

const (
	resultOK        = 0
	resultException = 1
	resultPayload   = 3
)

type socket struct{}

func (socket) Read(data []byte) (int, error) {
	for {
		n, err := syscall.Read(frames, data)
		switch {
		case err == syscall.EINTR:
		case err != nil || n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

var (
	input  = bufio.NewReaderSize(socket{}, partBytes)
	output sync.Mutex
)

// receive gives the next frame. Without its host this program has no purpose.
func receive() (kind byte, id uint32, payload []byte) {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(input, header); err != nil {
		os.Exit(0)
	}
	length := binary.LittleEndian.Uint32(header)
	if length < 5 || length > maxFrame {
		broken("frame length out of bounds")
	}
	payload = make([]byte, length-5)
	if _, err := io.ReadFull(input, payload); err != nil {
		os.Exit(0)
	}
	return header[4], binary.LittleEndian.Uint32(header[5:]), payload
}

func send(kind byte, id uint32, parts ...[]byte) {
	size := 5
	for _, part := range parts {
		size += len(part)
	}
	data := make([]byte, 0, size+4)
	data = binary.LittleEndian.AppendUint32(data, uint32(size))
	data = append(data, kind)
	data = binary.LittleEndian.AppendUint32(data, id)
	for _, part := range parts {
		data = append(data, part...)
	}
	output.Lock()
	defer output.Unlock()
	for len(data) > 0 {
		n, err := syscall.Write(frames, data)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			os.Exit(0)
		}
		data = data[n:]
	}
}

func sendResponse(id uint32, flags, result byte, status int, micros uint32, head string, body []byte) {
	fixed := []byte{flags, result}
	fixed = binary.LittleEndian.AppendUint16(fixed, uint16(status))
	fixed = binary.LittleEndian.AppendUint32(fixed, micros)
	fixed = binary.LittleEndian.AppendUint32(fixed, uint32(len(head)))
	send(kindResponse, id, fixed, []byte(head), body)
}

func sendEnd(id uint32, result byte, micros uint32) {
	send(kindEnd, id, binary.LittleEndian.AppendUint32([]byte{result}, micros))
}

func broken(reason string) {
	toProcess([]byte("runner: the host broke the frame rules: " + reason + "\n"))
	os.Exit(exitProtocol)
}

// toProcess writes to the process's own output, which belongs to no request.
func toProcess(text []byte) { syscall.Write(2, text) }
