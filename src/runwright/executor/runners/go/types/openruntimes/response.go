package openruntimes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// Response is what a function returns. A status of 0 means 200.
type Response struct {
	Body       []byte
	StatusCode int
	Headers    map[string]string
}

// ResponseOption changes what a helper returns.
type ResponseOption func(*Response)

// ResponseHelper makes responses; nothing is sent before the function returns one.
type ResponseHelper struct{ call Call }

// WithStatusCode sets the status.
func (ResponseHelper) WithStatusCode(status int) ResponseOption {
	return func(r *Response) { r.StatusCode = status }
}

// WithHeaders sets headers; the map is copied.
func (ResponseHelper) WithHeaders(headers map[string]string) ResponseOption {
	return func(r *Response) { r.Headers = maps.Clone(headers) }
}

func made(body []byte, status int, options []ResponseOption) Response {
	r := Response{Body: body, StatusCode: status}
	for _, option := range options {
		option(&r)
	}
	if r.Headers == nil {
		r.Headers = map[string]string{}
	}
	return r
}

// One name in any spelling is one header.
func (r *Response) set(name, value string) {
	for own := range r.Headers {
		if strings.EqualFold(own, name) {
			delete(r.Headers, own)
		}
	}
	r.Headers[name] = value
}

// Text answers with text.
func (ResponseHelper) Text(text string, options ...ResponseOption) Response {
	return made([]byte(text), 200, options)
}

// Json answers with compact JSON. A value that cannot be written as JSON panics, so the execution
// fails and says why.
func (ResponseHelper) Json(value any, options ...ResponseOption) Response {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(fmt.Errorf("Context.Res.Json() cannot turn %T into JSON: %w", value, err))
	}
	r := made(bytes.TrimSuffix(body.Bytes(), []byte("\n")), 200, options)
	r.set("content-type", "application/json")
	return r
}

// Binary answers with bytes.
func (ResponseHelper) Binary(data []byte, options ...ResponseOption) Response {
	return made(data, 200, options)
}

// Redirect answers with an address, and status 301 if no other is set.
func (ResponseHelper) Redirect(url string, options ...ResponseOption) Response {
	r := made(nil, 301, options)
	r.set("location", url)
	return r
}

// Empty answers with status 204.
func (ResponseHelper) Empty() Response { return made(nil, 204, nil) }

// Send is an older name of Text.
func (h ResponseHelper) Send(text string, options ...ResponseOption) Response {
	return h.Text(text, options...)
}

// Start sends status and headers at once; parts follow by Write. What the function returns is then
// ignored.
func (h ResponseHelper) Start(options ...ResponseOption) {
	h.call.Start(made(nil, 200, options))
}

// Write sends a part of the body, and waits until the caller takes it.
func (h ResponseHelper) Write(data []byte) error { return h.call.Write(data) }
