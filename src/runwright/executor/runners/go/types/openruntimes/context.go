// Package openruntimes is what functions in Go import: the context of a call and its response.
// Functions written for the package of this name of the open-runtimes project compile against it.
package openruntimes

import _ "github.com/open-runtimes/types-for-go/v4/native" // before any package of the function

// Context is what a function is called with.
type Context struct {
	Req Request
	Res ResponseHelper

	call Call
}

// Call is what the server knows of a call and a function does not see.
type Call interface {
	Entry(isError bool, values []any)
	Start(response Response)
	Write(data []byte) error
}

// NewContext is the server's way to make one.
func NewContext(req Request, call Call) Context {
	return Context{Req: req, Res: ResponseHelper{call: call}, call: call}
}

// Log writes one entry to the logs of the execution.
func (c Context) Log(values ...any) { c.call.Entry(false, values) }

// Error writes one entry to the errors of the execution.
func (c Context) Error(values ...any) { c.call.Entry(true, values) }
