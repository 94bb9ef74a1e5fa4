// Package handler has one action per row of the runtime checklist, chosen by the header x-action.
package handler

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-runtimes/types-for-go/v4/openruntimes"
)

type (
	context  = openruntimes.Context
	response = openruntimes.Response
)

var (
	counter  atomic.Int64
	mutex    sync.Mutex
	arrivals []chan bool
	held     []chan bool
	late     []chan bool
)

func init() { fmt.Println("module loaded") }

func orElse(value, other string) string {
	if value == "" {
		return other
	}
	return value
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return value
}

var actions = map[string]func(context) response{
	"text": func(c context) response { return c.Res.Text("Hello World 👋") },
	"json": func(c context) response {
		return c.Res.Json(map[string]any{"json": true, "message": "Developers are awesome. ü"})
	},
	"echoJson": func(c context) response {
		var value any
		if err := c.Req.BodyJson(&value); err != nil {
			panic(err)
		}
		return c.Res.Json(value)
	},
	"type": func(c context) response {
		headers := map[string]string{"Content-Type": c.Req.Headers["x-type"]}
		return c.Res.Text("typed", c.Res.WithHeaders(headers))
	},
	"redirect": func(c context) response { return c.Res.Redirect("https://github.com/") },
	"redirectWith": func(c context) response {
		headers := c.Res.WithHeaders(map[string]string{"x-why": "moved"})
		return c.Res.Redirect("/next", c.Res.WithStatusCode(307), headers)
	},
	"empty": func(c context) response { return c.Res.Empty() },
	"doubleResponse": func(c context) response {
		c.Res.Text("This should be ignored.")
		return c.Res.Text("This should be returned.")
	},
	"headers": func(c context) response {
		return c.Res.Text("OK", c.Res.WithHeaders(map[string]string{
			"x-first":                           "first-value",
			"X-Second":                          orElse(c.Req.Headers["x-open-runtimes-custom-in-header"], "missing"),
			"x-cookie":                          orElse(c.Req.Headers["cookie"], "missing"),
			"x-open-runtimes-custom-out-header": "third-value",
		}))
	},
	"status": func(c context) response {
		return c.Res.Text("FAIL", c.Res.WithStatusCode(number(orElse(c.Req.Headers["x-status"], "404"))))
	},
	"rawStatus": func(c context) response {
		var status int
		if err := c.Req.BodyJson(&status); err != nil {
			panic(err)
		}
		return response{Body: []byte("x"), StatusCode: status}
	},
	"request": func(c context) response {
		return c.Res.Json(map[string]any{
			"method": c.Req.Method, "url": c.Req.Url, "scheme": c.Req.Scheme, "host": c.Req.Host,
			"port": c.Req.Port, "path": c.Req.Path, "query": c.Req.Query,
			"queryString": c.Req.QueryString, "headers": c.Req.Headers,
		})
	},
	"bodyText": func(c context) response { return c.Res.Text(c.Req.BodyText()) },
	"bodyRaw":  func(c context) response { return c.Res.Send(c.Req.BodyRaw()) },
	"body": func(c context) response {
		if text, isText := c.Req.Body().(string); isText {
			return c.Res.Text(text, c.Res.WithHeaders(map[string]string{"x-kind": "text"}))
		}
		return c.Res.Json(c.Req.Body(), c.Res.WithHeaders(map[string]string{"x-kind": "json"}))
	},
	"bodyJson": func(c context) response {
		var value map[string]any
		if err := c.Req.BodyJson(&value); err != nil {
			panic(err)
		}
		return c.Res.Json(map[string]any{"key": value["key1"], "all": value})
	},
	"bodyBinary": func(c context) response { return c.Res.Binary(c.Req.BodyBinary()) },
	"md5": func(c context) response {
		sum := md5.Sum(c.Req.BodyBinary())
		headers := map[string]string{"x-method": c.Req.Method}
		return c.Res.Send(hex.EncodeToString(sum[:]), c.Res.WithHeaders(headers))
	},
	"binaryKinds": func(c context) response {
		kind := number(c.Req.Headers["x-kind"])
		return c.Res.Binary([]byte{0, byte((kind + 1) * 10), 255})
	},
	"sendNumber": func(c context) response { return c.Res.Send(strconv.Itoa(50)) },
	"sendBytes": func(c context) response {
		headers := map[string]string{"content-type": "image/png"}
		return c.Res.Send(string(c.Req.BodyBinary()), c.Res.WithHeaders(headers))
	},
	"env": func(c context) response {
		found := map[string]any{"set": nil, "unset": nil}
		for key, name := range map[string]string{"set": "CUSTOM_ENV_VAR", "unset": "NOT_DEFINED_VAR"} {
			if value, isSet := os.LookupEnv(name); isSet {
				found[key] = value
			}
		}
		return c.Res.Json(found)
	},
	"logs": func(c context) response {
		fmt.Println("Native log")
		c.Log("Debug log")
		c.Error("Error log")
		c.Log("Log+With+Plus+Symbol")
		c.Log(42)
		c.Log(4.2)
		c.Log(true)
		c.Log(map[string]string{"objectKey": "objectValue"})
		c.Log([]string{"arrayValue"})
		c.Log(strings.Repeat("a", 9000))
		c.Error(strings.Repeat("b", 9000))
		c.Log(strings.Repeat("c", 8000))
		return c.Res.Text("")
	},
	"nativeStreams": func(c context) response {
		fmt.Print("out ")
		fmt.Print("line\n")
		fmt.Fprintln(os.Stderr, "err line")
		return c.Res.Text("")
	},
	"twoArguments": func(c context) response {
		c.Log("log1", "log2")
		c.Error("error1", "error2")
		return c.Res.Text("")
	},
	"logThenThrow": func(c context) response {
		c.Log("before the end")
		panic(errors.New("Main function error"))
	},
	"sleep": func(c context) response {
		id := c.Req.Query["id"]
		c.Log("start " + id)
		fmt.Println("native start " + id)
		time.Sleep(time.Duration(number(orElse(c.Req.Query["ms"], "50"))) * time.Millisecond)
		fmt.Println("native end " + id)
		c.Log("end " + id)
		return c.Res.Text("slept " + id)
	},
	// Answers when `n` of these calls are running at the same time.
	"meet": func(c context) response {
		mine := make(chan bool)
		mutex.Lock()
		arrivals = append(arrivals, mine)
		if len(arrivals) == number(c.Req.Query["n"]) {
			for _, one := range arrivals {
				close(one)
			}
			arrivals = nil
		}
		mutex.Unlock()
		<-mine
		return c.Res.Text("met")
	},
	// Answers when `release` is called.
	"hold": func(c context) response {
		mine := make(chan bool)
		mutex.Lock()
		held = append(held, mine)
		mutex.Unlock()
		c.Log("holding")
		<-mine
		return c.Res.Text("released")
	},
	// What was late has been said when this answers.
	"release": func(c context) response {
		mutex.Lock()
		defer mutex.Unlock()
		for _, one := range held {
			close(one)
		}
		for _, said := range late {
			<-said
		}
		held, late = nil, nil
		return c.Res.Text("")
	},
	"lateOutput": func(c context) response {
		mine, said := make(chan bool), make(chan bool)
		mutex.Lock()
		held, late = append(held, mine), append(late, said)
		mutex.Unlock()
		go func() {
			<-mine
			c.Log("too late")
			close(said)
		}()
		return c.Res.Text("done")
	},
	// Prints beside its answer, and for longer than the answer takes.
	"chatter": func(c context) response {
		begun := make(chan bool)
		go func() {
			for i := range 100 {
				fmt.Print("x")
				if i == 0 {
					close(begun)
				}
			}
		}()
		<-begun
		return c.Res.Text("said")
	},
	"nothing": func(c context) response { return response{} },
	"handMade": func(c context) response {
		return response{Body: []byte("made"), StatusCode: 201, Headers: map[string]string{"X-Made": "yes"}}
	},
	"headerKinds": func(c context) response {
		return c.Res.Text("", c.Res.WithHeaders(map[string]string{
			"x-number": "248", "x-flag": "true", "set-cookie": "b=2", "x-accent": "é",
		}))
	},
	"badHeaderValue": func(c context) response {
		headers := map[string]string{"x-bad": "a\r\nset-cookie: evil=1"}
		return c.Res.Text("", c.Res.WithHeaders(headers))
	},
	"badHeaderName": func(c context) response {
		return c.Res.Text("", c.Res.WithHeaders(map[string]string{"x bad": "a"}))
	},
	"manyHeaders": func(c context) response {
		value := strings.Repeat("x", number(c.Req.Query["size"]))
		return c.Res.Text("", c.Res.WithHeaders(map[string]string{"x-big": value}))
	},
	"counter": func(c context) response { return c.Res.Text(fmt.Sprint(counter.Add(1))) },
	"large": func(c context) response {
		size := number(c.Req.Query["size"])
		headers := map[string]string{"content-type": "application/octet-stream"}
		body := bytes.Repeat([]byte("abcdefghij"), size/10+1)[:size]
		return c.Res.Binary(body, c.Res.WithHeaders(headers))
	},
	"largeText": func(c context) response {
		return c.Res.Text(strings.Repeat("é", number(c.Req.Query["size"])))
	},
	"stream": func(c context) response {
		headers := map[string]string{"content-type": "text/event-stream"}
		c.Res.Start(c.Res.WithStatusCode(201), c.Res.WithHeaders(headers))
		c.Res.Write([]byte("first "))
		c.Log("between")
		c.Res.Write([]byte("second"))
		return c.Res.Text("ignored")
	},
	"streamMany": func(c context) response {
		c.Res.Start()
		for i := range number(c.Req.Query["parts"]) {
			if err := c.Res.Write(bytes.Repeat([]byte{byte(i)}, 100_000)); err != nil {
				panic(err)
			}
			c.Log(fmt.Sprintf("wrote %d", i))
		}
		return response{}
	},
	"streamThenThrow": func(c context) response {
		c.Res.Write([]byte("half"))
		panic("broken in the middle")
	},
	"spin": func(c context) response {
		c.Log("before the loop")
		for {
		}
	},
	"flood": func(c context) response {
		line := strings.Repeat("x", 999)
		for range number(c.Req.Query["lines"]) {
			c.Log(line)
		}
		return c.Res.Text("flooded")
	},
	"exit": func(c context) response {
		c.Log("before the exit")
		os.Exit(3)
		return response{}
	},
	"rejectUnhandled": func(c context) response {
		c.Log("before the rejection")
		go func() { panic("nobody handles this") }()
		time.Sleep(time.Hour)
		return response{}
	},
	"openFiles": func(c context) response {
		return c.Res.Text(listing())
	},
}

// Main is the function.
func Main(c openruntimes.Context) openruntimes.Response {
	action, isKnown := actions[c.Req.Headers["x-action"]]
	if !isKnown {
		panic("Unknown action")
	}
	return action(c)
}
