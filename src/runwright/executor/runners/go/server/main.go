// Serves the requests of one deployment, compiled together with it, over the frame socket that the
// starter left on descriptor 3.
package main

import (
	"encoding/binary"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"github.com/open-runtimes/types-for-go/v4/native"
)

const (
	serverFolder  = "/usr/local/server"
	maxEarlyBytes = 1024 * 1024
)

func main() {
	syscall.CloseOnExec(frames)
	root, cpus := os.Args[1], 1.0
	if given, err := strconv.ParseFloat(os.Args[2], 64); err == nil {
		cpus = given
	}
	os.Args = os.Args[:1]
	runtime.GOMAXPROCS(max(1, int(math.Ceil(cpus))))
	if os.Chdir(serverFolder) != nil {
		os.Chdir(root)
	}
	go native.Serve(running.print)
	calls := map[uint32]*call{}
	var mutex sync.Mutex
	for {
		kind, id, payload := receive()
		mutex.Lock()
		known := calls[id]
		mutex.Unlock()
		begin := func(c *call) {
			c.isWhole = true
			c.forget = func() {
				mutex.Lock()
				delete(calls, c.id)
				mutex.Unlock()
			}
			go c.run()
		}
		switch kind {
		case kindRequest:
			c, isWhole := parseRequest(id, payload)
			if known != nil {
				broken("malformed REQUEST")
			}
			mutex.Lock()
			calls[id] = c
			mutex.Unlock()
			if isWhole {
				begin(c)
			}
		case kindBody:
			if len(payload) == 0 || known != nil && known.isWhole {
				broken("malformed BODY")
			}
			if known == nil {
				continue // it was cancelled while its body was on the way
			}
			known.body = append(known.body, payload[1:]...)
			if len(known.body) > maxRequestBytes {
				broken("request body too large")
			}
			if payload[0]&flagEnd != 0 {
				begin(known)
			}
		case kindCancel:
			if known == nil {
				continue
			}
			known.cancel()
			if !known.isWhole { // it never will begin
				mutex.Lock()
				delete(calls, id)
				mutex.Unlock()
			}
		case kindWindow:
			if len(payload) != 4 {
				broken("malformed WINDOW")
			}
			if known != nil {
				known.open(int(binary.LittleEndian.Uint32(payload)))
			}
		case kindGone: // user code is not told
		case kindPing:
			send(kindPong, id)
		case kindLoad:
			broken("a second LOAD")
		default:
			broken("unknown frame " + strconv.Itoa(int(kind)))
		}
	}
}

func parseRequest(id uint32, payload []byte) (*call, bool) {
	if len(payload) < 5 {
		broken("malformed REQUEST")
	}
	flags, size := payload[0], uint64(binary.LittleEndian.Uint32(payload[1:]))
	if 5+size > uint64(len(payload)) {
		broken("malformed REQUEST")
	}
	head, body := string(payload[5:5+size]), payload[5+size:]
	return newCall(id, flags&flagLogging != 0, head, body), flags&flagEnd != 0
}

// The calls that run now. Go does not say which of them printed something, so output is a call's
// only while it is the only one.
var running = registry{calls: map[*call]bool{}}

type registry struct {
	mutex    sync.Mutex
	calls    map[*call]bool
	early    []byte // what was printed before the first call, for it
	hasBegun bool
}

func (r *registry) begin(c *call) {
	r.mutex.Lock()
	isFirst := !r.hasBegun
	r.mutex.Unlock()
	if isFirst {
		native.Flush()
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.calls[c] = true
	if !r.hasBegun {
		r.hasBegun = true
		if len(r.early) > 0 {
			c.print(string(r.early))
			r.early = nil
		}
	}
}

func (r *registry) end(c *call) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.calls, c)
}

func (r *registry) print(text []byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.hasBegun && len(r.early) < maxEarlyBytes {
		r.early = append(r.early, text...)
		return
	}
	if len(r.calls) == 1 {
		for c := range r.calls {
			c.print(string(text))
		}
		return
	}
	toProcess(text)
}
