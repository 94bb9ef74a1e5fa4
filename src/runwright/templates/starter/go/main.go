// Package handler is the function; its package and its module keep these names.
package handler

import (
	"runtime"

	"github.com/open-runtimes/types-for-go/v4/openruntimes"
)

// Main is called for every request to this function, from whatever trigger.
func Main(Context openruntimes.Context) openruntimes.Response {
	Context.Log(Context.Req.Method, Context.Req.Path)

	if Context.Req.Path == "/ping" {
		return Context.Res.Text("Pong")
	}

	trigger := Context.Req.Headers["x-appwrite-trigger"]
	if trigger == "" {
		trigger = "http"
	}
	return Context.Res.Json(map[string]string{
		"message": "Hello from Go",
		"runtime": runtime.Version(),
		"trigger": trigger,
		"next":    "Edit main.go, deploy again, and this answer is yours.",
	})
}
