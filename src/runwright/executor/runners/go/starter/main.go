// The starter waits in a sandbox for its deployment and becomes the program that was compiled from
// it. What it knows of the frames is what it needs until then: runwright/executor/wire.py.
package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	frames       = 3
	headerBytes  = 9
	maxFrame     = 4 * 1024 * 1024
	load         = 1
	request      = 2
	ping         = 6
	hello        = 16
	logText      = 17
	response     = 18
	pong         = 21
	entrypoint   = 2 // class of a request whose code could not be loaded
	exitProtocol = 70
)

type assignment struct {
	Root string            `json:"root"`
	Env  map[string]string `json:"env"`
	Cpus float64           `json:"cpus"`
}

func main() {
	if len(os.Args) > 1 { // asked for its version
		os.Stdout.WriteString("go" + version + "\n")
		return
	}
	// The program inherits the socket, its own children do not: it says so itself.
	send(hello, 0, []byte(`{"version":"`+version+`"}`))
	failure := ""
	for {
		kind, id, payload := receive()
		switch {
		case kind == ping:
			send(pong, id, nil)
		case kind == load && failure == "":
			failure = become(payload)
		case kind == load:
			broken("a second LOAD")
		case kind == request:
			refuse(id, failure)
		case kind > ping || kind == 0:
			broken("unknown frame")
		}
	}
}

// Set when it is compiled: the version of Go that functions are compiled with.
var version = "0"

// become replaces this program by the function's; the reason when it cannot.
func become(payload []byte) string {
	var assigned assignment
	if json.Unmarshal(payload, &assigned) != nil {
		broken("malformed LOAD")
	}
	program := filepath.Join(assigned.Root, "server")
	if _, err := os.Stat(program); err != nil {
		return "Failed to load entrypoint, file server does not exist. Build the deployment again."
	}
	for name, value := range assigned.Env {
		os.Setenv(name, value)
	}
	cpus := strconv.FormatFloat(assigned.Cpus, 'f', -1, 64)
	err := syscall.Exec(program, []string{program, assigned.Root, cpus}, os.Environ())
	return "Failed to load entrypoint: " + err.Error()
}

func refuse(id uint32, failure string) {
	send(logText, id, append([]byte{1}, failure+"\n"...))
	head := "content-type:text/plain; charset=utf-8"
	payload := []byte{1, entrypoint}
	payload = binary.LittleEndian.AppendUint16(payload, 503)
	payload = binary.LittleEndian.AppendUint32(payload, 0)
	payload = binary.LittleEndian.AppendUint32(payload, uint32(len(head)))
	send(response, id, append(payload, head...))
}

// Reads one frame and not a byte more: what follows LOAD is for the program that is to come.
func receive() (byte, uint32, []byte) {
	header := read(headerBytes)
	length := binary.LittleEndian.Uint32(header)
	if length < 5 || length > maxFrame {
		broken("frame length out of bounds")
	}
	return header[4], binary.LittleEndian.Uint32(header[5:]), read(int(length) - 5)
}

func read(size int) []byte {
	data := make([]byte, size)
	for at := 0; at < size; {
		n, err := syscall.Read(frames, data[at:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			os.Exit(0) // the host is gone
		}
		at += n
	}
	return data
}

func send(kind byte, id uint32, payload []byte) {
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)+5))
	data = append(data, kind)
	data = binary.LittleEndian.AppendUint32(data, id)
	data = append(data, payload...)
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

func broken(reason string) {
	os.Stderr.WriteString("runner: the host broke the frame rules: " + reason + "\n")
	os.Exit(exitProtocol)
}
