package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/open-runtimes/types-for-go/v4/native"
	"github.com/open-runtimes/types-for-go/v4/openruntimes"
	"openruntimes/handler"
)

const notice = "Native logs detected. Use Context.Log() or Context.Error() for better experience.\n"

// call is one request from its arrival to its last frame.
type call struct {
	id        uint32
	isLogging bool
	head      string
	body      []byte
	isWhole   bool   // its body has come
	forget    func() // called before its last frame, after which the id is free again

	began time.Time

	// The rest is shared by the function's goroutines and the reader's.
	mutex       sync.Mutex
	opened      *sync.Cond // the window was opened, or nobody waits any more
	credit      int
	isCancelled bool
	isEnded     bool
	isStreaming bool
	isBodiless  bool
	isNoticed   bool
	line        string // native output that lacks its newline
}

func newCall(id uint32, isLogging bool, head string, body []byte) *call {
	c := &call{id: id, isLogging: isLogging, head: head, body: body, credit: windowBytes}
	c.opened = sync.NewCond(&c.mutex)
	return c
}

func (c *call) run() {
	running.begin(c)
	c.began = time.Now()
	response, failure := c.invoke()
	micros := uint32(min(time.Since(c.began).Microseconds(), 0xffffffff))
	native.Flush()
	if failure != "" {
		c.entry(true, failure)
	}
	c.finish(response, failure != "", micros)
}

func (c *call) invoke() (response openruntimes.Response, failure string) {
	defer func() {
		if reason := recover(); reason != nil {
			failure = fmt.Sprintf("%v\n%s", reason, stack())
		}
	}()
	request := openruntimes.ParseRequest(c.head, c.body)
	return handler.Main(openruntimes.NewContext(request, c)), ""
}

// stack is what led to a panic, without the frames of the runner and of the panic itself.
func stack() string {
	text := string(debug.Stack())
	if _, after, isFound := strings.Cut(text, "\npanic("); isFound {
		_, text, _ = strings.Cut(after, "\n")
		_, text, _ = strings.Cut(text, "\n")
	}
	text, _, _ = strings.Cut(text, "\nmain.(*call).invoke")
	return strings.TrimSpace(text)
}

func (c *call) finish(response openruntimes.Response, isFailed bool, micros uint32) {
	result := byte(resultOK)
	if isFailed {
		result = resultException
	}
	if c.streams() {
		c.close()
		c.forget()
		if c.isWanted() {
			sendEnd(c.id, result, micros)
		}
		return
	}
	status, head, body := 500, defaultHead, []byte(nil)
	if !isFailed {
		var err error
		if status, head, err = build(response); err != nil {
			c.entry(true, err.Error())
			status, head, result = 500, defaultHead, resultPayload
		} else if !hasNoBody(status) {
			body = response.Body
		}
	}
	c.close()
	if !c.isWanted() {
		c.forget()
		return
	}
	if len(body) <= partBytes {
		c.forget()
		sendResponse(c.id, flagEnd, result, status, micros, head, body)
		return
	}
	sendResponse(c.id, 0, result, status, micros, head, nil)
	err := c.sendParts(body)
	c.forget()
	if err == nil {
		sendEnd(c.id, result, micros)
	}
}

func (c *call) streams() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.isStreaming
}

func (c *call) isWanted() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return !c.isCancelled
}

// Logs

// Entry answers openruntimes.Call.
func (c *call) Entry(isError bool, values []any) { c.entry(isError, values...) }

func (c *call) entry(isError bool, values ...any) {
	if !c.isLogging {
		return
	}
	text := entryText(values)
	native.Flush() // what was printed before comes before
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isEnded || c.isCancelled {
		toProcess([]byte(text))
		return
	}
	c.endLine()
	c.sendLog(isError, text)
}

func (c *call) print(text string) {
	if !c.isLogging {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isEnded || c.isCancelled {
		toProcess([]byte(text))
		return
	}
	if !c.isNoticed {
		c.isNoticed = true
		c.sendLog(false, notice)
	}
	whole := c.line + text
	for {
		line, rest, isFound := strings.Cut(whole, "\n")
		if !isFound {
			break
		}
		c.sendLog(false, cut(line)+"\n")
		whole = rest
	}
	// A line without end is kept no further than its cut.
	c.line = whole[:min(len(whole), 4*(maxEntry+1))]
}

func (c *call) endLine() {
	if c.line != "" {
		line := c.line
		c.line = ""
		c.sendLog(false, cut(line)+"\n")
	}
}

func (c *call) sendLog(isError bool, text string) {
	stream := []byte{0}
	if isError {
		stream[0] = 1
	}
	send(kindLog, c.id, stream, []byte(text))
}

// No output after this belongs to the request.
func (c *call) close() {
	running.end(c) // before the lock: who holds the registry's hands text to the call
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.isCancelled {
		c.endLine()
	}
	c.isEnded = true
}

// Streams

// Start answers openruntimes.Call.
func (c *call) Start(response openruntimes.Response) {
	status, head, err := build(response)
	if err != nil {
		panic(err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isStreaming || c.isEnded {
		panic(errors.New("Context.Res.Start() was called twice, or after the function had ended."))
	}
	c.isStreaming = true
	c.isBodiless = hasNoBody(status)
	if !c.isCancelled {
		sendResponse(c.id, 0, resultOK, status, 0, head, nil)
	}
}

// Write answers openruntimes.Call.
func (c *call) Write(data []byte) error {
	c.mutex.Lock()
	isStarted, isEnded, isBodiless := c.isStreaming, c.isEnded, c.isBodiless
	c.mutex.Unlock()
	if isEnded {
		return errors.New("Context.Res.Write() was called after the response had ended.")
	}
	if !isStarted {
		c.Start(openruntimes.Response{})
	}
	if isBodiless {
		return nil
	}
	return c.sendParts(data)
}

var errUnwanted = errors.New("nobody waits for this response any more")

func (c *call) sendParts(data []byte) error {
	for len(data) > 0 {
		size, err := c.take(min(len(data), partBytes))
		if err != nil {
			return err
		}
		send(kindChunk, c.id, data[:size])
		data = data[size:]
	}
	return nil
}

// take waits for room in the window and takes up to `most` bytes of it.
func (c *call) take(most int) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for c.credit == 0 && !c.isCancelled {
		c.opened.Wait()
	}
	if c.isCancelled {
		return 0, errUnwanted
	}
	size := min(most, c.credit)
	c.credit -= size
	return size, nil
}

func (c *call) open(more int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.credit += more
	c.opened.Broadcast()
}

func (c *call) cancel() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.isCancelled = true
	c.opened.Broadcast()
}
